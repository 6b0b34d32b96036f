"""The conformance check of accumulators."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import PartialError
from ..stages import Accumulator, Batches
from .check_workers import COPY_OR_SAY_SO, check_partial
from .checking import (
    Handed,
    Make,
    ask,
    bounded,
    check_no_tasks,
    close_unrun,
    fresh,
    is_whole,
    require,
    run_check,
    samples,
)
from .running import stage_context


def check_accumulator(
    make: Make[Accumulator[Any, Any]], events: Iterable[Any], *, timeout: float = 5.0
) -> None:
    """Check that an accumulator does what the engine relies on.

    ``held`` tells the truth, and is 0 after ``flush``; with ``acknowledge =
    "on_output"`` everything that was added is released once and in order; a ``tick``
    moves ``next_deadline`` on; lists that were given are not kept, lists that were
    released are not touched again; events are changed only if it says ``mutates``.
    Call it from a plain test function.

    Args:
        make: makes a new accumulator; or one accumulator.
        events: some events, better more than one batch of them.
        timeout: seconds of real time for ``open`` and ``close``.

    Raises:
        AssertionError: what is wrong, and what is expected.
    """
    known = samples(events)
    run_check(lambda: check(make, known, timeout))


async def check(
    make: Make[Accumulator[Any, Any]], events: Sequence[Any], timeout: float
) -> None:
    """All of the check, on a loop."""
    before = asyncio.all_tasks()
    stage = fresh(make, Accumulator)
    now = 0.0
    for steps in (1, 2, len(events)):
        await bounded(stage.open(stage_context()), f"{stage!r}.open", timeout)
        life = Life(stage, now)
        for part in parts_of(events, steps):
            await life.add(part)
            life.tick_early()
        life.flush()
        await life.add(events)
        life.tick_until_quiet()
        life.flush()
        life.check_released()
        now = life.now + 1.0
        await bounded(stage.close(), f"{stage!r}.close", timeout)
    await check_no_tasks(stage, before)


def parts_of(events: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """The events in about ``count`` parts."""
    step = max(1, math.ceil(len(events) / max(1, count)))
    return [events[start : start + step] for start in range(0, len(events), step)]


class Life:
    """An accumulator between ``open`` and ``close``, and its books.

    Args:
        stage: the accumulator.
        now: the time at which its life begins.
    """

    def __init__(self, stage: Accumulator[Any, Any], now: float) -> None:
        self.now = now
        self._stage = stage
        self._handed: list[Handed] = []
        self._added: list[Any] = []
        self._released: list[tuple[list[Any], tuple[Any, ...]]] = []
        self._check_books("open")

    async def add(self, events: Sequence[Any]) -> None:
        """Add copies of events."""
        handed = Handed(events, self._stage)
        self._handed.append(handed)
        self._added += handed.given
        released = self._answer(handed.given)
        if released is not handed.given:
            handed.check_list()
        self._take(released, "add")
        if released is not handed.given:
            await handed.check_let_go()

    def _answer(self, given: list[Any]) -> Any:
        """What is released; some events may have been refused by name."""
        before = tuple(given)
        try:
            return self._ask("add", given, self.now)
        except PartialError as error:
            require(
                self._stage.acknowledge == "on_add",
                f'{self._stage!r} says acknowledge = "on_output" and raised '
                'PartialError, which would refuse the whole batch; say "on_add"',
            )
            check_partial(self._stage, error, before)
            return error.kept

    def _ask(self, method: str, *given: Any) -> Any:
        work = getattr(self._stage, method)
        return ask(work, *given, what=f"{self._stage!r}.{method}")

    def tick_early(self) -> None:
        """A tick may come before its time."""
        deadline = self._deadline()
        if deadline is not None:
            self.now += max(0.0, (deadline - self.now) / 2)
        self._take(self._ask("tick", self.now), "tick")

    def tick_until_quiet(self) -> None:
        """Let deadlines pass, each of which must bring the next one later, or none."""
        for _ in range(10):
            deadline = self._deadline()
            if deadline is None:
                return
            self.now = max(self.now, deadline)
            self._take(self._ask("tick", self.now), "tick")
            later = self._deadline()
            require(
                later is None or later > self.now,
                f"{self._stage!r}.next_deadline() is {later!r} after a tick at "
                f"{self.now!r}; return a later time or None, or the engine spins",
            )

    def flush(self) -> None:
        """Release everything; a second flush has nothing left."""
        self._take(self._ask("flush", self.now), "flush")
        held = self._ask("held")
        require(held == 0, f"{self._stage!r}.held() is {held} after flush; expected 0")
        again = self._ask("flush", self.now)
        require(
            not again,
            f"{self._stage!r}.flush released {again!r} again; expected []",
        )

    def check_released(self) -> None:
        """What was released must still be what it was then."""
        for batch, then in self._released:
            same = list(map(id, batch)) == list(map(id, then))
            require(
                same,
                f"{self._stage!r} changed a list after releasing it; start a new list",
            )
        if self._stage.acknowledge == "on_output":
            self._check_order()
        if not self._stage.mutates:
            for handed in self._handed:
                handed.check_events(COPY_OR_SAY_SO)

    def _check_order(self) -> None:
        out = [event for _, then in self._released for event in then]
        require(
            list(map(id, out)) == list(map(id, self._added[: len(out)])),
            f'{self._stage!r} says acknowledge = "on_output", but does not release '
            'what was added, once and in order; say "on_add" if it makes other events',
        )

    def _take(self, released: Any, method: str) -> None:
        close_unrun(released)
        require(
            isinstance(released, list),
            f"{self._stage!r}.{method} returned {type(released).__name__}; return a "
            "list of events, or Batches",
        )
        batches = released if isinstance(released, Batches) else [released]
        for batch in batches:
            require(
                isinstance(batch, list),
                f"{self._stage!r}.{method} returned Batches with a "
                f"{type(batch).__name__} in it; expected lists of events",
            )
            self._released.append((batch, tuple(batch)))
        self._check_books(method)

    def _check_books(self, method: str) -> None:
        held = self._ask("held")
        added = len(self._added)
        require(
            is_whole(held) and held <= added,
            f"{self._stage!r}.held() is {held!r} after {method}, of {added} events "
            "added",
        )
        if self._stage.acknowledge == "on_output":
            out = sum(len(then) for _, then in self._released)
            require(
                held == added - out,
                f"{self._stage!r}.held() is {held} after {method}, but {added} events "
                f"were added and {out} released",
            )

    def _deadline(self) -> float | None:
        deadline: float | None = self._ask("next_deadline")
        require(
            deadline is None or math.isfinite(deadline),
            f"{self._stage!r}.next_deadline() is {deadline!r}; expected a time or None",
        )
        return deadline
