"""Which made events reach which pipeline: what its stages declare decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

import pytest

from sluiceway import (
    Accumulator,
    Pipeline,
    Processor,
    Sink,
    Source,
    merge,
    processor,
    sampler,
    sink,
    source,
)
from sluiceway.bench.generator import Extent
from sluiceway.bench.kinds import kinds_for
from sluiceway.bench.meter import Meter
from sluiceway.bench.rewiring import Load, graph_of, rewire
from sluiceway.bench.telemetry import Shape, TelemetryMaker
from sluiceway.clock import SYSTEM_CLOCK
from sluiceway.events import Alert, HealthCheck, MetricPoint, Span
from sluiceway.formats.json_events import encode_event
from sluiceway.formats.otlp_protobuf import EncodedPoint, EncodedRecord, EncodedSpan
from sluiceway.instrument import Telemetry
from sluiceway.samplers import ProbabilitySampler
from sluiceway.sinks import ConsoleSink, JsonLinesSink, OtlpSink
from sluiceway.sources import IterableSource, OtlpSource, PipelineMetricsSource
from sluiceway.testing import CollectingSink

ALL = ("spans", "points", "logs")
T = TypeVar("T")


class Named(Protocol):
    name: str


class Checks(Source[HealthCheck]):
    async def run(self, send): ...


class Anything(Source[Any]):
    async def run(self, send): ...


class Spans(Source[Span]):
    async def run(self, send): ...


class Counts(Processor[Span, MetricPoint]):
    def process(self, events):
        return events


class Points(Sink[MetricPoint]):
    async def write(self, events): ...


class Alerts(Sink[Alert]):
    async def write(self, events): ...


class Rule(Accumulator[Span, Alert]):
    def add(self, events, now):
        return []


@source
async def unsaid():
    yield 1


@source
async def said_span() -> AsyncIterator[list[Span] | None]:
    yield None


@source
async def said_dict() -> AsyncIterator[dict[str, Any]]:
    yield {}


@processor
def spans_only(event: Span) -> Span | list[Span]:
    return event


@processor
def named(event: Named) -> Named:
    return event


@sampler
def kept(event) -> bool:
    return bool(event)


@sink
async def lists(events: list) -> None: ...


@sink
async def points(events: list[MetricPoint]) -> None: ...


def kinds(chain):
    [node] = [n for n in graph_of(Pipeline(chain)).nodes if not n.origins]
    return kinds_for(node, ALL)


@pytest.mark.parametrize(
    "end", [JsonLinesSink, ConsoleSink, CollectingSink, lambda: lists]
)
def test_a_sink_that_takes_anything_is_sent_all_kinds(end, tmp_path):
    last = end(tmp_path / "events") if end is JsonLinesSink else end()
    assert kinds(unsaid >> last) == ALL
    assert kinds(Anything() >> kept >> last) == ALL
    assert kinds(IterableSource([]) >> named >> last) == ALL


def test_what_a_stage_on_the_way_does_not_take_is_not_sent():
    assert kinds(unsaid >> spans_only >> CollectingSink()) == ("spans",)
    assert kinds(unsaid >> [spans_only >> CollectingSink(), points]) == (
        "spans",
        "points",
    )
    assert kinds(said_span >> CollectingSink()) == ("spans",)
    assert kinds(IterableSource[Span]([]) >> CollectingSink()) == ("spans",)
    assert kinds(Spans() >> points) == ()


def test_a_stage_that_makes_other_events_is_sent_what_it_takes():
    assert kinds(OtlpSource(port=0) >> Counts() >> Points()) == ("spans",)
    assert kinds(Spans() >> Rule() >> Alerts()) == ("spans",)


def test_events_of_another_sort_are_none_of_the_kinds():
    assert kinds(Checks() >> CollectingSink()) == ()
    assert kinds(said_dict >> CollectingSink()) == ()


def test_telemetry_is_sent_the_kind_of_each_of_its_sources():
    telemetry = Telemetry("shop")
    for source_, kind in (("spans", "spans"), ("metrics", "points"), ("logs", "logs")):
        assert kinds(getattr(telemetry, source_) >> CollectingSink()) == (kind,)


@pytest.mark.parametrize("recording", [False, True])
def test_what_tells_of_the_pipeline_itself_is_driven_only_if_named(tmp_path, recording):
    path = tmp_path / "recorded"
    path.write_bytes(encode_event(TelemetryMaker(Shape(), int)(1)[0]))

    def driven(*names):
        pipeline = Pipeline(merge(Spans(), PipelineMetricsSource()) >> CollectingSink())
        load = Load(recording=str(path) if recording else None, sources=names)
        return [s.name for s in rewire(pipeline, load, Meter(SYSTEM_CLOCK)).driven]

    assert driven() == ["spans"]
    assert driven("pipeline_metrics_source") == ["pipeline_metrics_source"]


def test_a_source_that_does_not_decode_is_replaced_by_encoded_events():
    pipeline = Pipeline(
        OtlpSource(port=0, decode=False)
        >> ProbabilitySampler(0.5)
        >> OtlpSink("http://127.0.0.1:9")
    )
    few = Load(extent=Extent(events=300))
    [load] = rewire(pipeline, few, Meter(SYSTEM_CLOCK)).driven
    made = load._make(300)
    assert len(made) == 300
    assert {type(e) for e in made} == {EncodedSpan, EncodedPoint, EncodedRecord}


def test_encoded_events_come_again_as_events_of_their_own(tmp_path):
    path = tmp_path / "recorded"
    spans = TelemetryMaker(Shape(mix={"spans": 1}), lambda: 1)(3)
    path.write_bytes(b"\n".join(map(encode_event, spans)))
    pipeline = Pipeline(OtlpSource(port=0, decode=False) >> CollectingSink())
    load = Load(recording=str(path))
    [source] = rewire(pipeline, load, Meter(SYSTEM_CLOCK)).driven
    first, second = source._make(3), source._make(3)
    first[0].set_trace_state("ot=th:8")
    ids = [span.trace_id for span in spans]
    assert [item.trace() for item in second] == [(each, "") for each in ids]
    assert first[0].trace() == (ids[0], "ot=th:8")
