"""IterableSource: the events of any iterable, sync or async."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, TypeVar

from attrs import Attribute, define, field, setters

from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError
from ..settings import number
from ..stages import Send, Source, StageContext

T = TypeVar("T")

LONGEST_TURN = 0.005  # seconds of iterating before others on the loop get a turn


def an_iterable(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a sync or async iterable, and more than a text or a dict."""
    right = isinstance(value, Iterable | AsyncIterable)
    if not right or isinstance(value, str | bytes | dict):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; "
            "expected an iterable or async iterable of events"
        )


@define(eq=False, slots=False)
class IterableSource(Source[T]):
    """Sends what an iterable gives: events, or lists of events.

    The events of a sync iterable are gathered into batches; an async iterable's are
    sent as they come, so let it give lists where speed matters. After every batch, and
    every few milliseconds, the event loop gets a turn.

    Args:
        iterable: any sync or async iterable; one that blocks blocks the event loop.
        name: its name in the graph.
        batch_size: events of a sync iterable that are sent together; default 512.

    Raises:
        ConfigurationError: not an iterable, or a wrong ``batch_size``.
    """

    iterable: Iterable[T | list[T]] | AsyncIterable[T | list[T]] = field(
        validator=an_iterable, repr=False, on_setattr=setters.frozen
    )
    name: str | None = field(default=None, kw_only=True)
    batch_size: int = field(default=512, kw_only=True, validator=number(1, whole=True))

    def __attrs_post_init__(self) -> None:
        self._now = SYSTEM_CLOCK.now
        self._stopping = False

    async def open(self, context: StageContext) -> None:
        """Learn the clock, and begin anew after a stop."""
        self._now = context.clock.now
        self._stopping = False

    async def run(self, send: Send[T]) -> None:
        """Send everything, in order, also what came before the iterable failed."""
        if isinstance(self.iterable, AsyncIterable):
            await self._run_async(self.iterable, send)
        else:
            await self._run_sync(iter(self.iterable), send)

    def stop(self) -> bool:
        """Let a sync iterable end after the batch under way; an async one may wait."""
        self._stopping = True
        return not isinstance(self.iterable, AsyncIterable)

    async def _run_sync(self, items: Iterator[T | list[T]], send: Send[T]) -> None:
        while not self._stopping:
            batches, failure, more = self._gather(items)
            for batch in batches:
                await send(batch)
            if failure is not None:
                raise failure
            if not more:
                return
            await asyncio.sleep(0)

    def _gather(
        self, items: Iterator[T | list[T]]
    ) -> tuple[list[list[T]], Exception | None, bool]:
        """One turn's batches, the iterable's failure, and whether there may be more."""
        gathered: list[T] = []
        end = self._now() + LONGEST_TURN
        try:
            for item in items:
                if isinstance(item, list):
                    return [batch for batch in (gathered, [*item]) if batch], None, True
                gathered.append(item)
                if len(gathered) >= self.batch_size or self._now() >= end:
                    return [gathered], None, True
        except Exception as failure:  # noqa: BLE001 - raised once all is sent
            return [gathered] if gathered else [], failure, False
        return [gathered] if gathered else [], None, False

    async def _run_async(self, items: AsyncIterable[Any], send: Send[T]) -> None:
        end = self._now() + LONGEST_TURN
        async for item in items:
            if not isinstance(item, list):
                await send([item])
            elif item:
                await send([*item])
            if self._now() >= end:
                await asyncio.sleep(0)
                end = self._now() + LONGEST_TURN
