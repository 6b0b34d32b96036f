"""FlextObservabilityMonitor: runs the pipeline for as long as a program wants it.

Law: starting what runs and stopping what does not are no errors; a stop is over by its
deadline, whatever the endpoints do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from inspect import getattr_static
from logging import getLogger
from types import TracebackType
from typing import Any, Self

from attrs import asdict, field, frozen

from sluiceway import Ledger, StopReport

from .backend import FlextBackend
from .exceptions import FlextConfigurationError
from .process import PROCESS
from .result import FlextResult
from .watching import HasBackend


@frozen
class FlextMonitorReport:
    """What a backend does and did.

    Attributes:
        is_active: whether it runs.
        delivered: events that endpoints have taken.
        held: events on their way.
        lost: events that were meant to arrive and did not.
        losses: the same by stage and reason.
        metrics: the names of the metrics that were recorded.
        open_traces: operations that were started and not ended.
        alerts: how many alerts are not resolved, by their severity.
        health: how all stand by their latest results: healthy, degraded, unhealthy or
            unknown.
        ledger: where every event went; None before the first start.
    """

    is_active: bool
    delivered: int = 0
    held: int = 0
    lost: int = 0
    losses: Mapping[str, Mapping[str, int]] = field(factory=dict)
    metrics: tuple[str, ...] = ()
    open_traces: int = 0
    alerts: Mapping[str, int] = field(factory=dict)
    health: str = "unknown"
    ledger: Ledger | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON can hold it, without the ledger."""
        told = asdict(self, recurse=False, filter=lambda it, _: it.name != "ledger")
        losses = {stage: dict(why) for stage, why in self.losses.items()}
        told |= {"metrics": [*self.metrics], "alerts": dict(self.alerts)}
        return told | {"losses": losses}


class FlextObservabilityMonitor:
    """Starts, stops and reports on what records; for ``with`` and ``async with``.

    Nothing needs it: the first thing recorded starts the backend, and the end of the
    program stops it. It is for those who want to say when, and to look. A stop is one
    for all who record into that backend, and ``with`` blocks in one another end with
    the inner one. A block runs although its backend cannot start, which is logged.

    Args:
        source: a backend, or a factory or service that has one; by default that of the
            process.

    Raises:
        FlextConfigurationError: ``source`` is something else.
    """

    def __init__(self, source: FlextBackend | HasBackend | None = None) -> None:
        is_one = source is None or isinstance(source, FlextBackend)
        if not is_one and getattr_static(source, "backend", None) is None:
            expected = "a FlextBackend, or a factory or service that has one"
            raise FlextConfigurationError("source", source, expected)
        self._source = source

    @property
    def backend(self) -> FlextBackend:
        """What it starts and stops."""
        return self._known() or PROCESS.get()

    def _known(self) -> FlextBackend | None:
        """The backend, if there is one by now."""
        if self._source is None:
            return PROCESS.current
        if isinstance(self._source, FlextBackend):
            return self._source
        return self._source.backend

    @property
    def is_active(self) -> bool:
        """Whether the backend runs."""
        backend = self._known()
        return backend is not None and backend.is_running

    is_running = is_active

    def start(self) -> FlextResult[None]:
        """Run the backend, again if it was stopped."""
        return self.backend.start()

    def stop(self, timeout: float | None = None) -> FlextResult[StopReport]:
        """Send what there is and end; ``start`` runs it again.

        Args:
            timeout: seconds; the configuration's ``drain_timeout`` by default.

        Returns:
            How it ended, and what was left at the deadline; a success, too, if nothing
            ran.
        """
        backend = self._known()
        if backend is None:
            return FlextResult.ok(StopReport(drained=True))
        return backend.stop(timeout)

    async def astart(self) -> FlextResult[None]:
        """As ``start``, while the event loop goes on."""
        return await asyncio.to_thread(self.start)

    async def astop(self, timeout: float | None = None) -> FlextResult[StopReport]:
        """As ``stop``, while the event loop goes on."""
        return await asyncio.to_thread(self.stop, timeout)

    def report(self) -> FlextMonitorReport:
        """What the backend does and did; to ask starts nothing."""
        backend = self._known()
        if backend is None:
            return FlextMonitorReport(is_active=False)
        ledger = backend.ledger()
        books = {} if ledger is None else books_of(ledger)
        return FlextMonitorReport(
            is_active=backend.is_running,
            metrics=tuple(backend.instruments.names()),
            open_traces=len(backend.operations),
            alerts=Counter(each.severity for each in backend.alert_desk.active({})),
            health=backend.checks.status().status,
            ledger=ledger,
            **books,
        )

    def __enter__(self) -> Self:
        self.start().tap_error(told)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop().tap_error(told)

    async def __aenter__(self) -> Self:
        (await self.astart()).tap_error(told)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        (await asyncio.shield(self.astop())).tap_error(told)

    def __repr__(self) -> str:
        state = "active" if self.is_active else "not active"
        return f"<FlextObservabilityMonitor {state}>"


def told(error: str) -> None:
    """Log what a block cannot answer with."""
    getLogger(__name__).warning("%s", error)


def books_of(ledger: Ledger) -> dict[str, Any]:
    """What a report tells of a ledger."""
    return {
        "delivered": ledger.delivered,
        "held": ledger.held,
        "lost": ledger.lost,
        "losses": ledger.losses,
    }
