"""Bugs in user stages: they cost an event or a batch, never the pipeline."""

import asyncio
import gc
import logging

import pytest

from sluiceway import (
    Accumulator,
    BatchBy,
    Inlet,
    PartialError,
    Pipeline,
    PipelineFailedError,
    Processor,
    Queue,
    Sampler,
    Sink,
    Source,
    TransientError,
    processor,
    sampler,
    sink,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, ManualClock


def through(*stages, events=range(6), batch_size=512):
    """What comes out behind the stages, and the ledger."""
    end = CollectingSink()
    chain = IterableSource(events, batch_size=batch_size)
    for stage in stages:
        chain = chain >> stage
    pipeline = Pipeline(chain >> end)
    asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    assert pipeline.ledger().balanced
    assert pipeline.ledger().held == 0
    return end.events, pipeline.ledger()


@processor
def fails(event):
    if event == 2:
        raise ZeroDivisionError("two")
    return event


@processor
async def fails_later(event):
    await asyncio.sleep(0)
    return fails.function(event)


@processor(blocking=True)
def fails_on_a_thread(event):
    return fails.function(event)


@sampler
def fails_to_choose(event):
    return fails.function(event) is not None


@pytest.mark.parametrize(
    "stage", [fails, fails_later, fails_on_a_thread, fails_to_choose]
)
def test_an_exception_in_a_decorated_function_rejects_that_event_and_neighbours_go_on(
    stage,
):
    events, ledger = through(stage)
    assert events == [0, 1, 3, 4, 5]
    assert ledger[stage.name].rejected == {"ZeroDivisionError": 1}


def test_a_transient_error_in_a_decorated_function_is_errored():
    @processor
    def busy(event):
        raise TransientError("busy", reason="http_503")

    assert through(busy)[1]["busy"].errored == {"http_503": 6}


@pytest.mark.parametrize(
    "answer", ["none", "generator", "coroutine", "async_generator"]
)
def test_an_answer_that_is_no_event_rejects_that_event(answer):
    async def coroutine():
        return 1

    async def async_generator():
        yield 1

    wrong = {
        "none": lambda: None,
        "generator": lambda: (n for n in [1]),
        "coroutine": coroutine,
        "async_generator": async_generator,
    }

    @processor
    def odd(event):
        return wrong[answer]() if event == 2 else event

    events, ledger = through(odd)
    assert events == [0, 1, 3, 4, 5]
    assert ledger["odd"].rejected == {"TypeError": 1}


def test_a_forgotten_return_does_not_empty_a_pipeline_silently(caplog):
    @processor
    def forgets(event):
        event + 1

    events, ledger = through(forgets)
    assert events == []
    assert ledger["forgets"].rejected == {"TypeError": 6}
    assert ledger["forgets"].filtered == 0
    assert "forgets returned None" in caplog.text


def test_a_generator_function_as_a_processor_rejects_its_events():
    @processor
    def yields(event):
        yield event

    events, ledger = through(yields)
    assert events == []
    assert ledger["yields"].rejected == {"TypeError": 6}


def test_an_async_processor_that_answers_with_a_coroutine_rejects_that_event():
    async def other():
        return 1

    @processor
    async def forgot_await(event):
        return other() if event == 2 else event

    events, ledger = through(forgot_await)
    assert events == [0, 1, 3, 4, 5]
    assert ledger["forgot_await"].rejected == {"TypeError": 1}


@pytest.mark.parametrize("kind", ["sync", "async", "thread", "sampler"])
def test_a_stop_iteration_costs_one_event(kind):
    def stops(event):
        if event == 2:
            raise StopIteration
        return event + 1

    async def stops_later(event):
        if event == 2:
            next(iter([]))
        return event + 1

    stage = {
        "sync": lambda: processor(stops),
        "async": lambda: processor(stops_later),
        "thread": lambda: processor(blocking=True)(stops),
        "sampler": lambda: sampler(stops),
    }[kind]()
    events, ledger = through(stage)
    assert len(events) == 5
    assert sum(ledger[stage.name].rejected.values()) == 1


class Raises(Processor):
    def __init__(self, error):
        self.error = error

    def process(self, events):
        raise self.error


class RaisesLater(Raises):
    async def process(self, events):
        raise self.error


class RaisesOnAThread(Raises):
    blocking = True


@pytest.mark.parametrize("kind", [Raises, RaisesLater, RaisesOnAThread])
@pytest.mark.parametrize(
    "error", [ValueError("bug"), StopIteration(), asyncio.CancelledError()]
)
def test_an_exception_in_a_class_rejects_the_batch_and_the_next_one_goes_on(
    kind, error
):
    stage = kind(error)
    events, ledger = through(stage, batch_size=2)
    assert events == []
    name = next(iter(set(ledger.stages) - {"iterable_source", "collecting_sink"}))
    assert sum(ledger[name].rejected.values()) == 6


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("blocking", [False, True])
def test_a_cancellation_that_a_function_raises_itself_costs_that_event(
    asynchronous, blocking
):
    def cancels(event):
        if event == 2:
            raise asyncio.CancelledError
        return event

    async def cancels_later(event):
        return cancels(event)

    function = cancels_later if asynchronous else cancels
    stage = processor(blocking=blocking and not asynchronous)(function)
    events, ledger = through(stage)
    assert events == [0, 1, 3, 4, 5]
    assert sum(ledger[stage.name].rejected.values()) == 1


def test_a_stage_that_changes_the_list_it_was_given_harms_nobody():
    class Greedy(Processor):
        mutates = False

        def process(self, events):
            kept = list(events)
            events.clear()
            return kept

    class Eats(Sink):
        async def write(self, events):
            events.clear()

    end, eats = CollectingSink(), Eats()
    pipeline = Pipeline(IterableSource(range(4)) >> [Greedy() >> end, eats])
    asyncio.run(pipeline.run())
    assert end.events == [0, 1, 2, 3]
    assert pipeline.ledger()["eats"].delivered == 4
    assert pipeline.ledger().balanced


def test_a_list_that_a_source_changes_after_sending_is_not_what_was_sent():
    class Reuses(Source):
        async def run(self, send):
            events = []
            for n in range(3):
                events[:] = [n]
                await send(events)

    end = CollectingSink()
    asyncio.run(Pipeline(Reuses() >> end).run())
    assert end.events == [0, 1, 2]


@pytest.mark.parametrize("answer", [None, 5, "text", {"a": 1}, object()])
def test_a_class_that_answers_with_no_list_rejects_the_batch(answer):
    class Odd(Processor):
        def process(self, events):
            return answer

    assert through(Odd())[1]["odd"].rejected == {"TypeError": 6}


def test_a_class_that_answers_with_a_generator_or_tuple_is_taken_at_its_events():
    class Lazy(Processor):
        def process(self, events):
            return (event + 1 for event in events)

    assert through(Lazy())[0] == [1, 2, 3, 4, 5, 6]


def test_a_generator_that_fails_half_way_rejects_the_batch():
    class Lazy(Processor):
        def process(self, events):
            return (6 // event for event in events)

    events, ledger = through(Lazy())
    assert events == []
    assert ledger["lazy"].rejected == {"ZeroDivisionError": 6}


def test_a_partial_failure_with_places_that_do_not_exist_rejects_the_batch():
    class Wrong(Processor):
        def process(self, events):
            raise PartialError(
                {1: ValueError(), 99: ValueError(), -1: ValueError()}, [7]
            )

    events, ledger = through(Wrong())
    assert events == []
    assert ledger["wrong"].rejected == {"IndexError": 6}


def test_a_partial_failure_that_keeps_a_generator_is_taken_at_its_events():
    class Lazy(Processor):
        def process(self, events):
            raise PartialError({0: ValueError()}, (event for event in events if event))

    assert through(Lazy())[0] == [1, 2, 3, 4, 5]


def test_a_sampler_class_that_fails_rejects_the_batch():
    class Broken(Sampler):
        def sample(self, events, now):
            raise ValueError(now)

    assert through(Broken())[1]["broken"].rejected == {"ValueError": 6}


class BrokenAccumulator(Accumulator):
    """Fails in one of its methods and holds what it was given."""

    def __init__(self, where, error=None):
        self.where = where
        self.error = error or ValueError(where)
        self.kept = []

    def _check(self, where):
        if where == self.where:
            raise self.error

    def add(self, events, now):
        self._check("add")
        self.kept += events
        return []

    def tick(self, now):
        self._check("tick")
        return []

    def flush(self, now):
        self._check("flush")
        kept, self.kept = self.kept, []
        return kept

    def next_deadline(self):
        self._check("next_deadline")
        return 0.0 if self.where == "tick" and not self.kept else None

    def held(self):
        self._check("held")
        return len(self.kept)


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError()])
def test_an_accumulator_that_cannot_add_rejects_the_batch(error):
    stage = BrokenAccumulator("add", error)
    ledger = through(stage)[1]
    assert sum(ledger["broken_accumulator"].rejected.values()) == 6


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError()])
def test_an_accumulator_that_cannot_flush_drops_what_it_holds(error):
    ledger = through(BrokenAccumulator("flush", error))[1]
    assert ledger["broken_accumulator"].dropped == {"not_released": 6}


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
def test_an_accumulator_that_cannot_tell_its_deadline_works_on(error):
    assert through(BrokenAccumulator("next_deadline", error))[0] == [*range(6)]


def test_an_error_that_cannot_tell_its_reason_is_booked_by_its_kind():
    class EvilError(Exception):
        @property
        def reason(self):
            raise RuntimeError

    @processor
    def evil(event):
        raise EvilError

    assert through(evil)[1]["evil"].rejected == {"EvilError": 6}


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
def test_an_accumulator_that_cannot_count_keeps_the_pipeline_alive(error):
    events, ledger = through(BrokenAccumulator("held", error))
    assert events == [*range(6)]
    assert ledger.balanced


def test_an_accumulator_that_answers_with_no_list_is_booked():
    class Odd(Accumulator):
        def add(self, events, now):
            return None

    ledger = through(Odd())[1]
    assert ledger["odd"].rejected == {"TypeError": 6}


class RaisingSink(Sink):
    def __init__(self, error, **settings):
        self.error = error
        vars(self).update(settings)

    async def write(self, events):
        if 2 in events:
            raise self.error


class RaisingOnAThread(RaisingSink):
    blocking = True

    def write(self, events):
        if 2 in events:
            raise self.error


@pytest.mark.parametrize("kind", [RaisingSink, RaisingOnAThread])
@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.parametrize("timeout", [None, 5.0])
@pytest.mark.parametrize(
    "error", [ValueError("bug"), asyncio.CancelledError(), StopIteration()]
)
def test_a_sink_that_raises_anything_rejects_that_batch_and_goes_on(
    kind, error, in_flight, timeout
):
    """Also a cancellation of its own making, which nobody had asked for."""
    end = kind(error, name="end", max_in_flight=in_flight, timeout=timeout)
    pipeline = Pipeline(IterableSource(range(6), batch_size=1) >> end)
    asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    assert pipeline.ledger()["end"].delivered == 5
    assert sum(pipeline.ledger()["end"].rejected.values()) == 1
    assert pipeline.ledger().balanced


class Uncaught(BaseException):
    """What no stage should raise, and no ``except Exception`` catches."""


@pytest.mark.parametrize("in_flight", [1, 2])
@pytest.mark.parametrize("error", [Uncaught(), GeneratorExit()])
def test_a_write_that_raises_no_exception_fails_the_sink_and_the_books_balance(
    error, in_flight
):
    end = RaisingSink(error, name="end", max_in_flight=in_flight)
    pipeline = Pipeline(IterableSource(range(6), batch_size=1) >> end)
    with pytest.raises(PipelineFailedError, match="end"):
        asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    ledger = pipeline.ledger()
    assert ledger["end"].dropped["stage_failed"] >= 1
    assert ledger.lost + ledger["end"].delivered == 6
    assert ledger.balanced
    assert ledger.held == 0


def test_what_is_no_exception_and_fails_a_sink_is_told_by_its_name_alone(caplog):
    group = BaseExceptionGroup("several", [asyncio.CancelledError()])
    pipeline = Pipeline(IterableSource([2]) >> RaisingSink(group))
    with pytest.raises(PipelineFailedError, match="raising_sink failed: several"):
        asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    gc.collect()
    assert {record.name for record in caplog.records} == {"sluiceway.pipeline"}
    assert pipeline.ledger().balanced


def test_an_interruption_in_one_of_several_writes_leaves_the_books_balanced():
    end = RaisingSink(KeyboardInterrupt(), name="end", max_in_flight=2)
    pipeline = Pipeline(IterableSource(range(6), batch_size=1) >> end)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(pipeline.run())
    ledger = pipeline.ledger()
    assert ledger["end"].dropped["stage_failed"] == 1
    assert ledger.balanced
    assert ledger.held == 0


def test_a_size_that_raises_in_front_of_a_sink_costs_its_batch():
    def size(event):
        return 6 // (event - 2)

    end = CollectingSink(queue=Queue(max_bytes=100, size=size))
    pipeline = Pipeline(IterableSource(range(6), batch_size=2) >> end)
    asyncio.run(pipeline.run())
    assert end.events == [0, 1, 4, 5]
    assert pipeline.ledger()["collecting_sink"].rejected == {"ZeroDivisionError": 2}
    assert pipeline.ledger().balanced


@pytest.mark.parametrize("as_stage", [False, True])
def test_a_size_that_raises_while_batching_costs_no_event(as_stage):
    def size(event):
        return abs(6 // (event - 2))

    batch = BatchBy(max_bytes=100, size=size)
    end = CollectingSink() if as_stage else CollectingSink(batch=batch)
    chain = IterableSource(range(6), batch_size=2)
    pipeline = Pipeline(chain >> batch >> end if as_stage else chain >> end)
    asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    assert end.events == [*range(6)]
    assert pipeline.ledger().lost == 0
    assert pipeline.ledger().balanced


def test_a_copy_that_raises_costs_one_branch_and_reaches_no_other(run):
    class Uncopyable:
        def copy(self):
            raise OSError("cannot be copied")

    @processor
    def changes(event):
        return event

    left, right = CollectingSink(), CollectingSink()
    source = IterableSource([[Uncopyable()]])
    pipeline = Pipeline(source >> [changes >> left, right])
    run(pipeline.run())
    assert (len(left.events), len(right.events)) == (0, 1)
    assert pipeline.ledger()["iterable_source"].rejected == {"OSError": 1}
    assert pipeline.ledger().balanced


# What is logged of it.


def test_a_stages_errors_are_logged_at_most_every_ten_seconds_with_its_name(
    run, caplog
):
    caplog.set_level(logging.DEBUG, "sluiceway")

    async def main():
        clock, inlet, end = ManualClock(), Inlet(), CollectingSink()
        async with Pipeline(inlet >> fails >> end, clock=clock) as pipeline:

            async def fail(times):
                for _ in range(times):
                    await inlet.emit(2)
                assert await pipeline.flush(5)

            await fail(300)
            assert len(caplog.records) == 1
            clock.move(9.9)
            await fail(5)
            assert len(caplog.records) == 1
            clock.move(0.2)
            await fail(1)
            assert len(caplog.records) == 2
        assert pipeline.ledger()["fails"].rejected == {"ZeroDivisionError": 306}

    run(main())
    first = caplog.records[0]
    assert first.levelno == logging.WARNING
    assert "fails" in first.getMessage()
    assert "ZeroDivisionError" in first.getMessage()
    assert first.name.startswith("sluiceway.")
    counts = [
        int(word)
        for r in caplog.records
        for word in r.getMessage().split()
        if word.isdigit()
    ]
    assert sum(counts) == 306


def test_each_stage_has_ten_seconds_of_its_own(run, caplog):
    @sink
    async def refuses(events):
        raise ValueError("no")

    chain = IterableSource([0, 1, 2, 3]) >> fails >> refuses
    run(Pipeline(chain).run())
    text = " ".join(record.getMessage() for record in caplog.records)
    assert "stage fails" in text
    assert "stage refuses" in text
