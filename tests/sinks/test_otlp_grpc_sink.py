"""OtlpSink over gRPC against the official generated servicer, row by row."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from servers.grpc_peers import collecting
from servers.http_peers import resets, speaking, stalls, talks_garbage

from sluiceway import Pipeline
from sluiceway.errors import (
    ConfigurationError,
    PartialError,
    PermanentError,
    TransientError,
)
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats.otlp_protobuf import MalformedError, encode_status, retry_delay
from sluiceway.inlet import Inlet
from sluiceway.instrument import Telemetry
from sluiceway.settings import Retry
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.testing import stage_context

SPANS = [
    Span(name=f"s{n}", trace_id=b"t" * 16, span_id=n.to_bytes(8, "big"))
    for n in range(1, 4)
]
RECORD = LogRecord(body="line")
POINT = MetricPoint(name="m", value=7, time_unix_nano=1)


async def write(url, events, **options):
    """What one write raises, or None."""
    sink = OtlpSink(url, **{"protocol": "grpc", **options})
    await sink.open(stage_context())
    try:
        await sink.write(events)
    except (TransientError, PermanentError, PartialError) as error:
        return error
    finally:
        await sink.close()
    return None


def failure_of(answer, events=SPANS, *, server=None, **options):
    """What one write to such a collector raises, and the collector."""

    async def scenario():
        async with collecting(answer, **(server or {})) as collector:
            return await write(collector.url, events, **options), collector

    return asyncio.run(scenario())


def aborting(code, words="no", status=None):
    """An answer of a status, with a google.rpc.Status in its trailers."""

    async def answer(context, request):
        trailers = () if status is None else (("grpc-status-details-bin", status),)
        await context.abort(code, words, trailing_metadata=trailers)

    return answer


def details(*messages):
    """A serialized google.rpc.Status with such details."""
    status = Status(code=8, message="busy")
    for message in messages:
        packed = AnyMessage()
        packed.Pack(message)
        status.details.append(packed)
    return status.SerializeToString()


def wait_of(seconds, nanos=0):
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_each_signal_goes_to_its_service(compression):
    error, collector = failure_of(
        None, [*SPANS, RECORD, POINT], compression=compression
    )
    assert error is None
    (spans,) = collector.of(traces.ExportTraceServiceRequest)
    (points,) = collector.of(metrics.ExportMetricsServiceRequest)
    (records,) = collector.of(logs.ExportLogsServiceRequest)
    names = [s.name for s in spans.resource_spans[0].scope_spans[0].spans]
    assert names == ["s1", "s2", "s3"]
    assert points.resource_metrics[0].scope_metrics[0].metrics[0].name == "m"
    record = records.resource_logs[0].scope_logs[0].log_records[0]
    assert record.body.string_value == "line"
    agents = {metadata["user-agent"].split("/")[0] for metadata in collector.metadata}
    assert agents == {"sluiceway"}


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c.value[0]])
def test_each_code_is_retried_or_not_as_the_table_says(code):
    retried = {
        *("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED"),
        *("OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"),
    }
    error, collector = failure_of(aborting(code))
    expected = TransientError if code.name in retried else PermanentError
    assert type(error) is expected
    assert error.reason == f"grpc_{code.name.lower()}"
    assert str(error).endswith(f" answered {code.name}: no")
    assert len(collector.requests) == 1


def test_resource_exhausted_with_a_retry_info_is_retried_after_its_delay():
    status = details(DebugInfo(detail="deep"), wait_of(2, 500_000_000))
    error, _ = failure_of(aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", status))
    assert type(error) is TransientError
    assert error.retry_after == 2.5


@pytest.mark.parametrize(
    "status", [None, details(), details(DebugInfo()), b"\xff\xff", b""]
)
def test_resource_exhausted_without_one_is_not(status):
    error, collector = failure_of(
        aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota", status)
    )
    assert type(error) is PermanentError
    assert len(collector.requests) == 1


def test_unavailable_carries_the_delay_of_its_retry_info():
    error, _ = failure_of(
        aborting(grpc.StatusCode.UNAVAILABLE, "busy", details(wait_of(3)))
    )
    assert (type(error), error.retry_after) == (TransientError, 3.0)


@pytest.mark.parametrize(
    ("status", "delay"),
    [
        (details(), None),
        (details(wait_of(0)), 0.0),
        (details(RetryInfo()), 0.0),
        (details(wait_of(-5)), 0.0),
        (details(wait_of(7), wait_of(1)), 7.0),
        (encode_status(14, "full", retry_delay=4), 4.0),
        (encode_status(14, "full", retry_delay=0), 0.0),
    ],
)
def test_the_delay_is_read_as_the_generated_classes_write_it(status, delay):
    assert retry_delay(status) == delay


def test_a_retry_info_that_is_cut_off_is_malformed_and_ours_is_read_by_theirs():
    status = Status(
        details=[AnyMessage(type_url="x/google.rpc.RetryInfo", value=b"\n")]
    )
    with pytest.raises(MalformedError):
        retry_delay(status.SerializeToString())
    ours = Status.FromString(encode_status(14, "full", retry_delay=4))
    info = RetryInfo()
    assert ours.details[0].Unpack(info)
    assert info == wait_of(4)


def test_a_partial_success_is_rejected_with_the_servers_words():
    async def answer(context, request):
        response = traces.ExportTraceServiceResponse()
        response.partial_success.rejected_spans = 2
        response.partial_success.error_message = "too old"
        return response

    error, _ = failure_of(answer)
    assert {*error.failed} == {1, 2}
    assert error.failed[1].reason == "partial_success"
    assert str(error.failed[1]).endswith("rejected 2 of 3: too old")


def test_a_warning_beside_a_success_is_logged_and_delivers(caplog):
    async def answer(context, request):
        response = traces.ExportTraceServiceResponse()
        response.partial_success.error_message = "slow down"
        return response

    with caplog.at_level(logging.WARNING):
        assert failure_of(answer)[0] is None
    assert "slow down" in caplog.text


@pytest.mark.parametrize(
    "too_large",
    [
        aborting(
            grpc.StatusCode.OUT_OF_RANGE, "Error, message length too large: found 9"
        ),
        aborting(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "grpc: received message larger than max (9 vs. 4)",
        ),
        aborting(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "gRPC message exceeds maximum size 4: 9",
        ),
    ],
)
def test_a_message_that_is_too_large_is_split_until_the_one_is_found(too_large):
    async def answer(context, request):
        if request.ByteSize() > 2000:
            await too_large(context, request)

    records = [LogRecord(body="x" * (5000 if n == 5 else 10)) for n in range(8)]
    error, collector = failure_of(answer, records)
    assert {*error.failed} == {5}
    taken = [r for r in collector.requests if r.ByteSize() <= 2000]
    bodies = [
        record.body.string_value
        for request in taken
        for record in request.resource_logs[0].scope_logs[0].log_records
    ]
    assert bodies == ["x" * 10] * 7


def test_a_servers_own_limit_splits_too():
    records = [LogRecord(body=f"{n}" * 1000) for n in range(8)]
    server = {"options": [("grpc.max_receive_message_length", 3000)]}
    error, collector = failure_of(None, records, server=server)
    assert error is None
    assert len(collector.requests) == 4


def test_a_response_above_four_mebibytes_is_not_read_and_not_retried():
    async def answer(context, request):
        response = traces.ExportTraceServiceResponse()
        response.partial_success.error_message = "x" * (5 * 1024 * 1024)
        return response

    error, collector = failure_of(answer)
    assert type(error) is PermanentError
    assert error.reason == "response_too_large"
    assert len(collector.requests) == 1


def bodies_of(requests):
    return [
        record.body.string_value
        for request in requests
        for group in request.resource_logs
        for record in group.scope_logs[0].log_records
    ]


def test_what_grpcio_packs_on_the_loop_goes_in_small_requests():
    records = [LogRecord(body=f"{n} " * 500) for n in range(1000)]
    error, collector = failure_of(None, records, compression="gzip")
    assert error is None
    assert bodies_of(collector.requests) == [r.body for r in records]
    assert max(request.ByteSize() for request in collector.requests) < 512 * 1024
    _, collector = failure_of(None, records[:500])
    assert len(collector.requests) == 1


def test_after_a_transient_error_the_next_small_requests_are_not_tried():
    async def answer(context, request):
        arrived.append(request)
        if len(arrived) > 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    arrived = []
    records = [LogRecord(body=f"{n} " * 500) for n in range(1000)]
    error, collector = failure_of(answer, records, compression="gzip")
    assert {type(one) for one in error.failed.values()} == {TransientError}
    assert len(collector.requests) == 3
    taken = len(bodies_of(collector.requests[:2]))
    assert {*error.failed} == {*range(taken, 1000)}


def test_headers_are_sent_as_metadata_and_are_secret():
    sink = OtlpSink("http://h:4317", headers={"X-Token": "s3cret"})
    assert "s3cret" not in repr(sink)
    error, collector = failure_of(
        aborting(grpc.StatusCode.UNAUTHENTICATED, "the token s3cret is wrong"),
        headers={"X-Token": "s3cret"},
    )
    assert collector.metadata[0]["x-token"] == "s3cret"
    assert "s3cret" not in str(error)


def test_user_and_password_of_the_address_are_sent_and_are_in_no_error():
    async def scenario():
        unavailable = aborting(grpc.StatusCode.UNAVAILABLE)
        async with collecting(unavailable) as collector:
            url = f"http://ann:pa55word@127.0.0.1:{collector.port}"
            return await write(url, SPANS), collector.metadata[0]

    error, metadata = asyncio.run(scenario())
    assert metadata["authorization"] == "Basic YW5uOnBhNTV3b3Jk"
    assert "pa55word" not in str(error)


@pytest.mark.parametrize(
    "headers", [{"a!": "x"}, {"a": "é"}, {"grpc-x": "y"}, {"x-bin": "y"}]
)
def test_a_header_that_grpc_does_not_carry_is_refused_without_its_value(headers):
    with pytest.raises(ConfigurationError, match="cannot go over gRPC") as caught:
        asyncio.run(write("http://127.0.0.1:4317", SPANS, headers=headers))
    assert "é" not in str(caught.value)


def test_nobody_there_is_transient():
    error = asyncio.run(write("http://127.0.0.1:1", SPANS))
    assert (type(error), error.reason) == (TransientError, "grpc_unavailable")


@pytest.mark.parametrize("talk", [resets, talks_garbage, stalls])
def test_what_speaks_no_grpc_is_transient_and_bounded(talk):
    async def scenario():
        async with speaking(talk) as url:
            return await write(url, SPANS, timeout=1.0)

    error = asyncio.run(scenario())
    assert isinstance(error, TransientError)


def test_a_collector_that_hangs_is_given_up_after_the_timeout():
    async def answer(context, request):
        await asyncio.Event().wait()

    error, collector = failure_of(answer, timeout=0.3)
    assert isinstance(error, TransientError)
    assert error.reason == "timeout"
    assert len(collector.requests) == 1


def test_a_channel_recovers_after_the_collector_restarts():
    async def scenario():
        retry = Retry(initial=0.05, maximum=0.2, deadline=20)
        inlet = Inlet()
        async with collecting() as first:
            port = first.port
            sink = OtlpSink(first.url, protocol="grpc", retry=retry)
            pipeline = Pipeline(inlet >> sink)
            await pipeline.start()
            await inlet.emit(SPANS[0])
            await pipeline.flush(10)
        await inlet.emit(SPANS[1])
        async with collecting(port=port) as second:
            await pipeline.flush(15)
            await inlet.emit(SPANS[2])
            await pipeline.stop()
        assert not pipeline.ledger().lost
        return len(first.requests), second.requests

    before, after = asyncio.run(scenario())
    assert before == 1
    assert len(after) == 2


@asynccontextmanager
async def forwarding(port):
    """A way to a port; ``silent.set()`` makes the connections there are take all."""
    silent, tasks, writers = asyncio.Event(), set(), []

    async def pump(reader, writer, quiet):
        while data := await reader.read(65536):
            if not quiet.is_set():
                writer.write(data)

    async def connected(reader, writer):
        quiet = silent if not silent.is_set() else asyncio.Event()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend([writer, far_writer])
        for pair in ((reader, far_writer), (far_reader, writer)):
            tasks.add(asyncio.create_task(pump(*pair, quiet)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], silent
    finally:
        server.close()
        for writer in writers:
            writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def test_a_connection_that_fell_silent_is_given_up_for_a_new_one():
    async def scenario():
        async with (
            collecting() as collector,
            forwarding(collector.port) as (port, lost),
        ):
            sink = OtlpSink(f"http://127.0.0.1:{port}", protocol="grpc", timeout=0.5)
            await sink.open(stage_context())
            await sink.write(SPANS)
            lost.set()
            for _ in range(2):
                with pytest.raises(TransientError, match="took longer"):
                    await sink.write(SPANS)
            await sink.write(SPANS)
            await sink.close()
            return len(collector.requests)

    assert asyncio.run(scenario()) == 2


def test_no_task_is_left_after_close_even_with_a_call_under_way():
    async def scenario():
        arrived = asyncio.Event()

        async def answer(context, request):
            arrived.set()
            await asyncio.Event().wait()

        before = asyncio.all_tasks()
        async with collecting(answer) as collector:
            sink = OtlpSink(collector.url, protocol="grpc")
            await sink.open(stage_context())
            writing = asyncio.create_task(sink.write(SPANS))
            await arrived.wait()
            await sink.close()
            with pytest.raises(TransientError, match="was closed"):
                await writing
        return asyncio.all_tasks() - before

    assert not asyncio.run(scenario())
    assert all(t.daemon or t is threading.main_thread() for t in threading.enumerate())


def test_a_closed_sink_takes_nothing():
    async def scenario():
        sink = OtlpSink("http://127.0.0.1:4317")
        await sink.open(stage_context())
        await sink.close()
        with pytest.raises(PermanentError, match="takes nothing"):
            await sink.write(SPANS)

    asyncio.run(scenario())


def test_spans_that_are_still_notes_go_over_grpc():
    async def scenario():
        async with collecting() as collector:
            telemetry = Telemetry("shop")
            pipeline = Pipeline(
                telemetry.spans >> OtlpSink(collector.url, protocol="grpc")
            )
            async with pipeline:
                with telemetry.tracer("t").span("buy"):
                    pass
            assert not pipeline.ledger().lost
            return collector.requests

    (request,) = asyncio.run(scenario())
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "buy"


WITHOUT_GRPC = """
import asyncio, sys
sys.modules["grpc"] = None
from sluiceway.sinks import OtlpSink
from sluiceway.testing import stage_context
sink = OtlpSink("http://localhost:4317")
try:
    asyncio.run(sink.open(stage_context()))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_grpcio_the_error_names_the_extra():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GRPC], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ConfigurationError OtlpSink needs grpcio")
    assert "sluiceway[grpc]" in done.stdout


def test_http_never_loads_grpcio():
    program = "import sys, sluiceway.sinks.otlp; print('grpc' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
