"""Each check passes a right stage and catches a broken one of its kind."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from sluiceway.batching import BatchBy, Batcher
from sluiceway.decorators import processor, sampler, sink, source
from sluiceway.errors import PartialError, PermanentError
from sluiceway.events import Span
from sluiceway.inlet import Inlet
from sluiceway.stages import (
    Accumulator,
    Processed,
    Processor,
    Sampler,
    Sink,
    Source,
)
from sluiceway.testing import (
    CollectingSink,
    FailingSink,
    check_accumulator,
    check_processor,
    check_sampler,
    check_sink,
    check_source,
)

SPANS = [
    Span(name=str(n), trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="ot=th:8")
    for n in range(6)
]
QUICK = {"timeout": 0.3}


# sinks


class KeepsTheList(Sink):
    async def write(self, events):
        self.kept = events


class EmptiesTheList(Sink):
    async def write(self, events):
        events.clear()


class ChangesEvents(Sink):
    async def write(self, events):
        events[0].name = "changed"


class AnswersFalse(Sink):
    async def write(self, events):
        return False


class HangsInClose(CollectingSink):
    async def close(self):
        await asyncio.Event().wait()


class SwallowsCancellation(Sink):
    async def write(self, events):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)


class NeverLetsGo(Sink):
    async def write(self, events):
        done = asyncio.get_running_loop().time() + 0.01
        while asyncio.get_running_loop().time() < done:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                done = float("inf")


class BreaksWhenCancelled(Sink):
    broken = False

    async def write(self, events):
        if self.broken:
            raise PermanentError("the connection is in use")
        self.broken = True
        await asyncio.sleep(0.01)
        self.broken = False


class OpensOnce(CollectingSink):
    opened = False

    async def open(self, context):
        assert not self.opened, "already open"
        self.opened = True


class LeavesATask(CollectingSink):
    async def open(self, context):
        self.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")


class BlockingAsync(Sink):
    blocking = True

    async def write(self, events):
        pass


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (KeepsTheList, "kept the list"),
        (EmptiesTheList, "changed the list"),
        (ChangesEvents, "changed events in place"),
        (AnswersFalse, "returned False"),
        (HangsInClose, "close did not end within"),
        (SwallowsCancellation, "swallowed its cancellation"),
        (NeverLetsGo, "did not end within 0.3 s after it was cancelled"),
        (BreaksWhenCancelled, "connection is in use"),
        (OpensOnce, "already open"),
        (LeavesATask, "left tasks running after close: forgotten"),
        (BlockingAsync, "drop one of the two"),
        (FailingSink, "refused the sample events"),
        (Inlet, "expected a Sink"),
    ],
)
def test_a_broken_sink_is_caught(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_sink(broken, SPANS, **QUICK)


def test_a_sink_that_loses_or_reorders_is_caught():
    class Backwards(CollectingSink):
        async def write(self, events):
            self.collect(events[::-1])

    with pytest.raises(AssertionError, match="arrived"):
        check_sink(Backwards, SPANS, arrived=lambda sink: sink.events)


def test_right_sinks_pass():
    @sink
    async def plain(events):
        await asyncio.sleep(0)

    @sink(blocking=True)
    def blocking(events):
        pass

    check_sink(CollectingSink, SPANS, arrived=lambda sink: sink.events)
    check_sink(plain, SPANS)
    check_sink(blocking, SPANS)
    assert plain.name == "plain"


# processors


class ReturnsNothing(Processor):
    def process(self, events):
        pass


class ReturnsNones(Processor):
    def process(self, events):
        return [None for _ in events]


class MutatesUnsaid(Processor):
    mutates = False

    def process(self, events):
        for event in events:
            event.name = "changed"
        return list(events)


class KeepsItsInput(Processor):
    def process(self, events):
        self.last = events
        return list(events)


class PopsFromItsInput(Processor):
    def process(self, events):
        return [events.pop()]


class LosesTheKept(Processor):
    def process(self, events):
        raise PartialError([0])


class MiscountsFailures(Processor):
    def process(self, events):
        raise PartialError([99], kept=[])


class MiscountsResults(Processor):
    def process(self, events):
        return Processed(events[1:])


class SwallowsInProcess(Processor):
    async def process(self, events):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
        return list(events)


class AsyncThread(Processor):
    blocking = True

    async def process(self, events):
        return list(events)


class Raises(Processor):
    def process(self, events):
        raise KeyError("bug")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (ReturnsNothing, "returned NoneType"),
        (ReturnsNones, "None in it"),
        (MutatesUnsaid, "say mutates = True"),
        (KeepsItsInput, "kept the list"),
        (PopsFromItsInput, "changed the list"),
        (LosesTheKept, "without kept="),
        (MiscountsFailures, r"failed the indices \[99\] of a batch of 6"),
        (MiscountsResults, "returned 5 events, but its own counts say"),
        (SwallowsInProcess, "swallowed its cancellation"),
        (AsyncThread, "drop one of the two"),
        (Raises, "raised KeyError"),
        (CollectingSink, "expected a Processor"),
    ],
)
def test_a_broken_processor_is_caught(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_processor(broken, SPANS, **QUICK)


def test_right_processors_pass():
    @processor
    def rename(event):
        event.name = "new"
        return event

    @processor
    async def slow(event):
        await asyncio.sleep(0)
        return [] if event.name == "1" else event

    @processor(blocking=True)
    def fails_some(event):
        if event.name == "1":
            raise ValueError(event.name)
        return [event, event]

    for right in (rename, slow, fails_some):
        check_processor(right, SPANS)
    assert SPANS[1].name == "1"


# samplers


class MakesEvents(Sampler):
    def sample(self, events, now):
        return [event.copy() for event in events]


class Doubles(Sampler):
    def sample(self, events, now):
        return [events[0], events[0]]


class Reorders(Sampler):
    def sample(self, events, now):
        return events[::-1]


class Verdicts(Sampler):
    def sample(self, events, now):
        return (event for event in events)


class LowersTheThreshold(Sampler):
    mutates = True

    def sample(self, events, now):
        for event in events:
            event.trace_state = ""
        return list(events)


class WritesUnsaid(Sampler):
    def sample(self, events, now):
        for event in events:
            event.trace_state = "ot=th:f"
        return list(events)


class Waits(Sampler):
    async def sample(self, events, now):
        return events


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (MakesEvents, "new, doubled or out of order"),
        (Doubles, "new, doubled or out of order"),
        (Reorders, "new, doubled or out of order"),
        (Verdicts, "returned generator"),
        (LowersTheThreshold, "lowered the sampling threshold"),
        (WritesUnsaid, "say mutates = True"),
        (Waits, "sampling never waits"),
    ],
)
def test_a_broken_sampler_is_caught(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_sampler(broken, SPANS)


def test_right_samplers_pass():
    @sampler
    def some(event):
        return event.name != "1"

    @sampler
    def fails(event):
        return 1 / int(event.name)

    check_sampler(some, SPANS)
    check_sampler(fails, SPANS)
    assert some.name == "some"


# accumulators


class Window(Accumulator):
    """Counts events for a second: the right one, which the others break."""

    def __init__(self):
        self.count = 0
        self.end = None

    def add(self, events, now):
        self.count += len(events)
        if self.end is None:
            self.end = now + 1.0
        return []

    def tick(self, now):
        return self.flush(now) if self.end is not None and now >= self.end else []

    def flush(self, now):
        count, self.count, self.end = self.count, 0, None
        return [count] if count else []

    def next_deadline(self):
        return self.end

    def held(self):
        return self.count


class NeverMovesOn(Window):
    def tick(self, now):
        return []


class KeepsHolding(Window):
    def held(self):
        return 1


class HoldsMoreThanItGot(Window):
    def held(self):
        return self.count * 10


class FlushesTwice(Window):
    def flush(self, now):
        self.count = 0
        return [0]


class BadDeadline(Window):
    def next_deadline(self):
        return float("inf")


class Loses(Batcher):
    def add(self, events, now):
        return super().add(events[1:], now)


class ReordersBatches(Batcher):
    def add(self, events, now):
        return super().add(events[::-1], now)


class HoldsTheGivenList(Accumulator):
    acknowledge = "on_output"

    def __init__(self):
        self.lists = []

    def add(self, events, now):
        self.lists.append(events)
        return []

    def flush(self, now):
        released = [event for events in self.lists for event in events]
        self.lists = []
        return released

    def held(self):
        return sum(map(len, self.lists))


class ReusesItsList(Accumulator):
    acknowledge = "on_output"

    def __init__(self):
        self.list = []

    def add(self, events, now):
        self.list.clear()
        self.list.extend(events)
        return self.list


class RefusesTheFirst(Window):
    def add(self, events, now):
        raise PartialError({0: ValueError("no")}, super().add(events[1:], now))


class RefusesInOrder(RefusesTheFirst):
    acknowledge = "on_output"


class RefusesAndKeepsNothing(Window):
    def add(self, events, now):
        raise PartialError([0])


class RefusesWhatItWasNotGiven(Window):
    def add(self, events, now):
        raise PartialError({99: ValueError("no")}, [])


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (RefusesInOrder, "would refuse the whole batch"),
        (RefusesAndKeepsNothing, "raised PartialError without kept="),
        (RefusesWhatItWasNotGiven, "99"),
        (NeverMovesOn, "the engine spins"),
        (KeepsHolding, "after open, of 0 events added"),
        (HoldsMoreThanItGot, "after add"),
        (FlushesTwice, "again"),
        (BadDeadline, "expected a time or None"),
        (lambda: Loses(BatchBy(2)), "events were added"),
        (lambda: ReordersBatches(BatchBy(2)), "once and in order"),
        (HoldsTheGivenList, "kept the list"),
        (ReusesItsList, "changed a list after releasing it"),
    ],
)
def test_a_broken_accumulator_is_caught(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_accumulator(broken, SPANS)


@pytest.mark.parametrize(
    "settings", [BatchBy(2), BatchBy(100), BatchBy(3, max_bytes=200), BatchBy(1)]
)
def test_right_accumulators_pass(settings):
    check_accumulator(lambda: Batcher(settings), SPANS)
    check_accumulator(Window, SPANS)
    check_accumulator(RefusesTheFirst, SPANS)
    assert Batcher(settings).held() == 0


# sources


class ForgetsToAwait(Source):
    async def run(self, send):
        send([1])


class ReusesABatch(Source):
    async def run(self, send):
        batch = []
        for number in range(3):
            batch.clear()
            batch.append(number)
            await send(batch)


class SendsAnEvent(Source):
    async def run(self, send):
        await send("event")


class IgnoresCancellation(Source):
    async def run(self, send):
        while not getattr(self, "over", False):
            try:
                await asyncio.sleep(0.6)
                self.over = True
            except asyncio.CancelledError:
                pass


class SaysItStops(Source):
    async def run(self, send):
        await asyncio.Event().wait()

    def stop(self):
        return True


class EndsWithSomethingHeld(Source):
    async def run(self, send):
        await send([1])

    def held(self):
        return 1


class RefusesOddly(Source):
    async def run(self, send):
        await send([1])

    def refused(self):
        return {"odd": -1}


class RunsOnce(Source):
    ran = False

    async def run(self, send):
        assert not self.ran, "cannot run again"
        self.ran = True


class FinishesWhenCancelled(Source):
    async def run(self, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await send([1])


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (ForgetsToAwait, "did not await send"),
        (ReusesABatch, "changed a list after sending it"),
        (SendsAnEvent, "send a list of events"),
        (IgnoresCancellation, "did not end within 0.3 s after it was cancelled"),
        (SaysItStops, r"after stop\(\) returned True"),
        (EndsWithSomethingHeld, "hand over all that it took"),
        (RefusesOddly, "expected a count"),
        (RunsOnce, "cannot run again"),
        (FinishesWhenCancelled, "swallowed its cancellation"),
        (CollectingSink, "expected a Source"),
    ],
)
def test_a_broken_source_is_caught(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_source(broken, **QUICK)


def test_a_source_that_sends_something_else_is_caught():
    @source
    def two():
        yield [1, 2]

    with pytest.raises(AssertionError, match="sent 2 events; expected 1"):
        check_source(two, [1])


def test_right_sources_pass():
    @source
    async def few():
        yield 1
        await asyncio.sleep(0)
        yield [2, 3]

    @source
    async def endless():
        while True:
            yield 1
            await asyncio.sleep(0.001)

    check_source(few, [1, 2, 3])
    check_source(endless)
    check_source(Inlet)
    assert few.name == "few"


def test_a_check_inside_a_running_loop_says_where_to_call_it():
    async def main():
        with pytest.raises(RuntimeError, match="from a plain function"):
            check_sink(CollectingSink, [1])

    asyncio.run(main())
    assert True
