"""One member of an Alertmanager cluster.

Law: telling never raises; the answer says which alerts it has not taken, and why. A
member that does not answer rests, so that the others need not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ..clock import SYSTEM_CLOCK
from ..errors import DeliveryError, TransientError
from ..formats.alertmanager import Posted
from ..stages import StageContext
from .endpoint import Endpoint, EndpointStatistics
from .http import Destination

DIVIDED: Final = frozenset({"http_400", "http_413", "http_422"})
REST: Final = 10.0  # seconds that a member is left out after it did not answer


class Member:
    """Posts alerts to one Alertmanager.

    Args:
        url: the whole address.
        shown: what of it may be shown.
        headers: of each request.
        timeout: seconds for one request; None for no bound.
        refuse_private: connect to addresses of the public internet only.
    """

    def __init__(
        self,
        url: str,
        shown: str,
        headers: Mapping[str, str],
        *,
        timeout: float | None,
        refuse_private: bool,
    ) -> None:
        self.shown = shown
        to = Destination(url=url, shown=shown, headers=headers)
        self._endpoint = Endpoint(to, timeout=timeout, refuse_private=refuse_private)
        self._clock = SYSTEM_CLOCK
        self._context: StageContext | None = None
        self._rests_until: float | None = None
        # What is told last must arrive last: a resolved alert must not fire again.
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Member {self.shown} {self._endpoint.state}>"

    def statistics(self) -> EndpointStatistics:
        """A snapshot of what was answered."""
        return self._endpoint.statistics()

    def rests(self, now: float) -> bool:
        """Whether it has not answered a moment ago.

        Args:
            now: seconds on the pipeline's clock.
        """
        return self._rests_until is not None and now < self._rests_until

    async def open(self, context: StageContext) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._context = context
        self._clock = context.clock
        self._rests_until = None
        await self._endpoint.open(context)

    async def close(self) -> None:
        """Let the connections go."""
        await self._endpoint.close()

    async def tell(self, alerts: Mapping[int, Posted]) -> dict[int, Exception]:
        """Post the alerts; why it has not taken some, by their index.

        Where a post is refused as wrong or as too large, its halves are posted.
        """
        async with self._turn:
            return await self._tell(alerts)

    async def tell_again(self, due: Callable[[], list[Posted]], most: int) -> int:
        """Post what is due when it is this post's turn.

        Args:
            due: tells what it is.
            most: alerts in one request.

        Returns:
            How many alerts it was.
        """
        async with self._turn:
            alerts = due()
            for start in range(0, len(alerts), most):
                await self._tell(dict(enumerate(alerts[start : start + most])))
            return len(alerts)

    async def _tell(self, alerts: Mapping[int, Posted]) -> dict[int, Exception]:
        try:
            await self._endpoint.post(msgspec.json.encode([*alerts.values()]), {})
        except DeliveryError as error:
            if error.reason not in DIVIDED or len(alerts) == 1:
                self._note(error)
                return dict.fromkeys(alerts, error)
        else:
            self._note(None)
            return {}
        indices = list(alerts)
        failed: dict[int, Exception] = {}
        middle = len(indices) // 2
        for half in (indices[:middle], indices[middle:]):
            failed |= await self._tell({index: alerts[index] for index in half})
        return failed

    def _note(self, error: DeliveryError | None) -> None:
        """Log when it stops to answer, and when it answers again."""
        was_away = self._rests_until is not None
        away = isinstance(error, TransientError)
        self._rests_until = self._clock.now() + REST if away else None
        if self._context is None or away == was_away:
            return
        if away:
            self._context.logger.warning("a member takes no alerts: %s", error)
        else:
            self._context.logger.info("%s takes alerts again", self.shown)
