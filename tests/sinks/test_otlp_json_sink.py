"""OtlpSink in JSON: what it sends, and how it reads what is answered."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from servers.contexts import opened
from servers.http_peers import answering, speaking, status

from sluiceway import Pipeline
from sluiceway.errors import PartialError, PermanentError, TransientError
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats.otlp_json import (
    decode_logs,
    decode_metrics,
    decode_traces,
    encode_response,
)
from sluiceway.instrument import Telemetry
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.testing import stage_context

JSON = {"Content_Type": "application/json"}
SPAN = Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8)
RECORD = LogRecord(body="line", time_unix_nano=2**53 + 1)
POINT = MetricPoint(name="m", value=7, time_unix_nano=1)


def sent(answer, events, **options):
    """What one write to such a server raises (None if nothing), and the server."""

    async def scenario():
        async with answering(answer) as server:
            sink = OtlpSink(server.url, protocol="http/json", **options)
            await sink.open(stage_context())
            try:
                await sink.write(events)
            except (TransientError, PermanentError, PartialError) as error:
                return error, server
            finally:
                await sink.close()
            return None, server

    return asyncio.run(scenario())


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_each_signal_is_sent_as_json_to_its_path(compression):
    error, server = sent(status(200), [SPAN, RECORD, POINT], compression=compression)
    assert error is None
    unpack = gzip.decompress if compression == "gzip" else bytes
    bodies = {
        request.path: unpack(body)
        for request, body in zip(server.requests, server.bodies, strict=True)
    }
    assert decode_traces(bodies["/v1/traces"])[0].trace_id == b"t" * 16
    assert decode_logs(bodies["/v1/logs"])[0].time_unix_nano == 2**53 + 1
    assert decode_metrics(bodies["/v1/metrics"])[0].value == 7
    types = {request.headers["Content-Type"] for request in server.requests}
    assert types == {"application/json"}
    assert b'"traceId":"' + b"74" * 16 in bodies["/v1/traces"]


def test_a_large_batch_is_encoded_in_slices_that_are_one_json_text():
    records = [LogRecord(body=f"{n} " * 100) for n in range(1500)]
    error, server = sent(status(200), records)
    assert error is None
    (body,) = server.bodies
    assert [r.body for r in decode_logs(body)] == [r.body for r in records]
    assert len(json.loads(body)["resourceLogs"]) > 1


@pytest.mark.parametrize(
    "kind",
    [
        JSON,
        {"Content_Type": "Application/JSON; Charset=UTF-8"},
        {"Content_Type": "application/octet-stream"},
    ],
)
def test_a_partial_success_in_json_is_rejected_events_with_the_servers_words(kind):
    answer = encode_response("rejectedSpans", 1, "too old")
    error, _ = sent(status(200, answer, **kind), [SPAN] * 3)
    assert {*error.failed} == {2}
    assert str(error.failed[2]).endswith("rejected 1 of 3: too old")


@pytest.mark.parametrize("body", [b"{}", b"", b"no json", b'{"partialSuccess":null}'])
def test_a_full_success_is_one_whatever_its_body(body):
    assert sent(status(200, body, **JSON), [SPAN])[0] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"code":3,"message":"bad span"}', "bad span"),
        (b'{"error":"other"}', '{"error":"other"}'),
        (b"oops", "oops"),
    ],
)
def test_a_failures_words_are_its_statuss_message_or_its_text(body, words):
    error, _ = sent(status(400, body, **JSON), [SPAN])
    assert type(error) is PermanentError
    assert str(error).endswith(f"answered 400: {words}")


def test_a_success_without_a_type_is_json_if_it_begins_like_it():
    async def talk(reader, writer, done):
        await reader.readuntil(b"\r\n\r\n")
        answer = encode_response("rejectedSpans", 1, "too old")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
        writer.write(head.encode() + answer)
        await writer.drain()

    async def scenario():
        async with speaking(talk) as url, opened(OtlpSink(url)) as sink:
            with pytest.raises(PermanentError) as caught:
                await sink.write([SPAN])
            return str(caught.value)

    assert asyncio.run(scenario()).endswith("rejected 1 of 1: too old")


def test_a_413_splits_a_json_batch_until_the_one_is_found():
    def judge(request, body):
        answer = status(413) if len(body) > 2000 else status(200)
        return answer(request, body)

    records = [LogRecord(body="x" * (5000 if n == 5 else 10)) for n in range(8)]
    error, server = sent(judge, records)
    assert {*error.failed} == {5}
    taken = [b for b in server.bodies if len(b) <= 2000]
    assert sum(len(decode_logs(body)) for body in taken) == 7


def test_spans_that_are_still_notes_are_sent_as_json():
    async def scenario():
        async with answering(status(200)) as server:
            telemetry = Telemetry("shop")
            sink = OtlpSink(server.url, protocol="http/json")
            pipeline = Pipeline(telemetry.spans >> sink)
            async with pipeline:
                with telemetry.tracer("t").span("buy", attributes={"n": 1}):
                    pass
            assert not pipeline.ledger().lost
            return server.bodies

    (body,) = asyncio.run(scenario())
    (span,) = decode_traces(body)
    assert (span.name, span.attributes, span.scope.name) == ("buy", {"n": 1}, "t")
