"""No event is made of a span where no stage looks at it; whoever looks gets a Span."""

import asyncio

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from servers.http_peers import answering, status

from sluiceway import (
    BatchBy,
    Inlet,
    Pipeline,
    Queue,
    Sink,
    Span,
    best_effort,
    processor,
    route,
)
from sluiceway.instrument import Telemetry
from sluiceway.samplers import RateLimitSampler
from sluiceway.sinks import OtlpSink
from sluiceway.testing import CollectingSink


class Kinds(Sink):
    """Keeps the types of what it gets, and takes notes."""

    takes_notes = True

    def __init__(self, **settings):
        self.seen = set()
        vars(self).update(settings)

    async def write(self, events):
        self.seen |= {*map(type, events)}


class Derived(Kinds):
    """Does not say so itself: its own methods may look at spans."""


@processor
def same(span):
    return span


def named(span):
    return span.name


def measured(span):
    return span.size()


BOUNDED = Queue(max_bytes=9999, size=measured)
BY_BYTES = BatchBy(max_bytes=9999, size=measured)


def kinds_seen(chain, end):
    """What one span is when it reaches ``end``."""
    telemetry = Telemetry("shop")

    async def scenario():
        async with Pipeline(*chain(telemetry.spans, end)) as pipeline:
            with telemetry.tracer("tests").span("checkout"):
                pass
        assert pipeline.ledger().balanced
        assert pipeline.ledger().lost == 0

    asyncio.run(scenario())
    return end.seen


@pytest.mark.parametrize(
    "chain",
    [
        lambda spans, end: [spans >> end],
        lambda spans, end: [spans >> BatchBy(10) >> end],
        lambda spans, end: [spans >> RateLimitSampler(1000) >> end],
        lambda spans, end: [spans >> [end, best_effort(Kinds())]],
    ],
    ids=["direct", "batched", "rate limited", "fanned out"],
)
def test_stages_that_do_not_look_are_handed_notes(chain):
    assert kinds_seen(chain, Kinds()) == {tuple}


@pytest.mark.parametrize(
    ("chain", "end"),
    [
        (lambda spans, end: [spans >> same >> end], Kinds()),
        (lambda spans, end: [spans >> [end, CollectingSink()]], Kinds()),
        (lambda spans, end: [spans >> [end, same >> CollectingSink()]], Kinds()),
        (lambda spans, end: [spans >> route(named, {"checkout": end})], Kinds()),
        (lambda spans, end: [spans >> end], Derived()),
        (
            lambda spans, end: [spans >> end],
            Kinds(queue=BOUNDED),
        ),
        (
            lambda spans, end: [spans >> end],
            Kinds(batch=BY_BYTES),
        ),
        (lambda spans, end: [spans >> BY_BYTES >> end], Kinds()),
    ],
    ids=[
        "processor",
        "other sink",
        "other branch",
        "route",
        "derived sink",
        "byte-bounded queue",
        "byte-bounded batch",
        "batched by bytes",
    ],
)
def test_one_stage_that_looks_makes_spans_for_all(chain, end):
    assert kinds_seen(chain, end) == {Span}


def test_what_arrives_is_the_same_with_a_stage_between_or_without():
    async def arrived(*between):
        telemetry = Telemetry("shop")
        tracer = telemetry.tracer("tests", "1.0")
        async with answering(status(200)) as server:
            chain = telemetry.spans
            for stage in between:
                chain = chain >> stage
            async with Pipeline(chain >> OtlpSink(server.url)) as pipeline:
                with (
                    tracer.span("outer", attributes={"items": 3}),
                    tracer.span("inner", kind=3) as inner,
                ):
                    inner.add_event("halfway", {"at": 0.5})
                with pytest.raises(ZeroDivisionError), tracer.span("failing"):
                    1 / 0  # noqa: B018 - what the span is to see
            assert pipeline.ledger().lost == 0
        whole = ExportTraceServiceRequest()
        for body in server.bodies:
            whole.MergeFromString(body)
        return [
            (
                scope.scope.name,
                span.name,
                span.kind,
                bool(span.parent_span_id),
                [attribute.key for attribute in span.attributes],
                [event.name for event in span.events],
                span.status.code,
                span.status.message,
                span.flags,
                span.start_time_unix_nano <= span.end_time_unix_nano,
            )
            for group in whole.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    async def scenario():
        direct, processed = await arrived(), await arrived(same)
        assert direct == processed
        assert len(direct) == 3

    asyncio.run(scenario())


def test_notes_spans_and_a_users_tuples_go_their_own_ways():
    telemetry = Telemetry("shop")

    async def scenario():
        async with answering(status(200)) as server:
            async with Pipeline(telemetry.spans >> OtlpSink(server.url)) as pipeline:
                with telemetry.tracer("tests").span("noted"):
                    pass
                ready = Span(name="ready", trace_id=b"t" * 16, span_id=b"s" * 8)
                telemetry.spans.emit_nowait(ready)
                telemetry.spans.emit_nowait(("a", "user's", "tuple"))
            books = pipeline.ledger()["otlp_sink"]
            request = ExportTraceServiceRequest.FromString(b"".join(server.bodies))
        names = {
            span.name
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        }
        assert names == {"noted", "ready"}
        assert books.delivered == 2
        assert books.rejected == {"not_telemetry": 1}

    asyncio.run(scenario())


def test_a_tuple_from_another_source_is_no_telemetry():
    inlet = Inlet()

    async def scenario():
        async with answering(status(200)) as server:
            async with Pipeline(inlet >> OtlpSink(server.url)) as pipeline:
                inlet.emit_nowait((1, 2))
            assert pipeline.ledger()["otlp_sink"].rejected == {"not_telemetry": 1}
            assert not server.bodies

    asyncio.run(scenario())


def test_a_request_of_notes_that_is_too_large_is_halved_until_it_fits():
    telemetry = Telemetry("shop")

    async def scenario():
        async with answering(status(200)) as server:
            sink = OtlpSink(server.url, max_request=1200)
            async with Pipeline(telemetry.spans >> sink) as pipeline:
                for _ in range(20):
                    with telemetry.tracer("tests").span("checkout"):
                        pass
            assert pipeline.ledger()["otlp_sink"].delivered == 20
            assert len(server.bodies) > 1

    asyncio.run(scenario())
