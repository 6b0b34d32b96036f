"""MessageSink: one message for each event, and only the newest while it must wait.

Law: one request at a time, so that what is said last arrives last. Several writes may
wait at the same time; this is how an update meets the later one that supersedes it.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Final

from ..errors import (
    DeliveryError,
    PermanentError,
    SupersededError,
    TransientError,
)
from ..layers.retry import raise_failures
from ..stages import StageContext
from .hook import HookSink, built, one_by_one
from .newest import Newest, Update, alert_key
from .tries import Tries

WAITING: Final = 8  # writes that may wait for their next try


class MessageSink(HookSink):
    """Sends each event as a message of its own."""

    async def open(self, context: StageContext) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._turn = asyncio.Lock()
        self._newest = Newest()
        self._tries = Tries[dict[int, Update]](dict, self._give_up)
        await super().open(context)

    @abstractmethod
    def body_of(self, event: Any) -> bytes:
        """The message for an event; whatever it raises rejects the event."""

    def headers_of(self, event: Any) -> Mapping[str, str]:  # noqa: ARG002 - for others
        """Headers of the message's own."""
        return {}

    def key_of(self, event: Any) -> Hashable | None:
        """Which alert an event is an update of; None for none, which never waits."""
        return alert_key(event)

    async def write(self, events: list[Any]) -> None:
        """Send the events, one after the other.

        Raises:
            TransientError: trying again can help: ``http_429``, ``http_503`` and the
                like, ``connection``, ``timeout``, ``tls``, ``not_http``.
            PermanentError: it cannot: ``http_400`` and the like, ``disabled``.
            PartialError: some failed, those that are ``not_an_alert`` among them; those
                that are superseded are merged.
        """
        updates = self._tries.begin(events)
        limited = self._endpoint.limited_for > 0
        for event in events:
            if id(event) not in updates:
                key = self._known_key_of(event)
                updates[id(event)] = self._newest.begin(key, limited=limited)
        async with self._turn:
            failed = await one_by_one(events, partial(self._send, updates))
            for index, error in failed.items():
                if isinstance(error, TransientError):
                    update = updates[id(events[index])]
                    failed[index] = self._postponed(update, events[index], error)
        if not any(isinstance(error, TransientError) for error in failed.values()):
            self._tries.end()
        raise_failures(failed, len(events))

    def _known_key_of(self, event: Any) -> Hashable | None:
        try:
            return self.key_of(event)
        except Exception:  # noqa: BLE001 - it will fail where its message is built
            return None

    async def _send(self, updates: Mapping[int, Update], event: Any) -> None:
        """One attempt to send a message, unless it is not needed any more."""
        update = updates[id(event)]
        if update.superseded:
            self._newest.end(update)
            raise superseded(event)
        try:
            body = built(self.body_of, event, "not_an_alert")
            await self._endpoint.post(body, self.headers_of(event))
        except TransientError as error:
            raise self._postponed(update, event, error) from None
        except PermanentError:
            self._newest.end(update)
            raise
        self._newest.end(update)

    def _postponed(
        self, update: Update, event: Any, error: TransientError
    ) -> DeliveryError:
        """The error, or that a later update has made it unimportant."""
        if self._newest.postpone(update):
            return error
        self._newest.end(update)
        return superseded(event)

    def _give_up(self, updates: dict[int, Update]) -> None:
        for update in updates.values():
            self._newest.end(update)


def superseded(event: Any) -> SupersededError:
    """The error for an update that need not be sent."""
    return SupersededError(f"a later {type(event).__name__} is sent instead")
