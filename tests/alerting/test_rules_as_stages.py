"""Rules in pipelines, in files, and against the conformance checks."""

from __future__ import annotations

import pytest
from waiting import until

from sluiceway import Inlet, Pipeline
from sluiceway.alerting import AbsenceRule, RatioRule, ThresholdRule
from sluiceway.config import InvalidFileError, load, schema
from sluiceway.events import AlertStatus, MetricPoint, Span, StatusCode
from sluiceway.sinks import ConsoleSink
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink, ManualClock, check_accumulator

FINE = Span(name="GET", trace_id=b"t" * 16, span_id=b"s" * 8)
FAILED = Span(
    name="GET", trace_id=b"t" * 16, span_id=b"s" * 8, status_code=StatusCode.ERROR
)
FILE = """
chains = ["spans >> HighErrorRate >> out"]

[stages]
spans = { type = "OtlpSource", port = 0 }
out = { type = "ConsoleSink" }

[stages.HighErrorRate]
type = "RatioRule"
alert = "HighErrorRate"
where = { kind = "server" }
of = { "attributes.http.response.status_code" = ">= 500" }
by = ["resource.service.name"]
above = 0.1
for = 30
message = "{value:.1%} of the requests of {labels[service.name]} fail"
"""


def test_a_rule_merges_events_and_creates_alerts_by_the_books(run):
    clock = ManualClock()

    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        rule = RatioRule("Errors", of={"status_code": "error"}, above=0.5, window=60)
        async with Pipeline(inlet >> rule >> end, clock=clock) as pipeline:
            await inlet.emit_many([FINE, FAILED, FAILED])
            await end.wait_for(1)
            await clock.advance(120)
            await end.wait_for(2)
            await pipeline.flush()
            return end.events, pipeline.ledger(), clock.time_ns()

    (fired, resolved), ledger, now_ns = run(scenario())
    assert (fired.status, resolved.status) == (
        AlertStatus.FIRING,
        AlertStatus.RESOLVED,
    )
    assert resolved.ends_at_unix_nano - fired.starts_at_unix_nano == 61 * 10**9
    assert resolved.ends_at_unix_nano == now_ns - 59 * 10**9
    books = ledger["Errors"]
    assert (books.received, books.merged, books.created) == (3, 3, 2)
    assert ledger.balanced


def test_silence_from_the_start_fires_although_nothing_ever_came(run):
    clock = ManualClock()

    async def scenario():
        inlet, end = Inlet(), CollectingSink()
        rule = AbsenceRule("Dead", window=30)
        async with Pipeline(inlet >> rule >> end, clock=clock) as pipeline:
            await until(lambda: rule.statistics().series == 1)
            await clock.advance(30)
            await end.wait_for(1)
            return pipeline.ledger()

    assert run(scenario()).balanced


def test_series_without_room_are_told_of_once(run, caplog):
    async def main():
        inlet = Inlet()
        rule = ThresholdRule("Hot", above=90, by=["attributes.x"], max_series=1)
        async with Pipeline(inlet >> rule >> CollectingSink()) as pipeline:
            for x in "abc":
                point = MetricPoint(name="t", value=1, attributes={"x": x})
                await inlet.emit(point)
            await pipeline.flush()
            return rule.statistics().refused

    assert run(main()) == 2
    (line,) = caplog.messages
    assert line.startswith("Hot has max_series, 1, and leaves further ones out")
    assert "{'x': 'b'}" in line


def test_rules_keep_what_the_engine_relies_on():
    points = [MetricPoint(name="cpu", value=n % 7) for n in range(30)]
    check_accumulator(lambda: ThresholdRule("Hot", above=3, window=5), points)
    check_accumulator(
        lambda: RatioRule("Some", of={"value": "> 3"}, above=0.1, window=5), points
    )


def test_a_file_names_rules_as_python_does(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(FILE)
    assert (
        load(path).pipeline.graph()
        == Pipeline(
            OtlpSource(port=0, name="spans")
            >> RatioRule(
                "HighErrorRate",
                of={"attributes.http.response.status_code": ">= 500"},
                above=0.1,
            )
            >> ConsoleSink(name="out")
        ).graph()
    )
    settings = schema()["$defs"]["RatioRule"]["properties"]
    assert settings["for"]["description"].startswith("seconds that the condition")


def test_everything_that_is_wrong_with_a_rule_is_told_at_its_line(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(FILE.replace("for = 30", "for = -1").replace("{value:", "{valeu:"))
    with pytest.raises(InvalidFileError) as refused:
        load(path)
    told = [(problem.line, problem.path) for problem in refused.value.problems]
    assert told == [
        (15, "stages.HighErrorRate.for"),
        (16, "stages.HighErrorRate.message"),
    ]
