"""What a pipeline tells of itself as metrics, and that it never counts the telling."""

import asyncio
import json
import subprocess

import pytest
from opentelemetry.semconv._incubating.attributes import otel_attributes
from opentelemetry.semconv._incubating.metrics import otel_metrics
from servers import processes

from sluiceway import (
    BatchBy,
    ConfigurationError,
    PermanentError,
    Pipeline,
    Queue,
    Resource,
    Retry,
    Sink,
    Source,
    TransientError,
    merge,
    processor,
    sampler,
)
from sluiceway.config import load
from sluiceway.events import MetricKind, MetricPoint, Temporality
from sluiceway.formats.pipeline_metrics import BOUNDS, MOST_REASONS
from sluiceway.formats.prometheus_text import exposition
from sluiceway.sources import PipelineMetricsSource
from sluiceway.testing import CollectingSink, ManualClock, SlowSink, check_source

START = ManualClock().time_ns()


class Fed(Source):
    """Sends at once what it is fed."""

    name = "fed"

    def __init__(self):
        self.batches = asyncio.Queue()

    def feed(self, *batches):
        for batch in batches:
            self.batches.put_nowait([*batch])

    async def run(self, send):
        while True:
            await send(await self.batches.get())


class Ends(Sink):
    """Keeps the metric points; answers others by a script."""

    name = "ends"

    def __init__(self, *answers, **settings):
        self.answers = [*answers]
        self.points, self.others = [], []
        vars(self).update(settings)

    async def write(self, events):
        if isinstance(events[0], MetricPoint):
            self.points.append(events)
            return
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.others += events


def told(points, name, **wanted):
    """The values of the points of that name and of these attributes."""
    right = {key.replace("_", "."): value for key, value in wanted.items()}
    return [
        point.value
        for point in points
        if point.name == name
        and right.items()
        <= {
            k.removeprefix("sluiceway."): v for k, v in point.attributes.items()
        }.items()
    ]


SERIES = 28  # of a source, a processor, an accumulator and a sink


def of(stage):
    return {"stage_name": stage}


def test_events_are_told_by_stage_outcome_and_reason(run):
    async def main():
        clock, fed, keep = ManualClock(), Fed(), sampler(lambda e: e < 8, name="below")
        odd = processor(lambda e: [e] if e % 2 else [], name="odd")
        ends = Ends(TransientError(reason="away"), PermanentError(reason="too_large"))
        source = PipelineMetricsSource(10)
        chains = fed >> keep >> odd >> ends, source >> ends
        async with Pipeline(*chains, clock=clock, name="shop"):
            fed.feed(range(10), [1], [3, 5])
            await clock.advance(10)
            points = ends.points[-1]
        assert told(points, "sluiceway.stage.incoming", **of("fed")) == [13]
        assert told(points, "sluiceway.stage.outgoing", **of("below")) == [11]
        sampled = told(points, "sluiceway.stage.left_out", outcome="sampled_out")
        assert sampled == [2]
        assert told(points, "sluiceway.stage.left_out", outcome="filtered") == [4]
        lost = [p for p in points if p.name == "sluiceway.stage.lost"]
        reasons = [
            (
                p.attributes["sluiceway.outcome"],
                p.attributes["sluiceway.reason"],
                p.value,
            )
            for p in lost
        ]
        assert reasons == [("rejected", "too_large", 1), ("errored", "away", 4)]
        assert told(points, "sluiceway.stage.outgoing", **of("ends")) == [2]
        names = {p.attributes["sluiceway.pipeline.name"] for p in points}
        assert names == {"shop"}

    run(main())


def test_queues_writes_and_retries_are_told_while_they_last(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        slow = SlowSink(name="slow", queue=Queue(50))
        retry = Retry(initial=1, maximum=1, deadline=900)
        ends = Ends(*[TransientError(retry_after=1)] * 3, retry=retry, max_in_flight=2)
        source = PipelineMetricsSource(10)
        chains = fed >> [slow, ends], source >> ends
        async with Pipeline(*chains, clock=clock):
            fed.feed([1, 2], [3])
            await slow.wait_writing()
            await clock.advance(10)
            points = ends.points[-1]
            slow.release()
        assert told(points, "sluiceway.queue.size", **of("slow")) == [3]
        assert told(points, "sluiceway.queue.capacity", **of("slow")) == [50]
        assert told(points, "sluiceway.stage.held", **of("slow")) == [3]
        assert told(points, "sluiceway.sink.inflight", **of("slow")) == [1]
        assert told(points, "sluiceway.sink.inflight", **of("ends")) == [0]
        assert told(points, "sluiceway.sink.retries", **of("ends")) == [3]
        (written,) = told(points, "otel.sdk.exporter.operation.duration", **of("ends"))
        assert (written.count, written.sum) == (2, 2 + 1)

    run(main())


def test_times_are_histograms_of_seconds(run):
    async def main():
        clock, fed, ends = ManualClock(), Fed(), Ends()

        @processor
        def slow(event):
            clock.move(event)
            return event

        source = PipelineMetricsSource(60)
        chains = fed >> slow >> BatchBy(3) >> ends, source >> ends
        async with Pipeline(*chains, clock=clock) as pipeline:
            fed.feed([0.003], [0.3], [0.3])
            await clock.advance(60)
            points = ends.points[-1]
            assert pipeline.ledger().balanced
        (duration,) = told(points, "sluiceway.stage.duration", **of("slow"))
        assert duration.explicit_bounds == BOUNDS
        assert duration.count == sum(duration.bucket_counts) == 3
        assert duration.sum == pytest.approx(0.603)
        at = dict(zip(BOUNDS, duration.bucket_counts, strict=False))
        assert (at[0.005], at[0.5]) == (1, 2)
        (waits,) = told(points, "sluiceway.queue.wait.duration", **of("slow"))
        assert (waits.count, waits.bucket_counts[0]) == (3, 3)
        assert told(points, "sluiceway.stage.hold.duration")[0].count == 1

    run(main())


def test_sums_are_cumulative_since_the_pipeline_was_made(run):
    async def main():
        clock, fed, ends = ManualClock(), Fed(), Ends()
        source = PipelineMetricsSource(10)
        pipeline = Pipeline(fed >> ends, source >> ends, clock=clock)
        await clock.advance(5)
        async with pipeline:
            fed.feed([1])
            await clock.advance(10)
            fed.feed([2])
            await clock.advance(10)
        async with pipeline:
            fed.feed([3])
            await clock.advance(10)
        looks = ends.points
        counts = [told(look, "sluiceway.stage.incoming", **of("fed")) for look in looks]
        assert counts == [[1], [2], [2], [3], [3]]
        for point in [point for look in looks for point in look]:
            assert point.start_time_unix_nano == START
            assert point.temporality is Temporality.CUMULATIVE
        times = [{point.time_unix_nano for point in look} for look in looks]
        seconds = [15, 25, 25, 35, 35]
        assert times == [{START + second * 10**9} for second in seconds]

    run(main())


def without_time(points):
    return [(p.name, p.attributes, p.value) for p in points]


def test_a_pipeline_that_does_nothing_but_tell_of_itself_tells_the_same_for_ever(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        ends = Ends(batch=BatchBy(7, flush_interval=1), retry=Retry())
        source = PipelineMetricsSource(10)
        passes = processor(lambda event: event, name="passes")
        chain = merge(fed, source) >> passes >> BatchBy(5) >> ends
        async with Pipeline(chain, clock=clock) as pipeline:
            fed.feed([1, 2, 3])
            await clock.advance(100)
        looks, look = [], []
        for written in ends.points:
            assert len(written) <= 7
            look += written
            if len(look) == SERIES:
                looks.append(look)
                look = []
        assert not look
        assert len(looks) == 11
        for later in looks[1:]:
            assert without_time(later) == without_time(looks[0])
        ledger = pipeline.ledger()
        assert ledger.balanced
        assert ledger["pipeline_metrics_source"].created == 11 * SERIES
        assert ledger["ends"].delivered == 11 * SERIES + 3

    run(main())


def test_stages_where_only_its_own_points_come_are_left_out(run):
    async def main():
        clock, fed, ends = ManualClock(), Fed(), Ends()
        source, apart = PipelineMetricsSource(10), CollectingSink()
        async with Pipeline(fed >> ends, source >> apart, clock=clock):
            await clock.advance(10)
        stages = {p.attributes["sluiceway.stage.name"] for p in apart.events}
        assert stages == {"fed", "ends"}

    run(main())


def test_another_pipeline_is_told_of_by_ordinary_events(run):
    async def main():
        clock, fed, ends, end = ManualClock(), Fed(), Ends(), CollectingSink()
        shop = Pipeline(fed >> ends, name="shop", clock=clock)
        source = PipelineMetricsSource(10, pipeline=shop)
        watching = Pipeline(source >> end, clock=clock)
        async with watching, shop:
            fed.feed([1, 2])
            await clock.advance(1)
            assert await watching.flush()
            assert told(end.events, "sluiceway.stage.incoming", **of("fed")) == [2]
        (stage, _) = watching.statistics()
        assert stage.incoming == len(end.events) > 0
        assert not stage.own

    run(main())


def test_the_metrics_are_about_the_pipelines_resource_or_its_own(run):
    async def main():
        shop, other = (
            Resource({"service.name": "shop"}),
            Resource({"service.name": "x"}),
        )
        first, second = CollectingSink(), CollectingSink()
        one = PipelineMetricsSource(name="one")
        two = PipelineMetricsSource(resource=other, name="two")
        chains = Fed() >> [first, second], one >> first, two >> second
        async with Pipeline(*chains, resource=shop):
            pass
        assert all(point.resource is shop for point in first.events)
        assert all(point.resource is other for point in second.events)

    run(main())


def test_failed_writes_are_told_by_error_type(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        ends = Ends(TransientError(reason="away"), None, None)
        source = PipelineMetricsSource(10)
        async with Pipeline(fed >> ends, source >> ends, clock=clock):
            fed.feed([1], [2], [3])
            await clock.advance(10)
        name = otel_metrics.OTEL_SDK_EXPORTER_OPERATION_DURATION
        points = [point for point in ends.points[0] if point.name == name]
        counts = {p.attributes.get("error.type"): p.value.count for p in points}
        assert counts == {"away": 1, None: 2}
        for point in points:
            attributes = point.attributes
            assert attributes[otel_attributes.OTEL_COMPONENT_NAME] == "ends"
            component = attributes[otel_attributes.OTEL_COMPONENT_TYPE]
            assert component.endswith("test_pipeline_metrics_source.Ends")
            assert (point.unit, point.kind) == ("s", MetricKind.HISTOGRAM)
            described = otel_metrics.create_otel_sdk_exporter_operation_duration
            assert point.description.rstrip(".") in described.__doc__

    run(main())


def test_a_sink_that_invents_reasons_makes_no_more_series_than_a_few(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        errors = [PermanentError(reason=f"reason {number}") for number in range(99)]
        ends, source = Ends(*errors), PipelineMetricsSource(10)
        async with Pipeline(fed >> ends, source >> ends, clock=clock):
            fed.feed(*[[number] for number in range(30)])
            await clock.advance(10)
            fed.feed(*[[number] for number in range(40)])
            await clock.advance(10)
        name = "sluiceway.stage.lost"
        first, last = (told(look, name) for look in ends.points[:2])
        assert len(first) == len(last) == MOST_REASONS + 1
        assert (sum(first), sum(last)) == (30, 70)
        assert told(ends.points[1], name, reason="_OTHER") == [70 - MOST_REASONS]

    run(main())


@pytest.mark.parametrize("interval", [0, -1, float("inf"), "10", True])
def test_its_interval_is_seconds_above_zero(interval):
    with pytest.raises(ConfigurationError, match=r"PipelineMetricsSource\.interval"):
        PipelineMetricsSource(interval)


def test_it_tells_of_pipelines_only():
    with pytest.raises(ConfigurationError, match="expected a Pipeline"):
        PipelineMetricsSource(pipeline="shop")


def test_it_does_what_the_engine_relies_on():
    check_source(PipelineMetricsSource)


def test_its_repr_says_of_what_it_tells():
    assert "its pipeline every 60 s" in repr(PipelineMetricsSource())
    other = Pipeline(Fed() >> CollectingSink(), name="shop")
    assert "<Pipeline shop new>" in repr(PipelineMetricsSource(pipeline=other))


FILE = """
chains = ["lines >> lost", "own >> file"]

[stages]
lines = { type = "JsonLinesSource", path = "in.jsonl" }
lost = { type = "JsonLinesSink", path = "out.jsonl" }
own = { type = "PipelineMetricsSource", interval = 5.0 }
file = { type = "JsonLinesSink", path = "metrics.jsonl" }
"""


def test_a_file_asks_for_it_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text("")
    (tmp_path / "shop.toml").write_text(FILE)

    async def main():
        async with load("shop.toml").pipeline:
            await asyncio.sleep(0)

    run(main())
    told = [*map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())]
    assert told
    assert "sluiceway.queue.capacity" in {point["name"] for point in told}


@pytest.mark.servers
def test_promtool_finds_nothing_wrong_with_its_metrics(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        errors = TransientError(reason="away"), PermanentError(reason="too_large")
        ends, source = Ends(*errors), PipelineMetricsSource(10)
        keep = sampler(lambda event: event != 2, name="keep")
        row = keep >> processor(lambda event: event, name="passes")
        async with Pipeline(fed >> row >> ends, source >> ends, clock=clock):
            fed.feed([1], [2, 3], [4])
            await clock.advance(10)
        return exposition(ends.points[-1])

    command = [processes.require("promtool"), "check", "metrics"]
    page = run(main())
    assert page.left_out == {}
    assert b"sluiceway_queue_wait_duration_seconds_bucket{" in page.body
    assert b"sluiceway_stage_lost_total{" in page.body
    done = subprocess.run(command, input=page.body, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
