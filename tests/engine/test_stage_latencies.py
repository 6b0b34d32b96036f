"""What statistics() tells of time: calls, waits, retries and writes under way."""

import asyncio

from waiting import until

from sluiceway import (
    Accumulator,
    BatchBy,
    PartialError,
    PermanentError,
    Pipeline,
    Queue,
    Retry,
    Sink,
    Source,
    TransientError,
    processor,
    sampler,
    sink,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, ManualClock, SlowSink


def by_name(pipeline):
    return {stage.name: stage for stage in pipeline.statistics()}


class Fed(Source):
    """Sends at once what it is fed."""

    def __init__(self):
        self.batches = asyncio.Queue()

    def feed(self, events):
        self.batches.put_nowait(list(events))

    async def run(self, send):
        while True:
            await send(await self.batches.get())


def taking(clock, seconds, *, name="slow"):
    """A processor that takes so many seconds for each event."""

    @processor(name=name)
    def slow(event):
        clock.move(seconds)
        return event

    return slow


def test_each_call_of_a_stage_is_timed_by_itself(run):
    async def main():
        clock = ManualClock()
        first, second = taking(clock, 0.25, name="first"), taking(clock, 2, name="then")
        source = IterableSource(range(3), batch_size=1)
        pipeline = Pipeline(source >> first >> second >> CollectingSink(), clock=clock)
        await pipeline.run()
        stages = by_name(pipeline)
        assert stages["first"].calls.count == stages["first"].batches == 3
        assert stages["first"].calls.max == stages["first"].calls.p99 == 0.25
        assert stages["first"].busy == stages["first"].calls.total == 0.75
        assert stages["then"].calls.p50 == 2
        assert stages["iterable_source"].calls.count == 0

    run(main())


def test_batches_wait_in_the_queue_until_the_stage_is_called(run):
    async def main():
        clock = ManualClock()

        class Burst(Source):
            async def run(self, send):
                for number in range(3):
                    await send([number])

        @sink
        async def end(events):
            await clock.sleep(1)

        async with Pipeline(Burst() >> end, clock=clock) as pipeline:
            await clock.advance(10)
            waits = by_name(pipeline)["end"].waits
        assert (waits.count, waits.total, waits.max) == (3, 0 + 1 + 2, 2)
        assert waits.percentile(1) == 0

    run(main())


def test_only_a_stage_behind_a_queue_waits(run):
    async def main():
        clock = ManualClock()
        row = (
            taking(clock, 1) >> sampler(lambda _: True, name="all") >> taking(clock, 1)
        )
        pipeline = Pipeline(
            IterableSource(range(4), batch_size=2) >> row >> CollectingSink(),
            clock=clock,
        )
        await pipeline.run()
        stages = by_name(pipeline)
        assert stages["slow"].waits.count == stages["collecting_sink"].waits.count == 2
        assert stages["all"].waits.count == stages["slow_2"].waits.count == 0

    run(main())


def test_stages_that_wait_and_accumulators_are_timed_too(run):
    async def main():
        clock = ManualClock()

        @processor
        async def slow(event):
            await clock.sleep(3)
            return event

        class Slow(Accumulator):
            name = "adds"

            def add(self, events, now):
                clock.move(4)
                return events

        fed = Fed()
        chain = fed >> slow >> Slow() >> CollectingSink()
        async with Pipeline(chain, clock=clock) as pipeline:
            fed.feed(["event"])
            await clock.advance(5)
        stages = by_name(pipeline)
        assert stages["slow"].calls.max == 3
        assert stages["adds"].calls.max == 4
        assert stages["adds"].waits.count == 1

    run(main())


def test_what_an_accumulator_lets_go_was_held_since_its_oldest_event_came(run):
    async def main():
        clock, fed, end = ManualClock(), Fed(), CollectingSink()
        gather = BatchBy(max_events=3, flush_interval=10)
        async with Pipeline(fed >> gather >> end, clock=clock) as pipeline:
            fed.feed("a")
            await clock.advance(2)
            fed.feed("bcd")  # completes one batch and begins another
            await clock.advance(10)
            holds = by_name(pipeline)["batch_by"].holds
            assert by_name(pipeline)["collecting_sink"].holds is None
        assert end.batches == [["a", "b", "c"], ["d"]]
        assert (holds.count, holds.total, holds.max) == (2, 2 + 10, 10)

    run(main())


def test_an_accumulator_that_takes_over_does_not_tell_how_long_it_holds(run):
    class Last(Accumulator):
        name, acknowledge = "last", "on_add"

        def __init__(self):
            self.kept = []

        def add(self, events, now):
            self.kept = events[-1:]
            return []

        def held(self):
            return len(self.kept)

        def flush(self, now):
            kept, self.kept = self.kept, []
            return kept

    async def main():
        clock, fed, end = ManualClock(), Fed(), CollectingSink()
        async with Pipeline(fed >> Last() >> end, clock=clock) as pipeline:
            fed.feed("ab")
            await clock.advance(2)
        assert end.events == ["b"]
        assert by_name(pipeline)["last"].holds is None

    run(main())


def test_a_queue_that_sheds_the_oldest_keeps_since_when_the_rest_waits(run):
    async def main():
        clock, end = ManualClock(), SlowSink(queue=Queue(4, "drop_oldest"))
        fed = Fed()
        async with Pipeline(fed >> end, clock=clock) as pipeline:
            fed.feed(["first"])
            await end.wait_writing()
            fed.feed(range(3))
            await clock.advance(5)
            fed.feed(range(2))
            await clock.advance(5)
            end.release()
        waits = by_name(pipeline)["slow_sink"].waits
        assert waits.max == 10

    run(main())


def test_a_batch_that_a_sink_gathers_has_waited_as_long_as_its_oldest_event(run):
    async def main():
        clock, fed, end = ManualClock(), Fed(), CollectingSink()
        end.batch = BatchBy(max_events=3, flush_interval=10)
        async with Pipeline(fed >> end, clock=clock) as pipeline:
            fed.feed("a")
            await clock.advance(2)
            fed.feed("bcd")  # completes one batch and begins another
            await clock.advance(10)
            waits = by_name(pipeline)["collecting_sink"].waits
        assert end.batches == [["a", "b", "c"], ["d"]]
        assert (waits.count, waits.total, waits.max) == (2, 2 + 10, 10)

    run(main())


class Scripted(Sink):
    """Answers each attempt by a script."""

    def __init__(self, *answers, **settings):
        self.answers = [*answers]
        for name, value in settings.items():
            setattr(self, name, value)

    async def write(self, events):
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


def test_retries_are_counted_and_their_waits_belong_to_the_write(run):
    async def main():
        clock, fed = ManualClock(), Fed()
        retry = Retry(initial=2, maximum=2, deadline=60)
        end = Scripted(*[TransientError(retry_after=2)] * 3, retry=retry)
        async with Pipeline(fed >> end, clock=clock) as pipeline:
            fed.feed(["event"])
            await clock.advance(1)
            under_way = by_name(pipeline)["scripted"]
            assert (under_way.in_flight, under_way.retries) == (1, 1)
            await clock.advance(29)
            stage = by_name(pipeline)["scripted"]
        assert (stage.in_flight, stage.retries, stage.outgoing) == (0, 3, 1)
        assert stage.calls.count == 1
        assert stage.calls.max >= 6
        assert stage.failures == {}

    run(main())


def test_writes_that_failed_are_told_apart_by_reason(run):
    async def main():
        fed = Fed()
        some = PartialError({1: PermanentError(reason="too_large")})
        end = Scripted(TransientError(reason="unavailable"), some, None)
        async with Pipeline(fed >> end) as pipeline:
            for _ in range(3):
                fed.feed("ab")
                await until(fed.batches.empty)
                assert await pipeline.flush()
        stage = by_name(pipeline)["scripted"]
        assert stage.calls.count == 3
        counts = {reason: told.count for reason, told in stage.failures.items()}
        assert counts == {"unavailable": 1, "too_large": 1}
        assert stage.losses["errored"] == {"unavailable": 2}
        assert stage.losses["rejected"] == {"too_large": 1}

    run(main())


def test_a_sink_of_many_reasons_keeps_the_times_of_a_few(run):
    async def main():
        errors = [PermanentError(reason=f"reason {number}") for number in range(40)]
        source = IterableSource(range(40), batch_size=1)
        pipeline = Pipeline(source >> Scripted(*errors))
        await pipeline.run()
        failures = by_name(pipeline)["scripted"].failures
        assert len(failures) == 17
        assert failures["_OTHER"].count == 40 - 16
        assert sum(told.count for told in failures.values()) == 40

    run(main())


def test_writes_beside_one_another_are_counted_while_they_last(run):
    async def main():
        fed, end = Fed(), SlowSink(max_in_flight=3)
        async with Pipeline(fed >> end) as pipeline:
            for number in range(5):
                fed.feed([number])
            await until(lambda: by_name(pipeline)["slow_sink"].in_flight == 3)
            end.release()
        assert by_name(pipeline)["slow_sink"].in_flight == 0
        assert by_name(pipeline)["slow_sink"].calls.count == 5

    run(main())


def test_what_was_left_out_is_told_by_the_ledgers_words(run):
    async def main():
        keep = sampler(lambda event: event % 2 == 0, name="even")
        below = processor(lambda event: [event] if event < 4 else [], name="below")
        pipeline = Pipeline(
            IterableSource(range(10)) >> keep >> below >> CollectingSink()
        )
        await pipeline.run()
        stages = by_name(pipeline)
        assert stages["even"].left_out_as["sampled_out"] == stages["even"].left_out == 5
        assert stages["below"].left_out_as == {
            "filtered": 3, "sampled_out": 0, "merged": 0
        }  # fmt: skip

    run(main())


def test_a_busy_pipeline_keeps_no_more_times_than_it_can_sort_in(run):
    async def main():
        @sink
        async def nothing(events):
            pass

        pipeline = Pipeline(IterableSource(range(30_000), batch_size=1) >> nothing)
        await pipeline.run()
        stage = by_name(pipeline)["nothing"]
        assert stage.calls.count == stage.waits.count == stage.batches == 30_000
        assert sum(stage.calls.buckets.values()) == 30_000
        assert 0 < stage.calls.p50 <= stage.calls.p99 <= stage.calls.max
        await asyncio.sleep(0)

    run(main())
