"""PrometheusSink: the latest state of every series, on a page that Prometheus scrapes.

Law: a write only updates the state; a page is made when it is asked for. The state
outlives a close, so that counters go on when the sink opens again.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Mapping
from contextlib import suppress

from aiohttp import web
from attrs import frozen

from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError, PartialError
from ..events import MetricPoint
from ..formats.negotiation import accepts_gzip, wants_openmetrics
from ..formats.prometheus_claims import Shelf
from ..formats.prometheus_names import label_name
from ..formats.prometheus_samples import family_of
from ..formats.prometheus_text import Page, exposition
from ..layers.retry import raise_failures
from ..settings import Port, Queue, Seconds
from ..stages import Sink, StageContext
from .addresses import cannot_listen, checked_host
from .endpoint import checked_timeout
from .latest import LatestState
from .live import Collected, Live
from .rendering import rendered
from .server_log import SERVER_LOG

SHUTDOWN_SECONDS = 1.0
SLICE = 1000  # points that are taken at once: 10 ms if all series are new
QUEUE = Queue()
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")  # as it is asked for, and no more
SMALLEST_GZIP = 1024  # bytes; less is not worth a header


@frozen
class ScrapeStatistics:
    """What a PrometheusSink has done.

    Attributes:
        scrapes: pages that were asked for.
        superseded: points that a later point has replaced.
        series: the series that a page holds now.
    """

    scrapes: int
    superseded: int
    series: int


@frozen
class Scrape:
    """One answer to a scraper.

    Attributes:
        headers: content type and encoding.
        body: the page, packed if the headers say so.
    """

    headers: Mapping[str, str]
    body: bytes


class PrometheusSink(Sink[MetricPoint]):
    """Serves metric points to a Prometheus that scrapes them.

    A scrape shows what has come so far, of a ``Telemetry`` the collection every
    ``export_interval``; with ``live`` it collects, and shows what is true now.

    Text 0.0.4 or OpenMetrics 1.0 (with exemplars), as the scraper asks; gzip. Names and
    labels become Prometheus's, the resource becomes ``target_info``; points of several
    resources get ``job`` and ``instance`` labels, for which a scrape configuration
    sets ``honor_labels``. Delta points are added up. What cannot stand on the page,
    such as a second metric of a name and another type, is rejected.

    Args:
        host: the address to listen on; default ``"127.0.0.1"``, this machine only.
        port: the port; default 9464, 0 picks a free one, see the attribute ``port``.
            None opens no port, for a page that is mounted as ``handle`` elsewhere.
        path: where the page is; default ``"/metrics"``.
        scope_labels: tell the instrumentation scope in ``otel_scope_*`` labels.
        expire_after: seconds after which a series is left out of which no point has
            come meanwhile, such as those of a service that is gone; longer than any
            source's interval. Default None: a series stays until a point says that
            it has ended.
        live: a ``Telemetry`` whose metrics each scrape collects, for 2 seconds at most,
            beside what comes through the pipeline; not booked in the ledger. One with
            delta sums is left alone, with a warning. Default None.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.

    Raises:
        ConfigurationError: a port or path that cannot be served, or no seconds.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: Port | None = 9464,
        path: str = "/metrics",
        scope_labels: bool = False,
        expire_after: Seconds | None = None,
        live: Collected | None = None,
        name: str | None = None,
        queue: Queue = QUEUE,
    ) -> None:
        check_address(port, path)
        self.name = name
        self.queue = queue
        self.host = checked_host("PrometheusSink.host", host)
        self.path = path
        self._asked_port = port
        self._bound_port: int | None = None
        self._scope_labels = scope_labels
        self._expire_after = checked_timeout(
            "PrometheusSink.expire_after", expire_after
        )
        self._clock = SYSTEM_CLOCK
        self._state = LatestState(shelf=Shelf(scopes=scope_labels))
        self._live = Live(live, "PrometheusSink.live")
        self._superseded = 0
        self._scrapes = 0
        self._runner: web.AppRunner | None = None

    def __repr__(self) -> str:
        state = "closed" if self._runner is None else "open"
        where = f"{self.host}:{self.port}{self.path}"
        return f"<PrometheusSink {where} {state} series={len(self._state)}>"

    @property
    def port(self) -> int | None:
        """The port that is listened on; before ``open`` the one that was asked for."""
        return self._asked_port if self._bound_port is None else self._bound_port

    @staticmethod
    def sample_names(point: MetricPoint) -> list[str]:
        """The names that samples of a point may have on a page.

        A page shows one of two metrics that have a name in common and differ in type;
        of one type, they become a single family.

        Raises:
            ValueError: no character of the point's name can stand in Prometheus.
        """
        return family_of(point).sample_names()

    @staticmethod
    def label_name(key: str) -> str:
        """The label that an attribute of this key becomes on a page."""
        return label_name(key)

    def statistics(self) -> ScrapeStatistics:
        """A snapshot of what was served."""
        return ScrapeStatistics(
            scrapes=self._scrapes,
            superseded=self._superseded,
            series=len(self._state),
        )

    async def open(self, context: StageContext) -> None:
        """Listen.

        Raises:
            ConfigurationError: the address cannot be had.
        """
        self._clock = context.clock
        if self._asked_port is None:
            return
        app = web.Application()
        app.router.add_get(self.path, self.handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=SERVER_LOG,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self._asked_port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                raise cannot_listen(
                    "PrometheusSink", self.host, self._asked_port, error
                ) from error
            raise
        self._runner = runner
        self._bound_port = int(runner.addresses[0][1])
        context.logger.info("listening on %s, port %d", self.host, self._bound_port)

    async def close(self) -> None:
        """Stop listening; the state stays."""
        runner, self._runner = self._runner, None
        self._bound_port = None
        if runner is not None:
            await runner.cleanup()

    async def write(self, events: list[MetricPoint]) -> None:
        """Take the points into the state, and let others run now and then.

        Raises:
            PartialError: some events are no metric points, deltas that came too late
                to be added, or cannot stand on the page beside what is there.
        """
        refused: dict[int, Exception] = {}
        for start in range(0, len(events), SLICE):
            if start:
                await asyncio.sleep(0)
            update = self._state.update(events[start : start + SLICE], self._now())
            self._superseded += update.superseded
            refused |= {start + at: why for at, why in update.refused.items()}
        self._forget()
        raise_failures(refused, len(events))

    def _now(self) -> float | None:
        return None if self._expire_after is None else self._clock.now()

    def _forget(self) -> None:
        """Leave out the series that have expired."""
        if self._expire_after is not None:
            self._state.forget(self._clock.now() - self._expire_after)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a scrape: an aiohttp handler, to be mounted in any application."""
        scrape = await self.scrape(
            request.headers.get("Accept"), request.headers.get("Accept-Encoding")
        )
        return web.Response(body=scrape.body, headers=scrape.headers)

    async def scrape(self, accept: str | None, accept_encoding: str | None) -> Scrape:
        """The page as a scraper asks for it, for whatever serves it.

        Args:
            accept: the header ``Accept``, None if there was none.
            accept_encoding: the header ``Accept-Encoding``, likewise.
        """
        with suppress(PartialError):  # what cannot stand on the page is left out
            await self.write(await self._live.points())
        self._forget()
        zips = accepts_gzip(accept_encoding)
        openmetrics = wants_openmetrics(accept)
        points = self._state.points()
        page, body = await rendered(
            points, lambda: self._page(points, openmetrics=openmetrics, zips=zips)
        )
        self._scrapes += 1
        # From version 1.0.0 on a page says how its names are escaped.
        escaping = "; escaping=underscores" if openmetrics else ""
        headers = {
            "Content-Type": page.content_type + escaping,
            "Vary": "Accept, Accept-Encoding",
        }
        if body is not page.body:
            headers["Content-Encoding"] = "gzip"
        return Scrape(headers, body)

    def _page(
        self, points: list[MetricPoint], *, openmetrics: bool, zips: bool
    ) -> tuple[Page, bytes]:
        page = exposition(
            points, openmetrics=openmetrics, scope_labels=self._scope_labels
        )
        if zips and len(page.body) >= SMALLEST_GZIP:
            return page, gzip.compress(page.body, compresslevel=5, mtime=0)
        return page, page.body


def check_address(port: int | None, path: str) -> None:
    """Refuse what cannot be listened on."""
    whole = isinstance(port, int) and not isinstance(port, bool)
    if port is not None and not (whole and 0 <= port <= 65535):
        raise ConfigurationError(
            f"PrometheusSink.port is {port!r}; "
            "expected a whole number from 0 to 65535 or None"
        )
    if not isinstance(path, str) or not PATH.fullmatch(path):
        raise ConfigurationError(
            f"PrometheusSink.path is {path!r}; expected one like '/metrics'"
        )
