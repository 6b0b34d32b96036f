"""The delivery core of the HTTP sinks: one attempt, and what its answer means.

Law: an attempt ends as an ``Answer`` or as a ``TransientError``; redirects are not
followed, no answer is read without a bound, and what is secret about a destination is
in no error.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import field, frozen
from multidict import CIMultiDict
from yarl import URL

from .. import __version__
from ..errors import ConfigurationError, DeliveryError, PermanentError, TransientError
from ..fork import follow_forks, keep_for_ever
from ..formats.compression import compress
from ..formats.retry_after import seconds_asked
from .addresses import is_literal, is_public, path_in_words, system_words
from .threads import beside_loop

FilePath = str | os.PathLike[str]

LONGEST_COMPLAINT: Final = 64 * 1024  # bytes of a failure's body that are read
COMPLAINT_SECONDS: Final = 1.0  # for reading them: its status is known already
LONGEST_WORDS: Final = 200  # characters of a server's words in an error
LARGE: Final = 64 * 1024  # bytes from which a body is packed and sent piecemeal
SHORTEST_SECRET: Final = 4  # a shorter one is a word like any other
NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


@frozen
class Destination:
    """Where requests go.

    Attributes:
        url: the whole address, secrets included.
        shown: what of the address errors may show.
        headers: sent with each request.
        tls: what certificates to trust and to show; True for the system's defaults.
        secrets: further words that no error may show.
    """

    url: str = field(repr=False)
    shown: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    tls: ssl.SSLContext | bool = field(default=True, repr=False)
    secrets: Collection[str] = field(default=(), repr=False)

    def redact(self, words: str) -> str:
        """The words without any secret of this destination that they repeat."""
        for secret in self._secrets():
            words = words.replace(secret, "***")
        return words

    def _secrets(self) -> list[str]:
        url = URL(self.url, encoded=True)
        user, password = url.user or "", url.password or ""
        pair = b64encode(f"{user}:{password}".encode()).decode()
        known = {pair, password, url.raw_password or "", user, url.raw_user or ""}
        known |= {url.raw_query_string, url.query_string, *url.query.values()}
        known |= {part.partition("=")[2] for part in url.raw_query_string.split("&")}
        known |= {*self.secrets}
        if url.raw_path not in self.shown:
            known |= {url.raw_path, url.path, *url.raw_parts, *url.parts}
        for value in self.headers.values():
            known |= {value, value.rpartition(" ")[2]}
        long = (secret for secret in known if len(secret) >= SHORTEST_SECRET)
        return sorted(long, key=len, reverse=True)


@frozen
class Answer:
    """What a server answered.

    Attributes:
        status: the HTTP status.
        headers: the answer's headers, whatever the case of their names.
        body: its body, as much as was asked for.
        complete: whether ``body`` is all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 2xx."""
        return 200 <= self.status < 300

    @property
    def is_text(self) -> bool:
        """Whether the body is meant for people or is JSON."""
        kind = self.headers.get("Content-Type", "").lower()
        return kind.startswith(("text/", "application/json"))

    def text(self) -> str:
        """The body as text, wrong bytes replaced."""
        return self.body.decode("utf-8", "replace")


class PrivateAddressError(OSError):
    """A host is not of the public internet, and only such are wanted."""


class HttpClient:
    """Sends requests over connections that it keeps.

    No request has a time-out of its own: whoever calls ``send`` bounds it.

    Args:
        refuse_private: connect to addresses of the public internet only; what a name
            stands for is looked at whenever it is looked up for a connection.
    """

    def __init__(self, *, refuse_private: bool = False) -> None:
        self._refuse_private = refuse_private
        self._session: aiohttp.ClientSession | None = None
        follow_forks(self)

    def after_fork(self) -> None:
        """In a forked child: the connections are the parent's.

        To close one would end its wake-ups in the parent, whose requests then hang.
        """
        if self._session is not None:
            keep_for_ever(self._session)
            self._session = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._session is not None

    async def open(self) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Resolver(refuse_private=self._refuse_private)
            ),
            headers={
                "User-Agent": f"sluiceway/{__version__}",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Let the connections go."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        to: Destination,
        body: bytes,
        headers: Mapping[str, str],
        keep: int,
        *,
        method: str = "POST",
    ) -> Answer:
        """One request and its answer.

        Args:
            to: where to; its headers may not replace ``headers``.
            body: what to send.
            headers: what describes the body.
            keep: bytes to read at most of a success's body; 0 does not wait for it.
            method: ``"POST"`` by default.

        Raises:
            TransientError: no answer came: ``connection``, ``timeout``, ``tls`` or
                ``not_http``.
            PermanentError: the client is not open, or ``private_address``.
        """
        if self._session is None:
            raise PermanentError(
                f"the sink for {to.shown} is not open", reason="closed"
            )
        url = URL(to.url, encoded=True)
        merged = CIMultiDict(to.headers)
        merged.update(headers)
        try:
            if self._refuse_private and is_literal(url.host or ""):
                check_public([url.host or ""])
            async with self._session.request(
                method,
                url,
                data=io.BytesIO(body) if len(body) > LARGE else body,
                headers=merged,
                ssl=to.tls,
                allow_redirects=False,
            ) as response:
                return await read_answer(response, keep)
        except (aiohttp.ClientError, OSError) as error:
            raise no_answer(to, error) from None  # its text may hold the address


async def read_answer(response: aiohttp.ClientResponse, keep: int) -> Answer:
    """The answer, its body as far as it is wanted."""
    complete = True
    if 200 <= response.status < 300:
        body, complete = await read_body(response, keep)
    else:
        body = await read_complaint(response)
    return Answer(response.status, response.headers, body, complete)


async def read_body(response: aiohttp.ClientResponse, keep: int) -> tuple[bytes, bool]:
    """At most ``keep`` bytes of a body, and whether that is all of it."""
    body = bytearray()
    content = response.content
    if keep == 0:
        return b"", True
    while len(body) <= keep and not content.at_eof():
        body += await content.read(keep + 1 - len(body))
    complete = len(body) <= keep
    if not complete:
        response.close()
    return bytes(body[:keep]), complete


async def read_complaint(response: aiohttp.ClientResponse) -> bytes:
    """What a failure's body says; little, and in vain if it does not come at once."""
    try:
        async with asyncio.timeout(COMPLAINT_SECONDS):
            return (await read_body(response, LONGEST_COMPLAINT))[0]
    except (aiohttp.ClientError, OSError):
        response.close()
        return b""


def check_public(hosts: Iterable[str]) -> None:
    """Refuse a host of which any address is private, whichever would be chosen.

    Raises:
        PrivateAddressError: one is.
    """
    for host in hosts:
        if not is_public(host):
            raise PrivateAddressError(None, f"its address {host} is not public")


def no_answer(to: Destination, error: Exception) -> DeliveryError:
    """The error for a request that got no answer."""
    system_error = getattr(error, "os_error", error)
    if isinstance(system_error, PrivateAddressError):
        message = f"{to.shown} is not asked: {system_error.strerror}"
        return PermanentError(to.redact(message), reason="private_address")
    if isinstance(error, aiohttp.ClientSSLError):
        why, reason = "TLS failed", "tls"
    elif isinstance(error, TimeoutError):
        why, reason = "it took too long", "timeout"
    elif isinstance(error, aiohttp.ClientResponseError):
        why, reason = "what it answers is not HTTP/1.1", "not_http"
    else:
        why, reason = "the connection failed", "connection"
    detail = system_words(system_error)
    message = f"no answer from {to.shown}: {why} ({detail})"
    return TransientError(to.redact(message), reason=reason)


def failure_of(
    answer: Answer,
    to: Destination,
    *,
    retryable: Collection[int],
    words: str,
    now_ns: int,
) -> DeliveryError:
    """The error that an answer without success means.

    Args:
        answer: what the server answered, but not 2xx.
        to: who answered.
        retryable: the statuses after which trying again can help.
        words: the server's own, for the error's message.
        now_ns: nanoseconds since the epoch, for a Retry-After that is a date.
    """
    reason = f"http_{answer.status}"
    message = f"{to.shown} answered {answer.status}{quoted(to, words)}"
    if answer.status not in retryable:
        return PermanentError(message, reason=reason)
    wait = seconds_asked(answer.headers.get("Retry-After"), now_ns)
    return TransientError(message, reason=reason, retry_after=wait)


def quoted(to: Destination, words: str) -> str:
    """``: words`` on one line, without secrets, or nothing."""
    line = "".join(c if c.isprintable() else " " for c in to.redact(words))
    line = " ".join(line.split())[:LONGEST_WORDS]
    return f": {line}" if line else ""


async def packed(body: bytes) -> bytes:
    """``body`` as gzip, packed beside the event loop once it is large."""
    if len(body) <= LARGE:
        return compress(body)
    return await beside_loop(compress, body)


def tls_context(
    authorities: FilePath | None, certificate: FilePath | None, key: FilePath | None
) -> ssl.SSLContext | bool:
    """What certificates to trust and to show; True for the system's defaults.

    Args:
        authorities: a PEM file of the authorities to trust.
        certificate: a PEM file of the certificate to show.
        key: a PEM file of its key.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    files = [file for file in (authorities, certificate, key) if file is not None]
    if not files:
        return True
    try:
        context = ssl.create_default_context(cafile=authorities)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        shown = ", ".join(map(path_in_words, files))
        raise ConfigurationError(f"cannot use {shown} for TLS: {error}") from error
    return context


class Resolver(AbstractResolver):
    """Looks up host names on a thread, or in place once threads cannot be had.

    While the interpreter ends it refuses threads; what is drained then must still
    find its way.

    Args:
        refuse_private: fail for a name that stands for a private address.
    """

    def __init__(self, *, refuse_private: bool = False) -> None:
        self._refuse_private = refuse_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``."""
        loop = asyncio.get_running_loop()
        asked = {"family": family, "type": socket.SOCK_STREAM}
        try:
            found = await loop.getaddrinfo(host, port, **asked)
        except RuntimeError:
            found = socket.getaddrinfo(host, port, **asked)
        if self._refuse_private:
            check_public(str(address[0]) for _, _, _, _, address in found)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=NUMERIC,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""
