"""OtlpSink against servers that answer each row of the protocol's table."""

from __future__ import annotations

import asyncio
import gzip
import logging
from base64 import b64encode
from email.utils import formatdate

import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from servers.http_peers import answering, status

from sluiceway.errors import PartialError, PermanentError, TransientError
from sluiceway.events import LogRecord, MetricPoint, Resource, Scope, Span, SpanEvent
from sluiceway.formats.otlp_protobuf import (
    decode_traces,
    encode_response,
    encode_status,
)
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.testing import ManualClock, stage_context

PROTOBUF = {"Content_Type": "application/x-protobuf"}
RESOURCE = Resource(attributes={"service.name": "shop"})
SCOPE = Scope(name="tests")


def spans(count, **fields):
    return [
        Span(
            name=f"span {n}",
            trace_id=n.to_bytes(16, "big"),
            span_id=n.to_bytes(8, "big"),
            resource=RESOURCE,
            scope=SCOPE,
            **fields,
        )
        for n in range(1, count + 1)
    ]


def failure_of(answer, events, *, clock=None, **options):
    """What one write to such a server raises (None if nothing), and the server."""

    async def scenario():
        async with answering(answer) as server:
            sink = OtlpSink(server.url, **options)
            await sink.open(stage_context(clock))
            try:
                await sink.write(events)
            except (TransientError, PermanentError, PartialError) as error:
                return error, server
            finally:
                await sink.close()
            return None, server

    return asyncio.run(scenario())


@pytest.mark.parametrize("code", [200, 202, 204])
def test_a_success_delivers(code):
    error, server = failure_of(status(code), spans(2))
    assert error is None
    assert len(server.bodies) == 1


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_an_overloaded_collector_is_a_transient_error(code):
    error, server = failure_of(
        status(code, b"busy", Content_Type="text/plain"), spans(2)
    )
    assert type(error) is TransientError
    assert (error.reason, error.retry_after) == (f"http_{code}", None)
    assert str(error).endswith(f"/v1/traces answered {code}: busy")
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "code", [300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 413, 415, 418]
)
def test_any_other_status_is_a_permanent_error(code):
    answer = status(code, Location="http://127.0.0.1:9/elsewhere")
    error, server = failure_of(answer, spans(1))
    assert isinstance(error, PermanentError)
    assert error.reason == f"http_{code}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [500, 501, 505, 599])
def test_other_server_errors_are_permanent_too(code):
    error, _ = failure_of(status(code), spans(1))
    assert isinstance(error, PermanentError)
    assert error.reason == f"http_{code}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (formatdate(1_000_030, usegmt=True), 30.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_understood_in_both_forms(code, header, seconds):
    clock = ManualClock(time_ns=1_000_000_000_000_000)
    error, _ = failure_of(status(code, Retry_After=header), spans(1), clock=clock)
    assert isinstance(error, TransientError)
    assert error.retry_after == seconds


def test_a_failure_repeats_the_words_of_the_status_that_the_server_sent():
    body = encode_status(3, "span 7 has\nno id")
    error, _ = failure_of(status(400, body, **PROTOBUF), spans(1))
    assert str(error).endswith("answered 400: span 7 has no id")


def test_a_failure_with_an_unreadable_body_still_has_its_status():
    error, _ = failure_of(status(400, b"\xff\xff\xff", **PROTOBUF), spans(1))
    assert str(error).endswith("answered 400")


@pytest.mark.parametrize("headers", [PROTOBUF, {}])
@pytest.mark.parametrize(("rejected", "first"), [(1, 2), (2, 1), (3, 0), (99, 0)])
def test_a_partial_success_rejects_the_last_events(rejected, first, headers):
    body = encode_response(rejected, "quota")
    error, _ = failure_of(status(200, body, **headers), spans(3))
    assert isinstance(error, PartialError | PermanentError)
    if isinstance(error, PartialError):
        assert sorted(error.failed) == list(range(first, 3))
        error = error.failed[2]
    assert isinstance(error, PermanentError)
    assert error.reason == "partial_success"
    assert str(error).endswith(f"rejected {rejected} of 3: quota")


@pytest.mark.parametrize(
    ("body", "warnings"),
    [
        (encode_response(0, "old fields"), 1),
        (encode_response(0, ""), 0),
        (b"\n\x00", 0),
    ],
)
def test_a_partial_success_without_rejections_is_at_most_a_warning(
    body, warnings, caplog
):
    caplog.set_level(logging.WARNING)
    error, _ = failure_of(status(200, body, **PROTOBUF), spans(1))
    assert error is None
    assert [("old fields" in r.getMessage()) for r in caplog.records] == [
        True
    ] * warnings


@pytest.mark.parametrize(
    "answer",
    [
        status(200, b"\xff garbage", **PROTOBUF),
        status(200, b"<html>ok</html>", Content_Type="text/html"),
        status(200, b"{}", Content_Type="application/json"),
    ],
)
def test_a_success_is_one_whatever_its_body(answer):
    assert failure_of(answer, spans(1))[0] is None


def test_an_answer_above_the_limit_is_a_permanent_error():
    body = b"\x00" * (4 * 1024 * 1024 + 1)
    error, _ = failure_of(status(200, body), spans(1))
    assert isinstance(error, PermanentError)
    assert error.reason == "response_too_large"


def test_a_request_is_what_the_protocol_asks_for():
    error, server = failure_of(status(200), spans(3), headers={"X-Tenant": "blue"})
    request = server.requests[0]
    assert error is None
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert request.headers["User-Agent"].startswith("sluiceway/0.")
    assert request.headers["X-Tenant"] == "blue"
    assert "Content-Encoding" not in request.headers
    message = traces.ExportTraceServiceRequest.FromString(server.bodies[0])
    (group,) = message.resource_spans
    names = [span.name for scope in group.scope_spans for span in scope.spans]
    assert names == ["span 1", "span 2", "span 3"]


@pytest.mark.parametrize("count", [1, 3000])
def test_gzip_is_announced_and_unpacks_to_the_same_events(count):
    error, server = failure_of(status(200), spans(count), compression="gzip")
    assert error is None
    assert server.requests[0].headers["Content-Encoding"] == "gzip"
    body = gzip.decompress(server.bodies[0])
    message = traces.ExportTraceServiceRequest.FromString(body)
    names = [
        span.name
        for group in message.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert names == [f"span {n}" for n in range(1, count + 1)]


def mixed():
    return [
        LogRecord(body="hello"),
        *spans(2),
        "no telemetry",
        MetricPoint(name="m", value=1),
        LogRecord(body="bye"),
    ]


def test_mixed_events_are_sent_as_one_request_for_each_signal():
    error, server = failure_of(status(200), mixed())
    sent = {r.path: b for r, b in zip(server.requests, server.bodies, strict=True)}
    log = logs.ExportLogsServiceRequest.FromString(sent["/v1/logs"])
    point = metrics.ExportMetricsServiceRequest.FromString(sent["/v1/metrics"])
    records = log.resource_logs[0].scope_logs[0].log_records
    assert [record.body.string_value for record in records] == ["hello", "bye"]
    assert point.resource_metrics[0].scope_metrics[0].metrics[0].name == "m"
    assert sorted(sent) == ["/v1/logs", "/v1/metrics", "/v1/traces"]
    assert isinstance(error, PartialError)
    assert {i: e.reason for i, e in error.failed.items()} == {3: "not_telemetry"}


def test_a_signal_that_fails_takes_no_other_with_it():
    def answer(request, body):
        codes = {"/v1/logs": 503, "/v1/traces": 400}
        return web.Response(status=codes.get(request.path, 200))

    error, _ = failure_of(answer, mixed())
    assert isinstance(error, PartialError)
    assert {i: e.reason for i, e in error.failed.items()} == {
        0: "http_503",
        1: "http_400",
        2: "http_400",
        3: "not_telemetry",
        5: "http_503",
    }


def test_a_signal_that_stalls_times_out_alone():
    def answer(request, body):
        return asyncio.sleep(30) if request.path == "/v1/logs" else web.Response()

    error, _ = failure_of(answer, [*spans(1), LogRecord(body="x")], timeout=0.2)
    assert isinstance(error, PartialError)
    assert {i: e.reason for i, e in error.failed.items()} == {1: "timeout"}
    assert isinstance(error.failed[1], TransientError)


ENDLESS = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {1: "order"}},
        {"attributes": {"k": ENDLESS}},
        {"events": [SpanEvent("event", attributes={1: "order"}), None]},
        {"trace_state": None},
    ],
)
def test_a_span_whose_size_cannot_be_told_costs_its_neighbours_nothing(fields):
    error, server = failure_of(status(200), [*spans(1, **fields), *spans(9)])
    assert error is None
    assert len(decode_traces(server.bodies[0])) == 10


def test_nothing_to_send_sends_nothing():
    error, server = failure_of(status(200), [])
    assert (error, server.bodies) == (None, [])


def test_a_413_is_split_until_the_one_oversized_event_is_found():
    def answer(request, body):
        return web.Response(status=413 if len(body) > 1000 else 200)

    events = spans(9)
    events[4].attributes = {"big": "x" * 2000}
    error, server = failure_of(answer, events)
    assert isinstance(error, PartialError)
    assert {i: e.reason for i, e in error.failed.items()} == {4: "http_413"}
    delivered = [
        span.name
        for body in server.bodies
        if len(body) <= 1000
        for group in traces.ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert delivered == [f"span {n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)]


def test_a_request_above_our_own_limit_is_never_sent():
    events = spans(9)
    events[4].attributes = {"big": "x" * 2000}
    error, server = failure_of(status(200), events, max_request=1000)
    assert isinstance(error, PartialError)
    assert {i: e.reason for i, e in error.failed.items()} == {4: "request_too_large"}
    assert max(map(len, server.bodies)) <= 1000


def test_a_closed_sink_rejects_and_can_be_opened_again():
    async def scenario():
        async with answering(status(200)) as server:
            sink = OtlpSink(server.url)
            with pytest.raises(PermanentError) as before:
                await sink.write(spans(1))
            for _ in range(2):
                await sink.open(stage_context())
                await sink.write(spans(1))
                await sink.close()
            with pytest.raises(PermanentError) as after:
                await sink.write(spans(1))
            reasons = before.value.reason, after.value.reason
            return reasons, len(server.bodies), sink.statistics()

    reasons, requests, statistics = asyncio.run(scenario())
    assert reasons == ("closed", "closed")
    assert (requests, statistics.requests) == (2, 2)
    assert statistics.bytes_sent > 0


def test_what_the_address_says_beside_its_path_is_secret_each_part_alone():
    def echo(request, body):
        words = f"no {request.query['key']}, {request.query_string}, Joanna: s3/same"
        return web.Response(status=403, text=words)

    async def scenario():
        async with answering(echo) as server:
            url = server.url.replace("://", "://Joanna:x@") + "?a=b&key=s3%2Fsame"
            sink = OtlpSink(url)
            await sink.open(stage_context())
            try:
                with pytest.raises(PermanentError) as caught:
                    await sink.write(spans(1))
            finally:
                await sink.close()
            return str(caught.value)

    assert asyncio.run(scenario()).endswith("403: no ***, ***, ***: ***")


def test_no_secret_stands_in_an_error_even_if_the_server_repeats_it():
    def echo(request, body):
        words = f"{request.headers['Authorization']} {request.headers['X-Key']}"
        return web.Response(status=401, text=words)

    async def scenario():
        async with answering(echo) as server:
            url = server.url.replace("://", "://joe:hunter2@")
            sink = OtlpSink(url, headers={"X-Key": "Token sesame"})
            await sink.open(stage_context())
            try:
                await sink.write(spans(1))
            except PermanentError as error:
                return f"{error!r} {error} {sink!r}", server.requests[0]
            finally:
                await sink.close()

    shown, request = asyncio.run(scenario())
    assert request.headers["Authorization"].startswith("Basic ")
    assert "answered 401" in shown
    for secret in ("hunter2", "sesame", b64encode(b"joe:hunter2").decode()):
        assert secret not in shown
