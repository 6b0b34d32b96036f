"""MisbehavingServer does what it is told, on a real socket, and leaves nothing."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.testing import MisbehavingServer

POST = b"POST /a?b=c HTTP/1.1\r\nX-Key: 7\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@asynccontextmanager
async def client_of(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def heard(server, request=POST):
    """All that the server says to a request until it closes; None for a reset."""
    async with client_of(server) as (reader, writer):
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionResetError:
            return None


def told(what, **settings):
    """What is heard from a server that was told this."""

    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave(what, **settings)
            return await heard(server)

    return scenario


def test_a_request_is_answered_and_remembered_and_the_connection_kept(run):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            writer.write(POST + CHUNKED)
            heads = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
            return heads, server.requests, server.connections

    heads, (post, put), connections = run(scenario())
    assert connections == 1
    assert heads == [b"HTTP/1.1 200 As-told\r\nContent-Length: 0\r\n\r\n"] * 2
    assert (post.method, post.target, post.body) == ("POST", "/a?b=c", b"hello")
    assert post.headers["x-key"] == "7"
    assert (put.method, put.body) == ("PUT", b"abc")


def test_an_answer_has_the_status_headers_and_body_that_were_asked_for(run):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            await server.behave(
                "answers", status=503, headers={"Retry-After": "7"}, body=b"busy"
            )
            writer.write(POST)
            return await reader.readuntil(b"busy")

    answer = run(scenario())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 7\r\n" in answer
    assert b"\r\nContent-Length: 4\r\n" in answer


@pytest.mark.parametrize(
    ("what", "expected"), [("resets", None), ("closes", b""), ("half_closes", b"")]
)
def test_a_connection_that_is_given_up_says_nothing(run, what, expected):
    assert run(told(what)()) == expected


def test_a_half_closed_connection_still_hears_the_client(run):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            await server.behave("half_closes")
            writer.write(POST)
            said = await reader.read()
            for _ in range(100):  # a server that had closed would answer with a reset
                writer.write(b"x" * 10_000)
                await writer.drain()
            return said

    assert run(scenario()) == b""


def test_garbage_is_no_http(run):
    assert not run(told("garbage")()).startswith(b"HTTP/")


def test_a_cut_body_is_shorter_than_its_length(run):
    head, _, body = run(told("cuts", body=b"half")()).partition(b"\r\n\r\n")
    assert b"Content-Length: 1004" in head
    assert body == b"half"


@pytest.mark.parametrize("what", ["drips", "floods"])
def test_a_body_without_end_goes_on_until_the_client_leaves(run, what):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            await server.behave(what, body=b"start", pause=0)
            writer.write(POST)
            head = await reader.readuntil(b"\r\n\r\n")
            return head, await reader.readexactly(50)

    head, body = run(scenario())
    assert b"Content-Length" not in head
    assert body == b"start" + b"x" * 45


def test_a_server_that_stalls_is_left_without_an_answer(run):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            await server.behave("stalls")
            writer.write(POST)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.05)
            return len(server.requests)

    assert run(scenario()) == 1


def test_a_refusing_server_keeps_its_port_resets_what_was_open_and_comes_back(run):
    async def scenario():
        async with MisbehavingServer() as server:
            async with client_of(server) as (reader, writer):
                writer.write(POST)
                await reader.readuntil(b"\r\n\r\n")
                await server.behave("refuses")
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", server.port)
            await server.behave("closes")
            return await heard(server), len(server.requests)

    assert run(scenario()) == (b"", 2)


def test_what_is_told_for_so_many_requests_ends_with_them(run):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave("closes", times=2)
            said = [await heard(server), await heard(server)]
            async with client_of(server) as (reader, writer):
                writer.write(POST)
                return said, await reader.readline()

    assert run(scenario()) == ([b"", b""], b"HTTP/1.1 200 As-told\r\n")


def test_an_early_answer_does_not_wait_for_the_body(run):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave("answers", status=413, early=True)
            said = await heard(server, POST.removesuffix(b"hello"))
            return said, server.requests[0].body

    said, body = run(scenario())
    assert said.startswith(b"HTTP/1.1 413 ")
    assert body == b""


@pytest.mark.parametrize("words", [b"hello\r\n\r\n", b"x" * 70_000, b""])
def test_a_client_that_speaks_no_http_is_let_go(run, words):
    async def scenario():
        async with MisbehavingServer() as server, client_of(server) as (reader, writer):
            writer.write(words)
            writer.write_eof()
            try:
                return await reader.read(), server.requests
            except ConnectionResetError:
                return b"", server.requests

    assert run(scenario()) == (b"", [])


def test_the_port_is_free_after_the_block(run):
    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave("refuses")
        return server.port

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", run(scenario())))


def test_an_unknown_word_is_refused_with_the_nearest_one(run):
    async def scenario():
        async with MisbehavingServer() as server:
            with pytest.raises(ConfigurationError, match="did you mean 'stalls'"):
                await server.behave("stall")
            with pytest.raises(ConfigurationError, match="is not seen"):
                await server.behave("refuses", times=1)
            return repr(server)

    assert "answers>" in run(scenario())


def test_its_repr_says_what_it_does():
    assert repr(MisbehavingServer()) == "<MisbehavingServer http://127.0.0.1:0 closed>"
