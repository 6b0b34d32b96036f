"""What holds of a HealthSource whatever its checks do."""

from __future__ import annotations

import asyncio
from itertools import cycle

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import Pipeline
from sluiceway.health import Check, Ending
from sluiceway.sources import HealthSource
from sluiceway.testing import CollectingSink, ManualClock

LONG = 40.0  # seconds of the manual clock
acts = st.one_of(
    st.sampled_from(["passes", "raises", "cancels", "answers nonsense", "hangs"]),
    st.floats(0.125, 6.0).map(lambda seconds: round(seconds * 8) / 8),
)
plans = st.tuples(
    st.lists(acts, min_size=1, max_size=5),
    st.sampled_from([1.0, 2.5, 8.0]),
    st.sampled_from([0.25, 1.0]),
    st.booleans(),
)


class Played:
    """A function that does one thing after the other, and how often at a time."""

    def __init__(self, clock, plan):
        self._clock = clock
        self._acts = cycle(plan)
        self.begun = 0
        self.under_way = 0
        self.most = 0

    async def play(self):
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self._act(next(self._acts))
        finally:
            self.under_way -= 1

    async def _act(self, act):
        if act == "raises":
            raise OSError("no route")
        if act == "cancels":
            raise asyncio.CancelledError
        if act == "hangs":
            await asyncio.Event().wait()
        if isinstance(act, float):
            await self._clock.sleep(act)
        return 3 if act == "answers nonsense" else None


async def played(plans):
    """The functions, the checks, what was sent, and the ledger."""
    clock, collected = ManualClock(), CollectingSink()
    functions = [Played(clock, plan) for plan, _, _, _ in plans]
    checks = [
        Check(
            str(at),
            function.play,
            interval=interval,
            timeout=min(timeout * interval, interval),
            depends_on=["0"] if depends and at else [],
        )
        for at, (function, (_, interval, timeout, depends)) in enumerate(
            zip(functions, plans, strict=True)
        )
    ]
    source = HealthSource(checks)
    pipeline = Pipeline(source >> collected, clock=clock)
    async with pipeline:
        await clock.advance(LONG)
        counts = source.counts()
    return functions, checks, counts, collected.events, pipeline.ledger()


@settings(max_examples=60)
@given(st.lists(plans, min_size=1, max_size=4))
def test_no_check_runs_twice_at_a_time_and_each_has_its_turns(plans):
    functions, checks, counts, events, ledger = asyncio.run(played(plans))
    assert ledger.balanced
    assert ledger.lost == 0
    for at, (function, check) in enumerate(zip(functions, checks, strict=True)):
        assert (function.most, function.under_way) == (1, 0)
        first = min(1.0, check.interval) * at / len(checks)
        turns = 1 + int((LONG - first) // check.interval)
        count = sum(counts[check.name].values())
        # A run that lasts for its whole interval costs the turn at its end.
        if check.timeout < check.interval:
            assert turns - 1 <= count <= turns
        assert counts[check.name][Ending.OVERDUE] == 0
        durations = [event.duration for event in events if event.name == check.name]
        assert max(durations) <= check.timeout + 1e-6
