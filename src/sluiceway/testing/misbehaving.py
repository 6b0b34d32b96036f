"""MisbehavingServer: a real HTTP peer that does wrong on command.

Law: what a test asks for happens on a real socket; nothing of it outlives the block.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, Self, get_args

from attrs import field, frozen

from ..errors import ConfigurationError, nearest
from .requests import ReceivedRequest, read_body, read_head

Misbehaviour = Literal[
    "answers",
    "refuses",
    "resets",
    "closes",
    "half_closes",
    "stalls",
    "drips",
    "floods",
    "cuts",
    "garbage",
]

RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing resets
MISSING: Final = 1000  # bytes that a body which is cut still owes
GARBAGE: Final = b"\x00\x00\x12\x04\x00\x00 what would you like?\r\n\r\n"
FLOOD: Final = b"x" * 65536


@frozen
class Order:
    """What the server was told to do.

    Attributes:
        what: the misbehaviour's name.
        status: of the answers that have one.
        headers: further headers of these answers.
        body: their body, or how it begins.
        early: act once a request's head is there, its body unread.
        pause: seconds between two bytes that drip.
    """

    what: Misbehaviour = "answers"
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    early: bool = False
    pause: float = 0.05

    def head(self, length: int | None) -> bytes:
        """The head of an answer; without a length its body ends with the connection."""
        fields = dict(self.headers)
        if length is not None:
            fields["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {self.status} As-told"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class MisbehavingServer:
    """A server on a free loopback port that does to each request what it was told.

    ``async with MisbehavingServer() as server`` listens at ``server.url`` and answers
    200 until ``behave`` says otherwise:

    * ``"answers"``: the status, headers and body that were asked for.
    * ``"refuses"``: nobody listens; connections that were open are reset.
    * ``"resets"``: the request is read, and the connection reset.
    * ``"closes"``: the same, but closed in good order.
    * ``"half_closes"``: the server's half is closed without an answer, the client's
      stays open.
    * ``"stalls"``: the request is read, and no answer ever comes.
    * ``"drips"``: an answer one byte at a time, whose body has no end.
    * ``"floods"``: an answer whose body has no end, as fast as it is read.
    * ``"cuts"``: the connection is closed in the middle of the answer's body.
    * ``"garbage"``: bytes that are no HTTP.

    Attributes:
        requests: what was asked, in order; the body is empty where it was not read.
    """

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self._order = Order()
        self._times: int | None = None
        self._socket: socket.socket | None = None
        self._port = 0
        self._listens = False
        self._talks: dict[asyncio.Task[None], socket.socket] = {}

    def __repr__(self) -> str:
        state = "closed" if self._socket is None else self._order.what
        return f"<MisbehavingServer {self.url} {state}>"

    @property
    def port(self) -> int:
        """The port; 0 before the block begins."""
        return self._port

    @property
    def url(self) -> str:
        """The address, such as ``"http://127.0.0.1:40123"``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._talks)

    async def __aenter__(self) -> Self:
        self._listen()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stop_listening()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def behave(
        self,
        what: Misbehaviour,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        early: bool = False,
        pause: float = 0.05,
        times: int | None = None,
    ) -> None:
        """Do this from the next request on.

        Args:
            what: one of the words that the class names.
            status: of the answers that have one; default 200.
            headers: further headers of these answers.
            body: their body, or how it begins.
            early: act once a request's head is there, its body unread.
            pause: seconds between two bytes that drip; default 0.05.
            times: for so many requests, after which 200 is answered; default always.

        Raises:
            ConfigurationError: an unknown word, or a refusal that should be counted.
        """
        words = get_args(Misbehaviour)
        if what not in words:
            raise ConfigurationError(
                f"what is {what!r}; expected one of {', '.join(map(repr, words))}"
                f"{nearest(what, words)}"
            )
        if what == "refuses" and times is not None:
            raise ConfigurationError(
                f"times is {times!r}; expected None, since what is refused is not seen"
            )
        self._order = Order(what, status, headers or {}, body, early, pause)
        self._times = times
        if what == "refuses":
            await self._refuse()
        elif not self._listens:
            self._listen()

    def _listen(self) -> None:
        if self._socket is None:
            self._socket = bound(0)
            self._port = self._socket.getsockname()[1]
        self._socket.listen()
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)
        self._listens = True

    async def _refuse(self) -> None:
        """Stop listening, and hold the port with a socket that does not."""
        await self._stop_listening()
        if self._socket is not None:
            self._socket.close()
        self._socket = bound(self._port)

    async def _stop_listening(self) -> None:
        if not self._listens or self._socket is None:
            return
        self._listens = False
        asyncio.get_running_loop().remove_reader(self._socket)
        talks = dict(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # for transports to close what is theirs
        for client in talks.values():
            client.close()

    def _accept(self, listening: socket.socket) -> None:
        """Take one in; asyncio's own server loses those that come at its end."""
        try:
            client, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        talk = asyncio.get_running_loop().create_task(self._talk(client))
        self._talks[talk] = client
        talk.add_done_callback(self._talks.pop)

    async def _talk(self, client: socket.socket) -> None:
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
                while await self._answer_one(reader, writer):
                    await writer.drain()
        except asyncio.CancelledError:
            reset(writer)
            raise
        finally:
            writer.close()

    async def _answer_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Do to the next request what was told; whether the connection goes on."""
        request = await read_head(reader)
        order = self._next_order()
        if not order.early:
            request = await read_body(request, reader)
        self.requests.append(request)
        await DEEDS[order.what](order, reader, writer)
        return order.what == "answers" and not order.early

    def _next_order(self) -> Order:
        if self._times is None:
            return self._order
        if self._times == 0:
            self._order, self._times = Order(), None
        else:
            self._times -= 1
        return self._order


def bound(port: int) -> socket.socket:
    """A socket that holds a loopback port, and does not listen yet."""
    held = socket.socket()
    held.setblocking(False)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


def reset(writer: asyncio.StreamWriter) -> None:
    """Let the peer see a reset, whatever is still under way to it."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def answer(order: Order, _: Any, writer: asyncio.StreamWriter) -> None:
    """The whole answer."""
    writer.write(order.head(len(order.body)) + order.body)
    await writer.drain()


async def do_reset(_: Order, __: Any, writer: asyncio.StreamWriter) -> None:
    """No answer, and a reset."""
    reset(writer)


async def do_nothing(_: Order, __: Any, ___: Any) -> None:
    """No answer; the connection is closed after it."""


async def half_close(
    _: Order, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """End our half, and hear what the client still says."""
    writer.write_eof()
    await hear_out(reader)


async def stall(_: Order, reader: asyncio.StreamReader, __: Any) -> None:
    """No answer, until the client leaves."""
    await hear_out(reader)


async def drip(order: Order, _: Any, writer: asyncio.StreamWriter) -> None:
    """A head and a body without end, byte by byte."""
    for byte in order.head(None) + order.body:
        await drop(writer, bytes([byte]), order.pause)
    while True:
        await drop(writer, b"x", order.pause)


async def drop(writer: asyncio.StreamWriter, byte: bytes, pause: float) -> None:
    """One byte, and a pause."""
    writer.write(byte)
    await writer.drain()
    await asyncio.sleep(pause)


async def flood(order: Order, _: Any, writer: asyncio.StreamWriter) -> None:
    """A body without end."""
    writer.write(order.head(None) + order.body)
    while True:
        writer.write(FLOOD)
        await writer.drain()


async def cut(order: Order, _: Any, writer: asyncio.StreamWriter) -> None:
    """A body that promises more than comes."""
    writer.write(order.head(len(order.body) + MISSING) + order.body)
    await writer.drain()


async def talk_garbage(_: Order, __: Any, writer: asyncio.StreamWriter) -> None:
    """What no client of HTTP expects."""
    writer.write(GARBAGE)
    await writer.drain()


async def hear_out(reader: asyncio.StreamReader) -> None:
    """Read until the client leaves."""
    while await reader.read(65536):
        pass


Deed = Callable[[Order, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DEEDS: Final[Mapping[str, Deed]] = {
    "answers": answer,
    "refuses": do_nothing,
    "resets": do_reset,
    "closes": do_nothing,
    "half_closes": half_close,
    "stalls": stall,
    "drips": drip,
    "floods": flood,
    "cuts": cut,
    "garbage": talk_garbage,
}
