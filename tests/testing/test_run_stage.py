from __future__ import annotations

import asyncio

import pytest
from programs import run_program

from sluiceway.batching import BatchBy
from sluiceway.decorators import processor, sampler, sink, source
from sluiceway.errors import ConfigurationError, PartialError, PermanentError
from sluiceway.inlet import Inlet
from sluiceway.stages import Accumulator, Batches, Processor, Sampler, Sink, Source
from sluiceway.testing import (
    CollectingSink,
    FailingSink,
    HangingSink,
    ManualClock,
    SlowSink,
    run,
)


def go(stage, events=(), **settings):
    return asyncio.run(run(stage, events, **settings))


def test_a_processors_outputs_and_failures():
    @processor
    def invert(n):
        return 1 / n

    result = go(invert, [1, 0, 2])
    assert result.outputs == [1, 0.5]
    assert isinstance(result.failures[1], ZeroDivisionError)
    assert result.error is None


def test_an_async_and_a_blocking_processor():
    @processor
    async def slow(n):
        await asyncio.sleep(0)
        return n + 1

    @processor(blocking=True)
    def threaded(n):
        return n + 2

    assert go(slow, [1]).outputs == [2]
    assert go(threaded, [1]).outputs == [3]


def test_a_sampler_is_told_the_time_of_the_clock():
    @sampler
    def keep(n):
        return n > 1

    assert go(keep, [1, 2, 3], clock=ManualClock(5)).outputs == [2, 3]


def test_an_accumulator_is_fed_and_flushed():
    class Pairs(Accumulator):
        left = ()

        def add(self, events, now):
            self.left = events[-1:]
            return Batches([[now], events[:-1]])

        def flush(self, now):
            return list(self.left)

    assert go(Pairs(), [1, 2, 3], clock=ManualClock(7)).outputs == [7, 1, 2, 3]
    assert go(BatchBy(2), [1, 2, 3]).outputs == [1, 2, 3]


def test_a_sinks_outputs_are_what_it_delivered():
    assert go(CollectingSink(), [1, 2]).outputs == [1, 2]
    result = go(FailingSink(indices=[0]), [1, 2])
    assert (result.outputs, list(result.failures)) == ([2], [0])
    result = go(FailingSink(PermanentError), [1, 2])
    assert (result.outputs, list(result.failures)) == ([], [0, 1])
    assert isinstance(result.error, PermanentError)


def test_a_blocking_sink_runs_on_a_thread():
    seen = []

    @sink(blocking=True)
    def keep(events):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        seen.extend(events)

    assert go(keep, [1]).outputs == seen == [1]


def test_a_source_is_collected_to_its_end_or_until_it_was_enough():
    @source
    async def count():
        for number in range(10**9):
            yield number

    @source
    def few():
        yield [1, 2]
        yield 3

    assert go(few).outputs == [1, 2, 3]
    assert go(count, limit=3).outputs[:3] == [0, 1, 2]


def test_a_source_that_fails_keeps_what_it_sent():
    @source
    async def broken():
        yield 1
        raise OSError("gone")

    result = go(broken)
    assert result.outputs == [1]
    assert isinstance(result.error, OSError)


def test_an_inlet_hands_over_what_it_holds():
    inlet = Inlet()
    inlet.emit_nowait("a")
    assert go(inlet, limit=1).outputs == ["a"]


def test_partial_errors_without_kept_events_fail_the_batch():
    class Forgetful(Processor):
        def process(self, events):
            raise PartialError([0])

    result = go(Forgetful(), [1, 2])
    assert list(result.failures) == [0, 1]
    assert isinstance(result.error, PartialError)


def test_partial_errors_with_kept_events_go_on_with_them():
    class Careful(Processor):
        def process(self, events):
            raise PartialError([0], kept=events[1:])

    result = go(Careful(), [1, 2])
    assert (result.outputs, list(result.failures)) == ([2], [0])


def test_a_forgotten_return_fails_the_batch():
    class Forgetful(Processor):
        def process(self, events):
            pass

    assert isinstance(go(Forgetful(), [1]).error, TypeError)


def test_a_stage_is_closed_whatever_happens():
    class Watched(CollectingSink):
        closed = 0

        async def close(self):
            self.closed += 1

    sink = Watched()
    go(sink, [1])
    assert sink.closed == 1


def test_what_takes_too_long_is_a_timeout():
    class Silent(Source):
        async def run(self, send):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        go(SlowSink(), [1], timeout=0.02)
    with pytest.raises(TimeoutError):
        go(Silent(), timeout=0.02)


@pytest.mark.parametrize("thing", [print, CollectingSink, None])
def test_what_is_no_stage_is_refused(thing):
    with pytest.raises(ConfigurationError, match="is not a stage"):
        go(thing, [1])


def test_a_source_takes_no_events():
    with pytest.raises(ConfigurationError, match="takes no events"):
        go(Inlet(), [1])


class AnswersLater(Processor):
    def process(self, events):
        return later(events)


class AnswersLaterOnAThread(AnswersLater):
    blocking = True


class SamplesLater(Sampler):
    def sample(self, events, now):
        return later(events)


class WritesLaterOnAThread(Sink):
    blocking = True

    def write(self, events):
        return later(events)


class WritesAsGenerator(Sink):
    def write(self, events):
        yield


async def later(events):
    return events


@pytest.mark.parametrize(
    "made",
    [
        AnswersLater,
        AnswersLaterOnAThread,
        SamplesLater,
        WritesLaterOnAThread,
        WritesAsGenerator,
    ],
)
def test_what_a_pipeline_would_never_await_fails_the_batch(made):
    result = asyncio.run(run(made(), [1, 2]))
    assert result.outputs == []
    assert "returned" in str(result.error)
    assert list(result.failures) == [0, 1]


def test_a_processor_may_answer_with_any_iterable_as_in_a_pipeline():
    class Yields(Processor):
        def process(self, events):
            yield from events

    class Breaks(Processor):
        def process(self, events):
            yield 1
            raise ValueError("in the middle")

    assert asyncio.run(run(Yields(), [1, 2])).outputs == [1, 2]
    broken = asyncio.run(run(Breaks(), [1, 2]))
    assert (broken.outputs, str(broken.error)) == ([], "in the middle")


def test_a_sink_may_answer_with_what_is_awaited_as_in_a_pipeline():
    class Hands(Sink):
        def write(self, events):
            return later(events)

    assert asyncio.run(run(Hands(), [1, 2])).outputs == [1, 2]


class HangsInBoth(Sink):
    async def write(self, events):
        await asyncio.Event().wait()

    async def close(self):
        await asyncio.Event().wait()


def test_a_stage_that_ends_at_no_cancellation_is_left_to_itself():
    async def main(sink):
        with pytest.raises(TimeoutError, match="took longer than"):
            await run(sink, [1], timeout=0.01)

    async def release_in_the_end():
        sink = HangingSink(swallow_cancellation=True)
        await main(sink)
        sink.release()

    asyncio.run(main(HangsInBoth()))
    asyncio.run(release_in_the_end())


def test_who_is_cancelled_while_a_stage_runs_has_it_closed():
    async def main():
        sink = ClosesLate()
        running = asyncio.create_task(run(sink, [1]))
        await sink.wait_writing()
        running.cancel()
        await asyncio.wait({running})
        return running.cancelled(), sink.closed

    class ClosesLate(SlowSink):
        closed = False

        async def close(self):
            await asyncio.sleep(0)
            self.closed = True

    assert asyncio.run(main()) == (True, True)


def test_what_hangs_on_a_thread_holds_up_neither_the_test_nor_the_process():
    printed = run_program(
        """
        import asyncio
        import threading

        from sluiceway import Processor, Sink
        from sluiceway.testing import check_processor, check_sink, run

        never = threading.Event()

        class Writes(Sink):
            blocking = True

            def write(self, events):
                never.wait()

        class Works(Processor):
            blocking = True

            def process(self, events):
                never.wait()

        def told(work):
            try:
                work()
            except (AssertionError, TimeoutError) as error:
                print(type(error).__name__)

        told(lambda: asyncio.run(run(Writes(), [1], timeout=0.01)))
        told(lambda: asyncio.run(run(Works(), [1], timeout=0.01)))
        told(lambda: check_sink(Writes, [1], timeout=0.01))
        told(lambda: check_processor(Works, [1], timeout=0.01))
        """
    )
    assert printed.split() == ["TimeoutError"] * 2 + ["AssertionError"] * 2
