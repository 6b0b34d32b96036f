"""OtlpSource over gRPC, row by row of the table in its ``otlp_answers``."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import subprocess
import sys
import zlib
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2_grpc as metrics_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from servers.certificates import certificate
from servers.otlp_sources import D, E, R, Taker, X, serving
from waiting import until

from sluiceway.delivery import Delivery
from sluiceway.errors import ConfigurationError
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats.otlp_protobuf import encode_logs, encode_metrics, encode_traces
from sluiceway.sources.otlp import OtlpSource
from sluiceway.testing import stage_context

SPANS = [Span(name=f"s{n}", trace_id=b"t" * 16, span_id=b"s" * 8) for n in range(3)]
REQUEST = traces.ExportTraceServiceRequest.FromString(encode_traces(SPANS))
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@asynccontextmanager
async def channel_to(source, credentials=None):
    target = f"127.0.0.1:{source.grpc_port}"
    if credentials is None:
        channel = grpc.aio.insecure_channel(target)
    else:
        channel = grpc.aio.secure_channel(target, credentials)
    async with channel:
        yield channel


async def call(channel, request=REQUEST, *, method=TRACES, **options):
    """The answer of one call, or its error."""
    export = channel.unary_unary(
        method,
        request_serializer=lambda r: (
            r if isinstance(r, bytes) else r.SerializeToString()
        ),
        response_deserializer=traces.ExportTraceServiceResponse.FromString,
    )
    try:
        return await export(request, **options)
    except grpc.aio.AioRpcError as error:
        return error


def exchange(request=REQUEST, *, endings=(), options=None, **calling):
    """One call to a source of its own: the answer, and what the pipeline got."""

    async def scenario():
        taker = Taker(endings)
        options_ = {"grpc_port": 0, **(options or {})}
        async with (
            serving(taker, **options_) as (source, _),
            channel_to(source) as channel,
        ):
            answer = await call(channel, request, **calling)
            return answer, taker.events, source.statistics()

    return asyncio.run(scenario())


def status_of(error):
    """The google.rpc.Status in an error's trailers."""
    trailers = dict(error.trailing_metadata())
    return Status.FromString(trailers["grpc-status-details-bin"])


def delay_of(error):
    """The seconds of its RetryInfo, or None."""
    for detail in status_of(error).details:
        info = RetryInfo()
        assert detail.Unpack(info)
        return info.retry_delay.seconds
    return None


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip]
)
@pytest.mark.parametrize("ack", ["accepted", "delivered"])
def test_each_signal_is_taken_from_the_official_stubs(compression, ack):
    points = [MetricPoint(name="m", value=1, time_unix_nano=1)]
    record = LogRecord(body="x" * 5000)

    async def scenario():
        taker = Taker()
        async with (
            serving(taker, grpc_port=0, ack=ack) as (source, _),
            channel_to(source) as channel,
        ):
            packed = {"compression": compression}
            spans = await traces_grpc.TraceServiceStub(channel).Export(
                REQUEST, **packed
            )
            await metrics_grpc.MetricsServiceStub(channel).Export(
                metrics.ExportMetricsServiceRequest.FromString(encode_metrics(points)),
                **packed,
            )
            await logs_grpc.LogsServiceStub(channel).Export(
                logs.ExportLogsServiceRequest.FromString(encode_logs([record])),
                **packed,
            )
            return spans, taker.events, source.statistics()

    answer, events, statistics = asyncio.run(scenario())
    assert not answer.HasField("partial_success")
    assert events == [*SPANS, *points, record]
    assert statistics.grpc_answers == {"OK": 3}
    assert statistics.events == 5


def test_an_empty_request_is_a_success_that_the_pipeline_never_sees():
    answer, events, _ = exchange(traces.ExportTraceServiceRequest())
    assert not isinstance(answer, Exception)
    assert events == []


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff", b"\x1f\x8b no gzip", gzip.compress(b"\xff\xff")]
)
def test_what_cannot_be_read_is_an_invalid_argument(body):
    error, events, _ = exchange(body)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (status_of(error).code, delay_of(error), events) == (3, None, [])


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        ([(D, 3)], None),
        ([(R, 3)], "INVALID_ARGUMENT"),
        ([(E, 3)], "UNAVAILABLE"),
        ([(X, 3)], "UNAVAILABLE"),
        ([(D, 2), (E, 1)], "UNAVAILABLE"),
        ([(R, 2), (X, 1)], "UNAVAILABLE"),
    ],
)
def test_with_ack_delivered_the_outcome_decides(endings, code):
    answer, _, statistics = exchange(endings=endings, options={"ack": "delivered"})
    assert statistics.grpc_answers == {code or "OK": 1}
    if code is not None:
        assert answer.code().name == code
        assert "the sink's words" in answer.details()
        assert delay_of(answer) == (1 if code == "UNAVAILABLE" else None)


def test_with_ack_delivered_some_rejections_are_a_partial_success():
    answer, _, _ = exchange(endings=[(D, 2), (R, 1)], options={"ack": "delivered"})
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message == "the sink's words"


def test_a_delivery_that_takes_too_long_is_unavailable():
    delivery = []

    async def scenario():
        async def send(events):
            delivery.append(Delivery(3))
            return delivery[0]

        options = {"grpc_port": 0, "ack": "delivered", "deliver_timeout": 0.1}
        async with (
            serving(send, **options) as (source, _),
            channel_to(source) as channel,
        ):
            error = await call(channel)
        delivery[0].settle(D, 3)
        return error

    error = asyncio.run(scenario())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "not delivered within 0.1 s"


def test_without_room_in_time_the_answer_is_unavailable_and_the_send_is_withdrawn():
    async def scenario():
        taker = Taker(room=False)
        options = {"grpc_port": 0, "accept_timeout": 0.1}
        async with (
            serving(taker, **options) as (source, _),
            channel_to(source) as channel,
        ):
            error = await call(channel)
            taker.room.set()
            again = await call(channel)
        return error, again, taker

    error, again, taker = asyncio.run(scenario())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (error.details(), delay_of(error)) == ("the pipeline is full", 1)
    assert not isinstance(again, Exception)
    assert (taker.cancelled, len(taker.events)) == (1, 3)


def test_a_client_that_gives_up_withdraws_its_events():
    async def scenario():
        taker = Taker(room=False)
        async with (
            serving(taker, grpc_port=0) as (source, _),
            channel_to(source) as channel,
        ):
            calling = asyncio.create_task(call(channel))
            await taker.asked.wait()
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            source.stop()
            await source.running
        return taker

    taker = asyncio.run(scenario())
    assert (taker.cancelled, taker.events) == (1, [])


def test_before_run_and_after_a_stop_the_answer_is_unavailable():
    async def scenario():
        source = OtlpSource(port=0, grpc_port=0)
        await source.open(stage_context())
        async with channel_to(source) as channel:
            before = await call(channel)
            running = asyncio.create_task(source.run(Taker()))
            await asyncio.sleep(0)
            during = await call(channel)
            source.stop()
            await running
            after = await call(channel)
        await source.close()
        return before, during, after

    before, during, after = asyncio.run(scenario())
    assert before.code() is after.code() is grpc.StatusCode.UNAVAILABLE
    assert delay_of(before) == delay_of(after) == 1
    assert not isinstance(during, Exception)


@pytest.mark.parametrize(
    "method",
    [
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
    ],
)
def test_another_service_or_method_is_unimplemented(method):
    error, _, _ = exchange(method=method)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_above_the_limit_is_resource_exhausted_without_a_retry_info():
    error, events, statistics = exchange(b"x" * 1001, options={"max_body": 1000})
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.details()
    assert (events, statistics.grpc_answers) == ([], {})


async def slow_call(messages, *, metadata=(), **options):
    """The error of a call whose messages come from an iterator, and the statistics."""
    async with (
        serving(Taker(), grpc_port=0, **options) as (source, _),
        channel_to(source) as channel,
    ):
        export = channel.stream_unary(TRACES)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await export(messages, metadata=metadata)
        return caught.value, source.statistics().grpc_answers


async def never():
    await asyncio.Event().wait()
    yield b""


async def none_at_all():
    for message in ():
        yield message


def test_a_client_whose_message_does_not_come_is_given_up():
    error, answers = asyncio.run(slow_call(never(), read_timeout=0.05))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "the message took more than 0.05 s"
    assert answers == {"DEADLINE_EXCEEDED": 1}


def test_a_stranger_is_refused_before_the_message_is_taken():
    error, answers = asyncio.run(slow_call(never(), tokens=["known"]))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert answers == {"UNAUTHENTICATED": 1}


def test_a_call_without_a_message_is_an_invalid_argument():
    error, answers = asyncio.run(slow_call(none_at_all()))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert answers == {}


def test_a_stop_waits_for_a_message_that_is_arriving():
    async def scenario():
        taker, go = Taker(), asyncio.Event()

        async def late():
            await go.wait()
            yield REQUEST.SerializeToString()

        async with (
            serving(taker, grpc_port=0) as (source, _),
            channel_to(source) as channel,
        ):
            calling = asyncio.ensure_future(channel.stream_unary(TRACES)(late()))
            await until(lambda: source._intake.arriving._count)
            source.stop()
            go.set()
            await asyncio.wait_for(source.running, 10)
            return await calling, taker.events

    answer, events = asyncio.run(scenario())
    assert (answer, events) == (b"", SPANS)


def test_limits_that_grpc_has_no_numbers_for_are_its_largest():
    _, events, _ = exchange(options={"max_body": 2**40, "idle_timeout": 1e12})
    assert events == SPANS


BOMBED = """
import asyncio, resource, sys
from sluiceway.sources.otlp import OtlpSource
from sluiceway.testing import stage_context

async def main():
    source = OtlpSource(port=0, grpc_port=0, max_body=16 * 1024 * 1024)
    await source.open(stage_context())
    running = asyncio.create_task(source.run(print))
    await asyncio.sleep(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(source.grpc_port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, flush=True)
    source.stop()
    await running
    await source.close()

asyncio.run(main())
"""


def test_a_bomb_is_resource_exhausted_with_flat_memory():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1024 * 1024)
    bomb = b"".join([packer.compress(zeros) for _ in range(200)]) + packer.flush()

    async def scenario(port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            raw = await call(channel, bomb)
            packed = await call(
                channel, bytes(60 * 1024 * 1024), compression=grpc.Compression.Gzip
            )
            return raw, packed

    with subprocess.Popen(
        [sys.executable, "-c", BOMBED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    ) as program:
        errors = asyncio.run(scenario(int(program.stdout.readline())))
        grown, _ = program.communicate("\n", timeout=30)
    assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {delay_of(error) for error in errors} == {None}
    assert int(grown) < 40 * 1024  # KiB


@pytest.mark.parametrize(
    ("authorization", "known"),
    [("Bearer one", True), ("bearer two", True), ("Bearer on", False), (None, False)],
)
def test_where_tokens_are_given_a_call_shows_one(authorization, known):
    metadata = () if authorization is None else (("authorization", authorization),)
    answer, events, _ = exchange(options={"tokens": ["one", "two"]}, metadata=metadata)
    if known:
        assert len(events) == 3
    else:
        assert answer.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (delay_of(answer), events) == (None, [])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_over_tls_a_client_shows_its_certificate_where_an_authority_is_given(tmp_path):
    server, key = certificate(tmp_path, "server", "127.0.0.1")
    client, client_key = certificate(tmp_path, "client", "127.0.0.1")
    read = {file: Path(file).read_bytes() for file in (server, client, client_key)}

    async def scenario():
        taker, answers = Taker(), []
        options = {"certificate": server, "certificate_key": key}
        async with serving(taker, grpc_port=0, client_authority=client, **options) as (
            source,
            _,
        ):
            for pair in ((read[client_key], read[client]), (None, None)):
                credentials = grpc.ssl_channel_credentials(read[server], *pair)
                async with channel_to(source, credentials) as channel:
                    answers.append(await call(channel))
        return answers, len(taker.events)

    (known, unknown), taken = asyncio.run(scenario())
    assert not isinstance(known, Exception)
    assert unknown.code() is grpc.StatusCode.UNAVAILABLE
    assert taken == 3


def test_a_port_in_use_is_told_at_open_and_leaves_nothing_behind():
    async def scenario():
        first = OtlpSource(port=0, grpc_port=0)
        await first.open(stage_context())
        second = OtlpSource(port=0, grpc_port=first.grpc_port)
        with pytest.raises(ConfigurationError, match=f"{first.grpc_port} for gRPC"):
            await second.open(stage_context())
        assert "closed" in repr(second)
        await first.close()

    asyncio.run(scenario())


def test_without_a_grpc_port_grpcio_is_never_loaded():
    program = (
        "import asyncio, sys; from sluiceway.sources import OtlpSource; "
        "from sluiceway.testing import stage_context\n"
        "async def main():\n"
        "    source = OtlpSource(port=0); await source.open(stage_context())\n"
        "    await source.close()\n"
        "asyncio.run(main()); print('grpc' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
