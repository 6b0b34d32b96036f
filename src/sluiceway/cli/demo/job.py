"""The main job: a shop, its customers, its telemetry, and the ledger at the end.

Law: what was started has ended before the report, in the order customers, shop,
pipeline, so that no event can come late; whatever interrupts, the ledger is printed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from random import Random
from typing import Final

import aiohttp
from attrs import frozen

from ...errors import ConfigurationError
from ...instrument import Telemetry
from ...pipeline import Pipeline
from ...reports import PipelineState
from ...signals import handled_signals
from ...sinks.prometheus import PrometheusSink
from .arrival import Arrival, End
from .ends import Ends, open_ends
from .receivers import read_page
from .report import arrival_lines, ledger_lines, loss_lines, verdict
from .screen import Screen, choose_screen
from .shop import HOST, LOG, Payments, Shop, serving
from .traffic import Traffic
from .watching import Watch
from .wiring import make_pipeline

FLUSH_SECONDS: Final = 1.0
# A server that is closed as a connection comes may never answer on it.
PATIENCE: Final = aiohttp.ClientTimeout(total=5.0)
SCRAPE_PAGE: Final = "scrape page"
NOT_WELL: Final = 1
ABORTED: Final = 130


@frozen
class Options:
    """What the command line asks for.

    Attributes:
        duration: seconds that the shop has customers.
        rate: requests per second.
        shop_port: where the shop listens; 0 picks a free port.
        metrics_port: where Prometheus can scrape; 0 picks a free port.
        seed: what happens by chance.
        live: a live table, where there is a terminal for it.
    """

    duration: float
    rate: float
    shop_port: int
    metrics_port: int
    seed: int
    live: bool


def run_demo(options: Options) -> int:
    """Run the demo.

    Returns:
        0 if the books balance and what was delivered has arrived, 1 if not, 130 if it
        was aborted.

    Raises:
        ConfigurationError: a port cannot be had, a variable holds no address, or one
            switches telemetry off.
    """
    return asyncio.run(with_receivers(options))


async def with_receivers(options: Options) -> int:
    """Open the ends, run the demo towards them, close them."""
    async with AsyncExitStack() as stack:
        ends = await open_ends(stack, os.environ)
        return await Demo(options, ends).run()


class Demo:
    """One run of the demo.

    Args:
        options: what was asked for.
        ends: where telemetry goes.
    """

    def __init__(self, options: Options, ends: Ends) -> None:
        self._options = options
        self._ends: list[End] = [ends.otlp, ends.gateway, ends.alerts]
        self._screen: Screen = choose_screen(live=options.live)
        self._telemetry = shop_telemetry()
        self._scrape = PrometheusSink(port=options.metrics_port, name="scrape")
        window = max(1.0, min(5.0, options.duration / 8))
        self._pipeline: Pipeline = make_pipeline(
            self._telemetry, ends, self._scrape, window=window
        )
        payments = Payments(options.duration, Random(options.seed))  # noqa: S311
        self._shop = Shop(self._telemetry, payments, Random(options.seed))  # noqa: S311
        self._traffic = Traffic(
            rate=options.rate, duration=options.duration, seed=options.seed
        )
        self._abort: asyncio.Task[object] | None = None

    async def run(self) -> int:
        """Everything from the opening to the report; the exit code."""
        with handled_signals(("SIGINT", "SIGTERM"), self._on_signal):
            page = await self._serve()
        return self._report(page)

    def _on_signal(self, count: int) -> None:
        """The first signal ends the traffic, the second one everything."""
        if self._pipeline.state is PipelineState.STOPPED:
            return  # it came too late, and the verdict is to be the last line
        if count == 1:
            self._screen.say("ending: no more requests, draining", "yellow")
            self._traffic.end()
        elif self._abort is None:
            self._screen.say("aborting", "red")
            loop = asyncio.get_running_loop()
            self._abort = loop.create_task(self._pipeline.abort())

    async def _serve(self) -> str | None:
        """Run the shop and its customers, then drain; the last scraped page."""
        app = self._shop.application()
        async with AsyncExitStack() as stack:
            stack.enter_context(log_lines_of_the_shop(self._telemetry))
            await stack.enter_async_context(self._pipeline)
            async with serving(app, self._options.shop_port, "the shop") as port:
                url = f"http://{HOST}:{port}"
                self._say_where(url)
                watch = Watch(self._screen, self._pipeline, self._traffic)
                await stack.enter_async_context(watch)
                await self._traffic.run(url)
            page = await self._last_page()
            await self._pipeline.stop()
        return page

    async def _last_page(self) -> str | None:
        """The scrape page once all measurements are on it; None if aborted."""
        if self._pipeline.state is PipelineState.RUNNING:
            await self._pipeline.flush(FLUSH_SECONDS)
        if self._pipeline.state is not PipelineState.RUNNING:  # aborted meanwhile
            return None
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE) as session,
                session.get(self._scrape_url) as answer,
            ):
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return None

    @property
    def _scrape_url(self) -> str:
        return f"http://{HOST}:{self._scrape.port}{self._scrape.path}"

    # What it says.

    def _say_where(self, url: str) -> None:
        say = self._screen.say
        say("sluiceway demo: a shop, its telemetry and the ledger", "bold")
        places = {
            "shop": url,
            **{end.title: end.where for end in self._ends},
            SCRAPE_PAGE: self._scrape_url,
        }
        width = max(map(len, places))
        for title, where in places.items():
            say(f"  {title:{width}}  {where}")
        say(f"{self._options.duration:g} s at {self._options.rate:g} requests/s", "dim")

    def _report(self, page: str | None) -> int:
        """Print where everything went; the exit code."""
        say, ledger = self._screen.say, self._pipeline.ledger()
        arrivals = self._arrivals(page)
        complete = not any(arrival.complaint for arrival in arrivals.values())
        well = ledger.balanced and complete
        say("where everything went", "bold")
        for line in ledger_lines(ledger):
            say(line)
        say("what arrived", "bold")
        for line in arrival_lines(arrivals):
            say(line)
        if ledger.lost:
            say("what was lost", "bold")
        for line in loss_lines(ledger):
            say(line, "red")
        say(verdict(ledger), "bold green" if well and not ledger.lost else "bold red")
        if self._abort is not None:
            return ABORTED
        return 0 if well else NOT_WELL

    def _arrivals(self, page: str | None) -> dict[str, Arrival]:
        """What arrived, by where."""
        answered = self._shop.answered
        ledger = self._pipeline.ledger()
        arrivals = {end.title: end.arrival(ledger, answered) for end in self._ends}
        if page is not None:
            reading = read_page(page)
            complaint = reading.differs_from(answered)
            arrivals[SCRAPE_PAGE] = Arrival(str(reading), complaint)
        return arrivals


def shop_telemetry() -> Telemetry:
    """What the shop makes its telemetry with.

    Raises:
        ConfigurationError: the environment switches it off.
    """
    telemetry = Telemetry("shop", export_interval=1.0)
    if telemetry.disabled:
        raise ConfigurationError(
            "OTEL_SDK_DISABLED switches telemetry off; expected it unset or false, "
            "or there is nothing to show"
        )
    return telemetry


@contextmanager
def log_lines_of_the_shop(telemetry: Telemetry) -> Iterator[None]:
    """Send the shop's log lines to telemetry and nowhere else."""
    propagated = LOG.propagate
    LOG.addHandler(telemetry.log_handler)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(telemetry.log_handler)
        LOG.propagate = propagated
