"""The shop's customers: concurrent clients that share one schedule of requests."""

from __future__ import annotations

import asyncio
import itertools
from random import Random
from typing import Final

import aiohttp

from ...clock import SYSTEM_CLOCK
from .shop import CARD, CATALOGUE

MOST_CLIENTS: Final = 64
FEWEST_CLIENTS: Final = 4
SLOW: Final = 0.2  # seconds above which a request is counted as slow
LATEST: Final = 2.0  # seconds after the end in which a request may still begin
PATIENCE: Final = aiohttp.ClientTimeout(total=10.0)


class Traffic:
    """Sends requests at a steady rate for a while.

    A slow answer holds up one client, not the schedule, as long as others are free. At
    a rate that the machine cannot keep up with, the time bounds it, not the schedule.

    Attributes:
        answers: requests by HTTP status; 0 for those that got no answer.
        duration: seconds that it is to last.
        over: whether all requests have ended.
        slow: answers that took more than ``SLOW`` seconds.

    Args:
        rate: requests per second.
        duration: seconds.
        seed: what the customers do by chance.
    """

    def __init__(self, *, rate: float, duration: float, seed: int) -> None:
        self.answers: dict[int, int] = {}
        self.slow = 0
        self._url = ""
        self._rate = rate
        self.duration = duration
        self._begin: float | None = None
        self._random = Random(seed)  # noqa: S311 - customers are no secret
        self._ended = asyncio.Event()
        self.over = False

    @property
    def requests(self) -> int:
        """How many requests have ended."""
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        """How many of them failed: no answer, or 5xx."""
        return sum(n for status, n in self.answers.items() if not 0 < status < 500)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        now = SYSTEM_CLOCK.now()
        return 0.0 if self._begin is None else now - self._begin

    def end(self) -> None:
        """Begin no further request."""
        self._ended.set()

    async def run(self, url: str) -> None:
        """Send requests until the time is over or ``end``; all have ended by then."""
        self._url = url
        wanted = max(FEWEST_CLIENTS, min(MOST_CLIENTS, round(self._rate / 4)))
        self._tickets = itertools.count()
        self._begin = SYSTEM_CLOCK.now()
        connector = aiohttp.TCPConnector(limit=MOST_CLIENTS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as session,
            asyncio.TaskGroup() as clients,
        ):
            for _ in range(wanted):
                clients.create_task(self._shop_around(session))
        self.over = True

    async def _shop_around(self, session: aiohttp.ClientSession) -> None:
        """One client: the next request of the schedule, again and again."""
        while await self._wait_for_turn():
            begin = SYSTEM_CLOCK.now()
            status = await self._request(session)
            self.answers[status] = self.answers.get(status, 0) + 1
            self.slow += SYSTEM_CLOCK.now() - begin > SLOW

    async def _wait_for_turn(self) -> bool:
        """Wait for the next request's time; False when there is none any more."""
        due = next(self._tickets) / self._rate
        last = due >= self.duration or self.elapsed > self.duration + LATEST
        begin = self._begin or 0.0
        wait = begin + min(due, self.duration) - SYSTEM_CLOCK.now()
        try:
            async with asyncio.timeout(max(0.0, wait)):
                await self._ended.wait()
        except TimeoutError:
            return not last
        return False

    async def _request(self, session: aiohttp.ClientSession) -> int:
        """One request; its status, or 0 without an answer."""
        method, path, body = self._wish()
        try:
            async with session.request(method, self._url + path, json=body) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    def _wish(self) -> tuple[str, str, object]:
        """What a customer wants next."""
        chance = self._random.random()
        if chance < 0.3:
            return "POST", "/checkout", {"card": CARD}
        if chance < 0.32:
            return "GET", "/products/submarine", None
        if chance < 0.6:
            return "GET", f"/products/{self._random.choice(CATALOGUE)}", None
        return "GET", "/products", None
