"""The checks look at what a stage answers, and fail with an ``AssertionError`` only."""

from __future__ import annotations

import pytest

from sluiceway.decorators import sampler
from sluiceway.errors import PartialError
from sluiceway.events import Span
from sluiceway.stages import Accumulator, Processed, Processor, Sampler, Sink, Source
from sluiceway.testing import (
    check_accumulator,
    check_processor,
    check_sampler,
    check_sink,
    check_source,
)

SPANS = [Span(name=str(n), trace_id=b"t" * 16, span_id=b"s" * 8) for n in range(3)]
ODD = ValueError("odd")


class Answers(Processor):
    """Answers as a function of its events says."""

    def __init__(self, answer):
        self._answer = answer

    def process(self, events):
        answer = self._answer(events)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def later(events):
    return events


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (later, "returned coroutine"),
        (lambda events: Processed(events * 2, filtered=-3), "filtered=-3"),
        (lambda events: Processed(events[1:], created=-1), "created=-1"),
        (lambda events: Processed(events, origins=[0]), r"origins=\[0\] of 3 events"),
        (lambda events: Processed(events, origins=[0, 1, 3]), "in the batch of 3"),
        (lambda events: PartialError({0: ODD}, [None]), "None in it"),
        (lambda events: PartialError({0: ODD}, events), "failed .* and kept it"),
    ],
)
def test_a_processor_whose_answer_cannot_be_is_caught(answer, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_processor(lambda: Answers(answer), SPANS)


@pytest.mark.parametrize(
    "answer",
    [
        lambda events: Processed(events, origins=[0, 1, 2]),
        lambda events: Processed([*events, 7], created=1),
        lambda events: PartialError({0: ODD}, [events[1], events[1], "new"]),
    ],
)
def test_a_processor_whose_answer_can_be_passes(answer):
    check_processor(lambda: Answers(answer), SPANS)


def test_an_event_that_stands_twice_in_a_batch_may_fail_once():
    check_processor(lambda: Answers(lambda _: PartialError({0: ODD}, [1])), [1, 1])


def test_a_sampler_that_keeps_what_it_failed_is_caught():
    class Keeps(Sampler):
        def sample(self, events, now):
            raise PartialError({0: ODD}, list(events))

    with pytest.raises(AssertionError, match=r"failed .* and kept it"):
        check_sampler(Keeps, SPANS)


class Quiet(Accumulator):
    def __init__(self):
        self.count = 0

    def add(self, events, now):
        self.count += len(events)
        return []

    def flush(self, now):
        self.count = 0
        return []

    def held(self):
        return self.count


class Renames(Quiet):
    def add(self, events, now):
        events[0].name = "another"
        return super().add(events, now)


class RenamesAndSaysSo(Renames):
    mutates = True


class RefusesAll(Quiet):
    def add(self, events, now):
        raise ODD


class BreaksInTick(Quiet):
    def tick(self, now):
        raise ODD


class BreaksInFlush(Quiet):
    def flush(self, now):
        raise ODD


class HoldsText(Quiet):
    def held(self):
        return "3"


class AddsLater(Quiet):
    async def add(self, events, now):
        return []


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Renames, "changed events in place"),
        (RefusesAll, r"\.add raised ValueError"),
        (BreaksInTick, r"\.tick raised ValueError"),
        (BreaksInFlush, r"\.flush raised ValueError"),
        (HoldsText, "held.* is '3'"),
        (AddsLater, r"\.add returned coroutine"),
    ],
)
def test_what_an_accumulator_does_wrong_is_told(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_accumulator(broken, SPANS)


def test_an_accumulator_may_change_events_if_it_says_so():
    check_accumulator(RenamesAndSaysSo, SPANS)


class Yields(Source):
    async def run(self, send):
        yield 1


class RunsAtOnce(Source):
    def run(self, send):
        pass


class OpensAtOnce(Source):
    def open(self, context):
        pass

    async def run(self, send):
        pass


class Nothing(Source):
    async def run(self, send):
        pass


class RefusesNothing(Nothing):
    def refused(self):
        return None


class BreaksInHeld(Nothing):
    def held(self):
        raise ODD


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Yields, "run returned async_generator; make it async def, without yield"),
        (RunsAtOnce, "run returned NoneType; make it async def"),
        (OpensAtOnce, "open returned NoneType; make it async def"),
        (RefusesNothing, "refused.* is None"),
        (BreaksInHeld, "held raised ValueError"),
    ],
)
def test_what_a_source_does_wrong_is_told(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_source(broken)


class Row:
    """An event that cannot be compared, as an array of numpy cannot."""

    def __eq__(self, other):
        raise ValueError("the truth value of a row is ambiguous")

    __hash__ = None


def test_events_that_cannot_be_compared_can_be_checked_with():
    class Passes(Sampler):
        def sample(self, events, now):
            return events

    class Takes(Sink):
        async def write(self, events):
            pass

    rows = [Row(), Row()]
    check_sampler(Passes, rows)
    check_accumulator(Quiet, rows)
    check_processor(lambda: Answers(list), rows)
    check_sink(Takes, rows)


def test_what_arrived_and_cannot_be_compared_is_told_as_another():
    class Takes(Sink):
        async def write(self, events):
            pass

    with pytest.raises(AssertionError, match="as event 0"):
        check_sink(Takes, [Row(), Row()], arrived=lambda _: [Row(), Row()])


class Takes(Sink):
    async def write(self, events):
        pass


CHECKS = [
    (check_sink, Takes),
    (check_processor, lambda: Answers(list)),
    (check_sampler, lambda: sampler(bool)),
    (check_accumulator, Quiet),
]


@pytest.mark.parametrize(("check", "make"), CHECKS)
def test_a_check_without_events_checks_nothing_and_says_so(check, make):
    with pytest.raises(AssertionError, match="no events to check with"):
        check(make, [])


@pytest.mark.parametrize(("check", "make"), CHECKS)
def test_the_events_may_be_any_iterable(check, make):
    check(make, iter([1, 2, 3]))
    check(make, {1, 2, 3})


class KeepsAtSecondCall(Processor):
    def __init__(self):
        self.calls = 0

    def process(self, events):
        self.calls += bool(events)
        self.kept = events if self.calls > 1 else None
        return list(events)


def test_events_that_come_once_are_there_for_every_call():
    with pytest.raises(AssertionError, match="keep a copy"):
        check_processor(KeepsAtSecondCall, iter([1, 2, 3]))
