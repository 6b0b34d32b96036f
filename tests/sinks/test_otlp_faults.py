"""OtlpSink and WebhookSink against peers that misbehave below HTTP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import attrs
import pytest
from programs import run_python
from servers import http_peers as peers

import sluiceway
from sluiceway.errors import DeliveryError, PermanentError, TransientError
from sluiceway.events import Span
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import stage_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 4\r\nContent-Length: 999\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n"
SPAN = Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8)


async def attempt(url, *, timeout=1.0, make=OtlpSink, events=(SPAN,)):
    """What one write raises, or None."""
    sink = make(url, timeout=timeout)
    await sink.open(stage_context())
    try:
        async with asyncio.timeout(5):
            await sink.write(list(events))
    except DeliveryError as error:
        return error
    finally:
        await sink.close()
    return None


def outcome(talk, **options):
    async def scenario():
        async with peers.speaking(talk) as url:
            return await attempt(url, **options)

    return asyncio.run(scenario())


@pytest.mark.parametrize("make", [OtlpSink, WebhookSink])
@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (peers.resets, "connection"),
        (peers.closes, "connection"),
        (peers.talks_garbage, "not_http"),
        (peers.says(b"HTTP/1.1 200"), "connection"),
        (peers.says(b""), "connection"),
    ],
)
def test_a_peer_that_gives_no_answer_is_a_transient_error(talk, reason, make):
    error = outcome(talk, make=make)
    assert type(error) is TransientError
    assert error.reason == reason


@pytest.mark.parametrize("make", [OtlpSink, WebhookSink])
def test_a_port_where_nobody_listens_is_a_transient_error(make):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/secret/path?token=sesame"
        error = asyncio.run(attempt(url, make=make))
    assert type(error) is TransientError
    assert error.reason == "connection"
    assert "sesame" not in str(error)
    assert "refused" in str(error)


def test_a_host_that_is_not_found_is_a_transient_error():
    error = asyncio.run(attempt("http://no-such-host.invalid:1"))
    assert type(error) is TransientError
    assert error.reason == "connection"


@pytest.mark.parametrize(
    "talk",
    [peers.stalls, peers.drips(OK), peers.drips(OK[:-2] + b"X: ")],
)
def test_a_peer_that_never_finishes_runs_into_the_time_out(talk):
    error = outcome(talk, timeout=0.3)
    assert isinstance(error, TransientError)
    assert error.reason == "timeout"


def test_a_success_cut_off_in_its_body_is_tried_again():
    error = outcome(peers.says(OK + b"xx"))
    assert type(error) is TransientError
    assert error.reason == "connection"


@pytest.mark.parametrize("start", [OK.replace(b"1000000", b"9999999999"), ENDLESS])
def test_an_endless_success_is_read_up_to_its_limit_only(start):
    error = outcome(peers.floods(start))
    assert isinstance(error, PermanentError)
    assert error.reason == "response_too_large"


@pytest.mark.parametrize("make", [OtlpSink, WebhookSink])
@pytest.mark.parametrize(
    ("talk", "kind", "reason"),
    [
        (peers.drips(BUSY), TransientError, "http_503"),
        (peers.says(BUSY), TransientError, "http_503"),
        (peers.drips(BAD), PermanentError, "http_400"),
        (peers.floods(BAD), PermanentError, "http_400"),
    ],
)
def test_a_failure_is_known_by_its_status_whatever_its_body_does(
    talk, kind, reason, make
):
    error = outcome(talk, make=make, timeout=4.0)
    assert type(error) is kind
    assert error.reason == reason
    assert getattr(error, "retry_after", None) == (
        4.0 if kind is TransientError else None
    )


def test_a_webhook_that_said_200_need_not_send_its_body():
    assert outcome(peers.drips(OK), make=WebhookSink) is None
    assert outcome(peers.floods(ENDLESS), make=WebhookSink) is None


def test_a_refusal_in_the_middle_of_a_large_upload_is_heard():
    span = Span(name="a" * 10_000_000, trace_id=b"t" * 16, span_id=b"s" * 8)
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    error = outcome(peers.says(refusal, wait=True), events=[span])
    assert isinstance(error, PermanentError)
    assert error.reason == "http_413"


def test_a_sink_survives_a_peer_that_restarts_on_the_same_port():
    async def scenario():
        outcomes = []
        async with peers.answering(peers.status(200)) as server:
            port = int(server.url.rpartition(":")[2])
            sink = OtlpSink(server.url)
            await sink.open(stage_context())
            await sink.write([SPAN])
        with pytest.raises(TransientError):
            await sink.write([SPAN])
        server = await asyncio.start_server(welcome, "127.0.0.1", port)
        try:
            outcomes.append(await sink.write([SPAN]))
        finally:
            await sink.close()
            server.close()
            await server.wait_closed()
        return outcomes

    async def welcome(reader, writer):
        await peers.read_head(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    assert asyncio.run(scenario()) == [None]


SCRIPT = """
    import asyncio, atexit, sys, threading
    from sluiceway.events import Span
    from sluiceway.sinks.otlp import OtlpSink
    from sluiceway.testing import stage_context

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    sink = OtlpSink(sys.argv[1], compression="gzip")
    spans = [
        Span(name=f"span {n}", trace_id=b"t" * 16, span_id=n.to_bytes(8, "big"))
        for n in range(1, 5000)
    ]

    async def send():
        await sink.open(stage_context())
        await sink.write(spans)
        await sink.close()

    @atexit.register
    def last_words():
        asyncio.run_coroutine_threadsafe(send(), loop).result(10)
        print("sent")
"""


def test_what_is_left_at_exit_still_finds_its_way_when_threads_are_refused():
    async def scenario():
        async with peers.answering(peers.status(200)) as server:
            url = server.url.replace("127.0.0.1", "localhost")
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                textwrap.dedent(SCRIPT),
                url,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await process.communicate()
            return out.decode(), err.decode(), len(server.bodies)

    assert asyncio.run(scenario()) == ("sent\n", "", 1)


BARE = """
    import asyncio, sys

    sys.path += sys.argv[1:]
    from sluiceway.sinks import OtlpSink
    from sluiceway.testing import stage_context

    async def scenario():
        sink = OtlpSink()
        await sink.open(stage_context())
        await sink.close()

    asyncio.run(scenario())
"""


def test_a_sink_opens_where_the_package_is_copied_and_not_installed(tmp_path):
    libraries = Path(attrs.__file__).parents[1]
    for path in libraries.iterdir():
        if "sluiceway" not in path.name:
            (tmp_path / path.name).symlink_to(path)
    sources = Path(sluiceway.__file__).parents[1]
    run_python("-I", "-S", "-c", textwrap.dedent(BARE), str(sources), str(tmp_path))
