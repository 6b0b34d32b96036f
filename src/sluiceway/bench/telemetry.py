"""Events as services make them: spans of traces, points of series, lines of logs.

Law: the same settings and seed give the same events, but for their times. Every event
is an object of its own with attributes of its own, so that stages may change it.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import Attribute, field, frozen

from ..errors import ConfigurationError, nearest
from ..events import (
    Histogram,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanKind,
    StatusCode,
    Temporality,
)
from ..settings import number

ROUTES: Final = ("/cart", "/checkout", "/items/{id}", "/search", "/users/{id}/orders")
METHODS: Final = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
SEVERITIES: Final = ((9, "INFO"),) * 16 + ((5, "DEBUG"),) * 5 + ((13, "WARN"),) * 2
LEVELS: Final = (*SEVERITIES, (17, "ERROR"))
WORDS: Final = ("order", "item", "user", "cart", "payment", "stock", "cache", "retry")
BOUNDS: Final = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]
SPANS_OF_TRACE: Final = 6
FAILED_ONE_IN: Final = 50
RESOURCE: Final = Resource(
    {
        "service.name": "bench",
        "service.version": "1.0",
        "service.instance.id": "bench-1",
        "host.name": "bench-host",
    }
)
SCOPE: Final = Scope("sluiceway.bench", "1")
MIX: Final[Mapping[str, float]] = {"spans": 60, "points": 20, "logs": 20}


def a_mix(owner: Any, attribute: Attribute[Any], value: Mapping[str, float]) -> None:
    """An attrs validator: shares of known kinds, one above 0."""
    del attribute
    for word, share in value.items():
        if word not in MIX:
            near = nearest(word, MIX) or f"; expected some of {', '.join(MIX)}"
            raise ConfigurationError(f"{type(owner).__name__}.mix has {word!r}{near}")
        if not isinstance(share, int | float) or not 0 <= share < float("inf"):
            raise ConfigurationError(
                f"{type(owner).__name__}.mix has {word}={share!r}; "
                "expected a share from 0"
            )
    if not sum(value.values()):
        raise ConfigurationError(f"{type(owner).__name__}.mix has no share above 0")


@frozen
class Shape:
    """What the made events look like.

    Attributes:
        mix: shares of ``spans``, ``points`` and ``logs``; default 60, 20 and 20.
        attributes: of each event; default 8.
        cardinality: different values of ``user.id``, one of them; default 1,000.
        text: bytes of a log's body and of one attribute of spans; default 120.
        seed: of what happens by chance; default 1.
    """

    mix: Mapping[str, float] = field(factory=lambda: dict(MIX), validator=a_mix)
    attributes: int = field(default=8, validator=number(0, 1000, whole=True))
    cardinality: int = field(default=1000, validator=number(1, whole=True))
    text: int = field(default=120, validator=number(0, 1 << 20, whole=True))
    seed: int = field(default=1, validator=number(0, whole=True))


class TelemetryMaker:
    """Makes events, as many as are asked for.

    Args:
        shape: what they look like.
        time_ns: tells the time that they say.
    """

    def __init__(self, shape: Shape, time_ns: Callable[[], int]) -> None:
        self._chance = chance = random.Random(shape.seed)  # noqa: S311 - no secret
        self._shape = shape
        self._time_ns = time_ns
        makers = {"spans": self._span, "points": self._point, "logs": self._log}
        kinds, shares = list(shape.mix), list(shape.mix.values())
        self._order = [makers[k] for k in chance.choices(kinds, shares, k=1009)]
        self._made = 0
        self._trace_id = b""
        self._parent = b""
        self._left = 0  # spans of the present trace
        self._bases = [self._base(n) for n in range(64)]
        self._texts = [self._text() for _ in range(64)]

    def __call__(self, count: int) -> list[Any]:
        """So many events more."""
        now, order, made = self._time_ns(), self._order, self._made
        self._made += count
        length = len(order)
        return [order[n % length](now, n) for n in range(made, made + count)]

    def _base(self, number_: int) -> dict[str, Any]:
        """The attributes that many events have alike, one fewer than are wanted."""
        chance = self._chance
        known: dict[str, Any] = {
            "url.path": f"/items/{number_}",
            "http.route": chance.choice(ROUTES),
            "http.request.method": chance.choice(METHODS),
            "http.response.status_code": chance.choice((200, 200, 200, 201, 404)),
            "server.address": f"shop-{number_ % 4}.internal",
            "url.scheme": "https",
            "server.port": 443,
            "cart.total": round(chance.uniform(1, 500), 2),
        }
        wanted = max(0, self._shape.attributes - 1)
        keys = list(known)[:wanted]
        base = {key: known[key] for key in keys}
        for further in range(len(base), wanted):
            base[f"app.detail.{further}"] = f"value-{chance.randrange(16)}"
        return base

    def _text(self) -> str:
        chance, size = self._chance, self._shape.text
        letters = string.hexdigits[:16]
        words = ""
        while len(words) < size:
            words += f"{chance.choice(WORDS)} {''.join(chance.choices(letters, k=8))} "
        return words[:size]

    def _attributes(self, number_: int) -> dict[str, Any]:
        attributes = self._bases[number_ * 7 & 63].copy()
        if self._shape.attributes:
            user = int(self._chance.random() * self._shape.cardinality)
            attributes["user.id"] = f"user-{user}"
        return attributes

    def _span(self, now: int, number_: int) -> Span:
        chance = self._chance
        span_id = chance.getrandbits(64).to_bytes(8, "big")
        root = self._left == 0
        if root:
            self._trace_id = chance.getrandbits(128).to_bytes(16, "big")
            self._left, self._parent = SPANS_OF_TRACE, b""
        self._left -= 1
        attributes = self._attributes(number_)
        if self._shape.text and "url.path" in attributes:
            attributes["url.path"] = self._texts[number_ & 63]
        failed = number_ % FAILED_ONE_IN == FAILED_ONE_IN - 1
        span = Span(
            name="GET /checkout" if root else "SELECT orders",
            trace_id=self._trace_id,
            span_id=span_id,
            parent_span_id=self._parent,
            start_time_unix_nano=now - int(chance.expovariate(2e-7)),
            end_time_unix_nano=now,
            attributes=attributes,
            kind=SpanKind.SERVER if root else SpanKind.CLIENT,
            status_code=StatusCode.ERROR if failed else StatusCode.UNSET,
            resource=RESOURCE,
            scope=SCOPE,
        )
        if root:
            self._parent = span_id
        return span

    def _point(self, now: int, number_: int) -> MetricPoint:
        attributes = self._attributes(number_)
        name, kind, unit = "queue.depth", MetricKind.GAUGE, "{item}"
        value: Any = number_ % 100
        if number_ % 3 == 0:
            name, kind, unit = "orders", MetricKind.SUM, "{order}"
        elif number_ % 3 == 1:
            name, unit = "http.server.request.duration", "s"
            kind, value = MetricKind.HISTOGRAM, self._histogram()
        return MetricPoint(
            name=name,
            value=value,
            kind=kind,
            unit=unit,
            attributes=attributes,
            time_unix_nano=now,
            start_time_unix_nano=now - 60_000_000_000,
            temporality=Temporality.CUMULATIVE,
            is_monotonic=kind is MetricKind.SUM,
            resource=RESOURCE,
            scope=SCOPE,
        )

    def _histogram(self) -> Histogram:
        counts = [1, 4, 9, 16, 20, 14, 6, 3, 1, int(self._chance.random() * 3)]
        return Histogram(
            count=sum(counts),
            sum=sum(counts) * 0.08,
            bucket_counts=counts,
            explicit_bounds=BOUNDS,
        )

    def _log(self, now: int, number_: int) -> LogRecord:
        severity, words = LEVELS[number_ % len(LEVELS)]
        return LogRecord(
            time_unix_nano=now,
            observed_time_unix_nano=now,
            severity_number=severity,
            severity_text=words,
            body=self._texts[number_ & 63],
            attributes=self._attributes(number_),
            trace_id=self._trace_id,
            resource=RESOURCE,
            scope=SCOPE,
        )
