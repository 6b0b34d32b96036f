"""One signal's requests over HTTP, in protobuf or JSON.

Source: OpenTelemetry protocol 1.11, ``docs/specification.md``, "OTLP/HTTP".
"""

from __future__ import annotations

from ..clock import Clock
from .addresses import public_part
from .http import Destination, HttpClient, packed, tls_context
from .otlp_answers import JSON, MAX_ANSWER, PROTOBUF, judge
from .otlp_settings import SignalSettings


class HttpCarrier:
    """Carries one signal's requests to its address.

    Args:
        settings: where to and how.
        client: the connections, which the signals share.
        clock: tells what a Retry-After that is a date means.

    Raises:
        ConfigurationError: a certificate's file cannot be used.
    """

    def __init__(
        self, settings: SignalSettings, client: HttpClient, clock: Clock
    ) -> None:
        self._to = Destination(
            url=settings.url,
            shown=public_part(settings.url),
            headers=settings.headers,
            tls=tls_context(
                settings.certificate, settings.client_certificate, settings.client_key
            ),
        )
        self._headers = {
            "Content-Type": JSON if settings.protocol == "http/json" else PROTOBUF
        }
        self._packs = settings.compression == "gzip"
        if self._packs:
            self._headers["Content-Encoding"] = "gzip"
        self._client = client
        self._clock = clock

    async def send(self, body: bytes, count: int) -> tuple[int, str]:
        """Send a request of ``count`` events: the bytes sent, and a warning or ``""``.

        Raises:
            TransientError: trying again can help.
            PermanentError: it cannot.
            PartialError: the events that were rejected.
        """
        if self._packs:
            body = await packed(body)
        answer = await self._client.send(self._to, body, self._headers, MAX_ANSWER)
        words = judge(answer, self._to, count, self._clock.time_ns())
        return len(body), words

    async def close(self) -> None:
        """Nothing of its own is open."""
