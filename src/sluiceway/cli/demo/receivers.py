"""The demo's own receivers: what a backend would be, and an independent count.

Law: a receiver counts what came over the wire, never what the pipeline says it sent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from ...chains import route
from ...events import LogRecord, MetricPoint, Span
from ...ledger import Ledger
from ...pipeline import Pipeline
from ...sinks.otlp import OtlpSink
from ...sinks.pushgateway import PushgatewaySink
from ...sinks.webhook import WebhookSink
from ...sources.otlp import OtlpSource
from ...stages import Sink
from .arrival import Arrival, End, counted, mismatch
from .shop import HOST, serving

REQUESTS: Final = "http_server_request_duration_seconds_count"
SIGNALS: Final[Mapping[type, str]] = {
    Span: "spans",
    MetricPoint: "points",
    LogRecord: "logs",
}


class Receiver(End):
    """An end of our own, which runs while it is entered."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.where = f"http://{HOST}:{await self._start(self._stack)}"
        self.sink = self._make_sink()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @abstractmethod
    async def _start(self, stack: AsyncExitStack) -> int:
        """Listen until the stack closes; the port."""

    @abstractmethod
    def _make_sink(self) -> Sink[Any]:
        """A sink that sends to ``where``."""


class Tally(Sink[Any]):
    """Counts events, and the traces that they are of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.traces: set[bytes] = set()

    async def write(self, events: list[Any]) -> None:
        """Count them."""
        self.count += len(events)
        self.traces.update(getattr(event, "trace_id", b"") for event in events)


class OtlpReceiver(Receiver):
    """A pipeline of its own whose source takes OTLP and whose sinks count."""

    title = "OTLP receiver"

    def __init__(self) -> None:
        super().__init__()
        self._source = OtlpSource(HOST, 0, ack="delivered")
        self._tallies = {name: Tally(name) for name in SIGNALS.values()}
        self._pipeline = Pipeline(
            self._source >> route(lambda event: SIGNALS[type(event)], self._tallies),
            name="receiver",
        )

    async def _start(self, stack: AsyncExitStack) -> int:
        await stack.enter_async_context(self._pipeline)
        return self._source.port

    def _make_sink(self) -> Sink[Any]:
        # All is said here: what variables say of OTLP is meant for another receiver.
        return OtlpSink(
            self.where,
            protocol="http/protobuf",
            headers={},
            compression="none",
            timeout=10,
            name="otlp",
        )

    def arrival(self, ledger: Ledger, answered: int) -> Arrival:  # noqa: ARG002
        """How many spans and log records came."""
        own = self._pipeline.ledger()
        counts = {name: tally.count for name, tally in self._tallies.items()}
        words = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
        traces = counted(len(self._tallies["spans"].traces), "trace")
        arrived = sum(counts.values())
        complaint = mismatch(arrived, ledger["otlp"], "events")
        if not own.balanced or own.lost:
            complaint = complaint or f"its own pipeline lost {own.lost:,}"
        return Arrival(f"{words or 'nothing'}; {traces}", complaint)


class PushTarget(Receiver):
    """Takes what a pushgateway would take, and keeps the last page of each group."""

    title = "push target"

    def __init__(self) -> None:
        super().__init__()
        self._pushes = 0
        self._pages: dict[str, str] = {}

    async def _start(self, stack: AsyncExitStack) -> int:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_put("/metrics/job/{group:.+}", self._take)
        return await stack.enter_async_context(serving(app, 0, self.title))

    async def _take(self, request: web.Request) -> web.Response:
        self._pages[request.path] = await request.text()
        self._pushes += 1
        return web.Response()

    def _make_sink(self) -> Sink[Any]:
        self._pushing = PushgatewaySink(self.where, name="pushgateway")
        return self._pushing

    def arrival(self, ledger: Ledger, answered: int) -> Arrival:
        """What the last page of each group says."""
        page = read_page("".join(self._pages.values()))
        words = f"{self._pushes:,} pushes; {page}"
        if ledger["pushgateway"].lost:
            return Arrival(words)
        pushed = self._pushing.statistics().pushes
        complaint = (
            "" if pushed == self._pushes else f"{pushed:,} pushes were delivered"
        )
        return Arrival(words, complaint or page.differs_from(answered))


class AlertReceiver(Receiver):
    """Takes what a webhook sends."""

    title = "webhook receiver"

    def __init__(self) -> None:
        super().__init__()
        self._alerts: list[dict[str, Any]] = []

    async def _start(self, stack: AsyncExitStack) -> int:
        app = web.Application()
        app.router.add_post("/", self._take)
        return await stack.enter_async_context(serving(app, 0, self.title))

    async def _take(self, request: web.Request) -> web.Response:
        self._alerts += await request.json()
        return web.Response()

    def _make_sink(self) -> Sink[Any]:
        return WebhookSink(self.where, name="alerts")

    def arrival(self, ledger: Ledger, answered: int) -> Arrival:  # noqa: ARG002
        """How many alerts came, and what they say."""
        kinds = Counter(f"{alert['name']} {alert['status']}" for alert in self._alerts)
        told = ", ".join(
            kind + (f" x{count}" if count > 1 else "") for kind, count in kinds.items()
        )
        words = counted(len(self._alerts), "alert") + (f": {told}" if told else "")
        complaint = mismatch(len(self._alerts), ledger["alerts"], "alerts")
        return Arrival(words, complaint)


@frozen
class PageReading:
    """What a page of metrics says.

    Attributes:
        series: how many samples it has.
        requests: how many requests the shop's histogram counted.
    """

    series: int
    requests: int

    def differs_from(self, answered: int) -> str:
        """What is wrong if the shop answered so many requests; else nothing."""
        same = self.requests == answered
        return "" if same else f"the shop answered {answered:,} requests"

    def __str__(self) -> str:
        return f"{self.series:,} samples; {self.requests:,} requests counted"


def read_page(text: str) -> PageReading:
    """Read a page of metrics as Prometheus would."""
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    requests = sum(sample.value for sample in samples if sample.name == REQUESTS)
    return PageReading(len(samples), int(requests))
