"""`sluiceway validate` says of names what promtool would."""

from __future__ import annotations

import asyncio
import subprocess
import textwrap

import pytest
from cli.demo_runs import command, environment

from sluiceway import ConfigurationError, LogRecord, MetricPoint, Pipeline
from sluiceway.cli.metric_names import findings_of
from sluiceway.instrument import Telemetry
from sluiceway.instrument.views import DropAggregation, View
from sluiceway.processors import Filter
from sluiceway.sinks import (
    ConsoleSink,
    JsonLinesSink,
    PrometheusSink,
    PushgatewaySink,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import MisbehavingServer

SHOP = """
from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import ConsoleSink, PrometheusSink

telemetry = Telemetry("shop")
telemetry.observe_runtime()
meter = telemetry.meter("shop")
meter.counter("orders", unit="{order}")
%s
pipeline = Pipeline(telemetry.metrics >> PrometheusSink(port=0))
elsewhere = Pipeline(telemetry.metrics >> ConsoleSink())
"""
ODD = 'meter.histogram("checkout.duration", unit="ms")\nmeter.gauge("queueCount")'
SAID = [
    (
        "shop:pipeline: checkout_duration_milliseconds use base unit "
        '"seconds" instead of "milliseconds" (it is \'checkout.duration\' here)'
    ),
    (
        "shop:pipeline: queueCount metric names should be written in 'snake_case' "
        "not 'camelCase'"
    ),
]
PAGE = b"# HELP a_count x\n# TYPE a_count gauge\na_count 1\n"
OF_PAGE = 'non-histogram and non-summary metrics should not have "_count" suffix'


def call(folder, *words, given=b""):
    done = subprocess.run(
        command("validate", *words),
        cwd=folder,
        env=environment({}),
        input=given,
        capture_output=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_names_that_prometheus_is_unhappy_with_are_told_with_their_own_names(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP % ODD)
    code, out, err = call(tmp_path, "shop:pipeline")
    assert (code, out) == (3, "shop:pipeline: a pipeline of 2 stages\n")
    assert err.splitlines() == SAID


def test_names_that_prometheus_likes_and_names_that_it_never_sees_are_well(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP % ODD)
    (tmp_path / "plain.py").write_text(SHOP % "")
    code, out, err = call(tmp_path, "plain:pipeline", "shop:elsewhere")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2


def test_a_file_that_takes_its_metrics_from_python_is_judged_too(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP % ODD)
    text = """
    chains = ["metrics >> page"]
    [stages]
    metrics = { type = "shop:telemetry.metrics" }
    page = { type = "PushgatewaySink", url = "http://localhost:9091" }
    """
    (tmp_path / "shop.toml").write_text(textwrap.dedent(text))
    code, _, err = call(tmp_path, "shop.toml")
    assert (code, len(err.splitlines())) == (3, 2)


def test_what_is_wrong_matters_more_than_what_promtool_says(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP % ODD)
    code, _, err = call(tmp_path, "shop:pipeline", "shop:nothing")
    assert (code, len(err.splitlines())) == (2, 3)


def test_a_page_is_judged_from_a_file_or_standard_input(tmp_path):
    (tmp_path / "page.prom").write_bytes(PAGE)
    words = ("--metrics", "page.prom", "--metrics", "-")
    code, out, err = call(tmp_path, *words, given=b"a 1\n")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        f"page.prom: a_count {OF_PAGE}",
        "standard input: a no help text",
    ]
    code, out, err = call(tmp_path, "--metrics", "-", given=b"# HELP a x\na 1\n")
    assert (code, out, err) == (0, "standard input: promtool would say nothing\n", "")


def test_a_page_is_judged_from_its_address_and_no_secret_of_it_is_told(run, tmp_path):
    async def asked(status, body):
        async with MisbehavingServer() as server:
            await server.behave("answers", status=status, body=body)
            url = f"{server.url}/metrics?token=sesame"
            told = await asyncio.to_thread(call, tmp_path, "--metrics", url)
            return told, server.url, server.requests[0].headers["accept"]

    (code, out, err), url, accept = run(asked(200, PAGE), timeout=60)
    assert (code, out, accept) == (3, "", "text/plain;version=0.0.4")
    assert err == f"{url}/metrics: a_count {OF_PAGE}\n"
    (code, out, err), url, _ = run(asked(503, b""), timeout=60)
    assert (code, out, err) == (2, "", f"{url}/metrics: cannot be read (HTTP 503)\n")


@pytest.mark.parametrize("what", ["resets", "garbage", "refuses", "cuts"])
def test_an_address_that_answers_with_no_page_is_an_error_of_one_line(
    run, tmp_path, what
):
    async def asked():
        async with MisbehavingServer() as server:
            await server.behave(what)
            return await asyncio.to_thread(call, tmp_path, "--metrics", server.url)

    code, out, err = run(asked(), timeout=60)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_recorded_points_are_judged_with_the_names_that_they_would_get(run, tmp_path):
    points = [MetricPoint(name="a.time", unit="h", value=n) for n in range(3)]
    sink = JsonLinesSink(tmp_path / "events.jsonl")
    run(Pipeline(IterableSource([*points, LogRecord(body="x")]) >> sink).run())
    code, _, err = call(tmp_path, "--metrics", "events.jsonl")
    assert code == 3
    assert err == (
        'events.jsonl: a_time_hours use base unit "seconds" instead of "hours" '
        "(it is 'a.time' here)\n"
    )


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("page", b"a b c\n", "page: is no page: line 1: "),
        ("events.jsonl", b"\n{}\n", "events.jsonl:2: is no event: "),
        ("none", None, "none: cannot be read (No such file or directory)"),
    ],
)
def test_a_page_that_cannot_be_judged_says_why(tmp_path, name, body, told):
    if body is not None:
        (tmp_path / name).write_bytes(body)
    code, out, err = call(tmp_path, "--metrics", name)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(told)


def test_nothing_to_check_is_an_error(tmp_path):
    code, out, err = call(tmp_path)
    assert (code, out) == (2, "")
    assert "nothing to check; expected a target, or --metrics" in err


def judged(pipeline):
    return [(found.metric, found.text) for found in findings_of(pipeline)]


def test_a_view_decides_the_name_that_is_judged():
    views = [
        View("latency", name="latency.seconds"),
        View("noise.ms", aggregation=DropAggregation()),
    ]
    telemetry = Telemetry("shop", views=views)
    telemetry.meter("a").histogram("latency", unit="s")
    telemetry.meter("a").observable_counter("noise.ms")
    assert judged(Pipeline(telemetry.metrics >> PrometheusSink(port=None))) == []


def test_instruments_that_cannot_share_a_page_are_told():
    telemetry = Telemetry("shop")
    telemetry.meter("a").gauge("jobs")
    telemetry.meter("b").counter("jobs")
    telemetry.meter("c").gauge("jobs")
    (found,) = judged(Pipeline(telemetry.metrics >> PrometheusSink(port=None)))
    assert found == ("jobs", "is left out: jobs belongs to the gauge jobs already")


def test_only_sources_whose_events_reach_a_sink_for_prometheus_are_judged():
    odd, other = Telemetry("shop"), Telemetry("bank")
    odd.meter("a").gauge("a.ms")
    other.meter("a").gauge("b.ms")
    keep = Filter(lambda point: True)
    gateway = PushgatewaySink("http://localhost:9091")
    pipeline = Pipeline(
        odd.metrics >> keep >> [gateway, ConsoleSink(name="one")],
        other.metrics >> ConsoleSink(name="two"),
    )
    assert [metric for metric, _ in judged(pipeline)] == ["a_ms"]


class Own(IterableSource):
    """A source of a user's, that says what will come."""

    def __init__(self, preview):
        super().__init__([])
        self._preview = preview

    def preview(self):
        return self._preview()


def test_a_source_of_ones_own_can_tell_its_metrics_too():
    told = [MetricPoint(name="own.ms", value=0), {"no": "point"}]
    pipeline = Pipeline(Own(lambda: told) >> PrometheusSink(port=None))
    assert [metric for metric, _ in judged(pipeline)] == ["own_ms"]


def test_a_source_that_fails_to_tell_is_named():
    pipeline = Pipeline(Own(lambda: 1 / 0) >> PrometheusSink(port=None))
    with pytest.raises(ConfigurationError, match="ZeroDivisionError: division by zero"):
        judged(pipeline)
