"""OTLP in, OTLP out, nothing decoded in between: OtlpSource(decode=False)."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from otlp_samples import sample_points, sample_records, sample_spans
from servers.grpc_peers import collecting
from servers.http_peers import answering
from servers.otlp_sources import Taker, serving

from sluiceway import BatchBy, Pipeline, best_effort, processor, route, sampler, sink
from sluiceway.errors import ConfigurationError, GraphError
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats import otlp_json
from sluiceway.formats.otlp_protobuf import (
    EncodedPoint,
    EncodedRecord,
    EncodedSpan,
    decode_logs,
    decode_metrics,
    decode_traces,
    encode_logs,
    encode_metrics,
    encode_response,
    encode_traces,
    join_encoded,
)
from sluiceway.processors import Decode, Filter, SetAttributes
from sluiceway.samplers import ProbabilitySampler, RateLimitSampler
from sluiceway.settings import Queue
from sluiceway.sinks import ConsoleSink, OtlpSink
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SIGNALS = [
    ("/v1/traces", encode_traces(sample_spans()), decode_traces, EncodedSpan),
    ("/v1/metrics", encode_metrics(sample_points()), decode_metrics, EncodedPoint),
    ("/v1/logs", encode_logs(sample_records()), decode_logs, EncodedRecord),
]
MALFORMED = b"\x0a\x06\x12\x04\x12\x02\x0a\x10"  # a span whose trace id is cut off


def numbered(count, start=1):
    return [
        Span(name=f"s{n}", trace_id=n.to_bytes(16, "big"), span_id=n.to_bytes(8, "big"))
        for n in range(start, start + count)
    ]


def empty():
    return OtlpSource(port=0, decode=False)


async def post(url, body, path="/v1/traces", headers=PROTOBUF):
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.read()


def url_of(source):
    return f"http://127.0.0.1:{source.port}"


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("packed", [False, True])
def test_each_item_of_a_request_is_an_event_of_its_own(run, signal, packed):
    path, body, decode, kind = signal

    async def scenario():
        taker = Taker()
        headers = PROTOBUF | ({"Content-Encoding": "gzip"} if packed else {})
        async with serving(taker, decode=False) as (source, _):
            sent = gzip.compress(body) if packed else body
            status, _ = await post(url_of(source), sent, path, headers)
            return status, taker.events, source.statistics().events

    status, events, counted = run(scenario())
    assert status == 200
    assert {*map(type, events)} == {kind}
    assert len(events) == counted == len(decode(body))
    assert decode(join_encoded(events)) == decode(body)


@pytest.mark.parametrize(
    ("path", "encode", "decode", "kind"),
    [
        ("/v1/traces", otlp_json.encode_traces, decode_traces, EncodedSpan),
        ("/v1/metrics", otlp_json.encode_metrics, decode_metrics, EncodedPoint),
        ("/v1/logs", otlp_json.encode_logs, decode_logs, EncodedRecord),
    ],
)
def test_json_becomes_the_same_items(run, path, encode, decode, kind):
    body = next(body for known, body, *_ in SIGNALS if known == path)
    samples = decode(body)

    async def scenario():
        taker = Taker()
        async with serving(taker, decode=False) as (source, _):
            status, _ = await post(url_of(source), encode(samples), path, JSON)
            return status, taker.events

    status, events = run(scenario())
    assert status == 200
    assert {*map(type, events)} == {kind}
    assert decode(join_encoded(events)) == samples


def test_grpc_gives_the_same_items(run):
    async def scenario():
        taker = Taker()
        async with serving(taker, decode=False, grpc_port=0) as (source, _):
            target = f"127.0.0.1:{source.grpc_port}"
            async with grpc.aio.insecure_channel(target) as channel:
                await channel.unary_unary(TRACES)(encode_traces(sample_spans()))
            return taker.events

    assert decode_traces(join_encoded(run(scenario()))) == sample_spans()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (encode_traces(numbered(2))[:-1], PROTOBUF),
        (b"\xff\xff", PROTOBUF),
        (b'{"resourceSpans": 1}', JSON),
    ],
)
def test_what_cannot_be_taken_apart_is_a_400(run, body, headers):
    async def scenario():
        taker = Taker()
        async with serving(taker, decode=False) as (source, _):
            status, answer = await post(url_of(source), body, headers=headers)
            return status, answer, taker.events

    status, answer, events = run(scenario())
    assert (status, events) == (400, [])
    assert b"no OTLP" in answer


def gateway(run, chain_of, requests, answer=None):
    """What a collector gets behind a gateway: its bodies, answers and the ledger."""

    async def scenario():
        answers = []
        async with answering(answer or accepted) as collector:
            source = empty()
            async with Pipeline(chain_of(source, collector.url)) as pipeline:
                for path, body, headers in requests:
                    answers.append(
                        await post(url_of(source), body, path, headers=headers)
                    )
                await pipeline.flush()
            return collector, answers, pipeline.ledger()

    return run(scenario())


def accepted(request, body):
    return web.Response(content_type="application/x-protobuf")


def traces(*bodies):
    return [("/v1/traces", body, PROTOBUF) for body in bodies]


def test_requests_leave_merged_and_the_ledger_counts_their_items(run):
    first, second = numbered(3), numbered(4, start=10)
    collector, _, ledger = gateway(
        run,
        lambda source, url: source >> BatchBy(7) >> OtlpSink(url),
        traces(encode_traces(first), encode_traces(second)),
    )
    (body,) = collector.bodies
    assert decode_traces(body) == first + second
    assert len(ExportTraceServiceRequest.FromString(body).resource_spans) == 1
    assert ledger["otlp_source"].created == ledger["otlp_sink"].delivered == 7
    assert ledger.balanced
    assert ledger.lost == 0


def test_all_signals_go_through_one_sink(run):
    collector, answers, ledger = gateway(
        run,
        lambda source, url: source >> OtlpSink(url),
        [(path, body, PROTOBUF) for path, body, *_ in SIGNALS],
    )
    got = {r.path: b for r, b in zip(collector.requests, collector.bodies, strict=True)}
    assert [status for status, _ in answers] == [200] * 3
    for path, body, decode, _ in SIGNALS:
        assert decode(got[path]) == decode(body)
    assert ledger.balanced


def test_a_sink_that_speaks_json_decodes(run):
    collector, _, _ = gateway(
        run,
        lambda source, url: source >> OtlpSink(url, protocol="http/json"),
        [(path, body, PROTOBUF) for path, body, *_ in SIGNALS],
    )
    got = {r.path: b for r, b in zip(collector.requests, collector.bodies, strict=True)}
    assert otlp_json.decode_traces(got["/v1/traces"]) == sample_spans()
    assert otlp_json.decode_logs(got["/v1/logs"]) == sample_records()
    assert len(otlp_json.decode_metrics(got["/v1/metrics"])) == len(sample_points())
    assert json.loads(got["/v1/traces"])["resourceSpans"]


def test_grpc_takes_them_as_they_are(run):
    async def scenario():
        async with collecting() as collector:
            source = empty()
            chain = source >> OtlpSink(collector.url, protocol="grpc")
            async with Pipeline(chain) as pipeline:
                await post(url_of(source), encode_traces(numbered(3)))
                await pipeline.flush()
            return collector.of(ExportTraceServiceRequest)

    (request,) = run(scenario())
    assert decode_traces(request.SerializeToString()) == numbered(3)


def refuses_malformed(request, body):
    """A collector that decodes, as all do."""
    try:
        decode_traces(body)
    except ValueError:
        return web.Response(status=400, text="cannot unmarshal")
    return accepted(request, body)


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_a_malformed_item_costs_itself_and_not_its_neighbours(run, protocol):
    collector, answers, ledger = gateway(
        run,
        lambda source, url: source >> OtlpSink(url, protocol=protocol),
        traces(encode_traces(numbered(3)), MALFORMED, encode_traces(numbered(2, 9))),
        refuses_malformed if protocol == "http/protobuf" else None,
    )
    assert [status for status, _ in answers] == [200] * 3
    decode = decode_traces if protocol == "http/protobuf" else otlp_json.decode_traces
    arrived = decode(collector.bodies[-1])
    assert arrived == numbered(3) + numbered(2, 9)
    books = ledger["otlp_sink"]
    assert (books.delivered, books.rejected) == (5, {"malformed": 1})
    assert ledger.balanced


def test_a_400_that_no_malformed_item_explains_rejects_the_batch_in_its_words(run):
    collector, _, ledger = gateway(
        run,
        lambda source, url: source >> OtlpSink(url),
        traces(encode_traces(numbered(3))),
        lambda request, body: web.Response(status=400, text="no"),
    )
    assert len(collector.bodies) == 1
    assert ledger["otlp_sink"].rejected == {"http_400": 3}


def test_a_partial_success_is_booked_by_items(run):
    _, _, ledger = gateway(
        run,
        lambda source, url: source >> OtlpSink(url),
        traces(encode_traces(numbered(5))),
        lambda request, body: web.Response(
            body=encode_response(2, "two are wrong"),
            content_type="application/x-protobuf",
        ),
    )
    books = ledger["otlp_sink"]
    assert (books.delivered, books.rejected) == (3, {"partial_success": 2})


def test_a_request_that_is_too_large_is_split_between_items(run):
    def small(request, body):
        few = len(decode_traces(body)) <= 2
        return accepted(request, body) if few else web.Response(status=413)

    collector, _, ledger = gateway(
        run,
        lambda source, url: source >> OtlpSink(url),
        traces(encode_traces(numbered(8))),
        small,
    )
    taken = [b for b in collector.bodies if len(decode_traces(b)) <= 2]
    names = sorted(span.name for body in taken for span in decode_traces(body))
    assert names == sorted(span.name for span in numbered(8))
    assert ledger["otlp_sink"].delivered == 8


def test_a_sampler_keeps_the_same_traces_as_if_they_were_decoded(run):
    spans = [
        Span(name="s", trace_id=bytes(9) + bytes([n]) * 7, span_id=b"s" * 8)
        for n in range(256)
    ]
    collector, _, ledger = gateway(
        run,
        lambda source, url: source >> ProbabilitySampler(0.25) >> OtlpSink(url),
        traces(encode_traces(spans)),
    )
    kept = [span for body in collector.bodies for span in decode_traces(body)]
    assert kept == ProbabilitySampler(0.25).sample(spans, 0.0)
    assert {span.trace_state for span in kept} == {"ot=th:c"}
    assert ledger["probability_sampler"].sampled_out == 192
    assert ledger["otlp_sink"].delivered == 64


def test_a_malformed_item_costs_itself_only_where_it_is_sampled(run):
    _, _, ledger = gateway(
        run,
        lambda source, url: source >> ProbabilitySampler(0.25) >> OtlpSink(url),
        traces(encode_traces(numbered(3)), MALFORMED),
    )
    assert ledger["probability_sampler"].rejected == {"malformed": 1}
    books = ledger["probability_sampler"]
    assert books.sampled_out + books.sent == 3
    assert ledger.balanced


def test_decode_makes_spans_for_the_stages_behind_it(run):
    @processor
    def mark(span):
        span.attributes["gateway"] = "a"
        return span

    collector, _, ledger = gateway(
        run,
        lambda source, url: (
            source >> ProbabilitySampler(1) >> Decode() >> mark >> OtlpSink(url)
        ),
        traces(encode_traces(numbered(3)), MALFORMED),
    )
    (body,) = collector.bodies
    assert [s.attributes for s in decode_traces(body)] == [{"gateway": "a"}] * 3
    assert sum(ledger["probability_sampler"].rejected.values()) == 1
    assert ledger.balanced


def test_decode_rejects_what_is_malformed_and_passes_what_is_decoded(run):
    @sink
    def ignore(events):
        pass

    end = CollectingSink()

    async def scenario():
        source = empty()
        async with Pipeline(source >> Decode() >> end) as pipeline:
            for body in (encode_traces(numbered(2)), MALFORMED):
                await post(url_of(source), body)
            await post(url_of(source), encode_logs(sample_records()), "/v1/logs")
            await pipeline.flush()
            return pipeline.ledger()

    ledger = run(scenario())
    assert ledger["decode"].rejected == {"malformed": 1}
    assert end.events == numbered(2) + sample_records()
    mixed = [MetricPoint(name="m", value=1), LogRecord(body="b")]
    assert Decode().process(mixed) == mixed


def test_branches_that_change_items_have_copies_of_their_own(run):
    encoded, decoded = CollectingSink(), CollectingSink()

    async def scenario():
        source = empty()
        chain = source >> [
            ProbabilitySampler(1) >> encoded,
            best_effort(Decode() >> decoded),
            RateLimitSampler(1000) >> CollectingSink(name="third"),
        ]
        async with Pipeline(chain) as pipeline:
            await post(url_of(source), encode_traces(numbered(2)))
            await pipeline.flush()
            return pipeline.ledger()

    assert run(scenario()).balanced
    assert [item.trace()[1] for item in encoded.events] == ["ot=th:0"] * 2
    assert decoded.events == numbered(2)


def test_queues_and_batches_can_be_bounded_in_their_bytes(run):
    collector, _, ledger = gateway(
        run,
        lambda source, url: (
            source
            >> OtlpSink(
                url,
                queue=Queue(max_bytes=100_000),
                batch=BatchBy(max_events=100, max_bytes=100),
            )
        ),
        traces(encode_traces(numbered(6))),
    )
    assert len(collector.bodies) > 1
    assert ledger["otlp_sink"].delivered == 6


@processor
def looks(span):
    return span


@sampler
def chooses(span):
    return True


class Inherits(OtlpSink):
    """May have undone what its base says."""


@pytest.mark.parametrize(
    ("stages", "name"),
    [
        (lambda end: looks >> end, "looks"),
        (lambda end: chooses >> end, "chooses"),
        (lambda end: SetAttributes({"a": 1}) >> end, "set_attributes"),
        (lambda end: Filter(bool) >> end, "filter"),
        (lambda end: BatchBy(10) >> looks >> end, "looks"),
        (lambda end: ProbabilitySampler(1) >> ConsoleSink(), "console_sink"),
        (lambda end: [end, looks >> CollectingSink(name="b")], "looks"),
        (lambda end: Inherits(), "inherits"),
    ],
)
def test_a_stage_that_wants_spans_is_refused_with_the_hint_to_decode(stages, name):
    with pytest.raises(GraphError) as refused:
        Pipeline(empty() >> stages(CollectingSink(name="end")))
    words = str(refused.value)
    assert f"sends encoded telemetry, which {name} does not take" in words
    assert "decode=True" in words
    assert "Decode()" in words


def test_a_route_looks_into_events_and_is_refused_too():
    chain = empty() >> route(lambda event: "a", {"a": CollectingSink()})
    with pytest.raises(GraphError, match="a route looks into events"):
        Pipeline(chain)
    Pipeline(empty() >> Decode() >> route(lambda event: "a", {"a": CollectingSink()}))


def test_a_stage_of_ones_own_can_say_that_it_takes_them():
    @processor(takes_encoded=True)
    def small(item):
        return item if item.size() < 1000 else []

    @processor(takes_encoded=True, sends_encoded=False)
    def parse(item):
        return decode_traces(join_encoded([item]))

    Pipeline(empty() >> small >> OtlpSink())
    Pipeline(empty() >> parse >> looks >> CollectingSink())


@pytest.mark.parametrize("value", [0, "no", None])
def test_decode_is_true_or_false(value):
    with pytest.raises(ConfigurationError, match=r"OtlpSource\.decode is"):
        OtlpSource(decode=value)
    assert not OtlpSource().sends_encoded
    assert empty().sends_encoded


def test_an_answer_that_waits_for_deliveries_tells_of_a_rejected_item(run):
    async def scenario():
        async with answering(refuses_malformed) as collector:
            source = OtlpSource(port=0, decode=False, ack="delivered")
            async with Pipeline(source >> OtlpSink(collector.url)):
                return await asyncio.gather(
                    post(url_of(source), encode_traces(numbered(2))),
                    post(url_of(source), MALFORMED),
                )

    (good, _), (bad, words) = run(scenario())
    assert good == 200
    assert bad == 400
    assert b"malformed" in words
