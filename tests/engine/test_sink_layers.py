"""Layers round a sink: time-out, retry, and how many writes are in flight."""

import asyncio
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import turns, until

from sluiceway import (
    BatchBy,
    DeliveryStatus,
    Inlet,
    PartialError,
    PermanentError,
    Pipeline,
    Retry,
    Sink,
    Source,
    TimeoutExceededError,
    TransientError,
)
from sluiceway.layers.retry import RetryLayer
from sluiceway.sources import IterableSource
from sluiceway.testing import (
    CollectingSink,
    FailingSink,
    HangingSink,
    ManualClock,
    SlowSink,
)


class NotedPatience:
    """Lets time pass at once, and notes how much; patience may end."""

    def __init__(self, clock, waits=1_000_000):
        self.clock = clock
        self.waited = []
        self.left = waits

    async def wait(self, seconds):
        if not self.left:
            return False
        self.left -= 1
        self.waited.append(seconds)
        self.clock.move(seconds)
        return True


class Receiver:
    """Answers each write by a script, and notes what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    async def __call__(self, events):
        self.sent.append(list(events))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer


DEFAULTS = Retry()


def retrying(receiver, settings=DEFAULTS, waits=1_000_000, chance=random.random):
    clock = ManualClock()
    patience = NotedPatience(clock, waits)
    return RetryLayer(receiver, settings, clock, patience, chance=chance), patience


def written(layer, events):
    try:
        asyncio.run(layer(events))
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return error
    return None


def test_only_what_failed_is_sent_again():
    receiver = Receiver(
        PartialError({1: TransientError(), 3: TransientError()}),
        PartialError({1: TransientError()}),
    )
    layer, _ = retrying(receiver)
    assert written(layer, ["a", "b", "c", "d"]) is None
    assert receiver.sent == [["a", "b", "c", "d"], ["b", "d"], ["d"]]


def test_what_can_never_succeed_is_not_sent_again():
    lost = PermanentError("no")
    receiver = Receiver(PartialError({0: lost, 2: TransientError()}))
    layer, _ = retrying(receiver)
    error = written(layer, ["a", "b", "c"])
    assert isinstance(error, PartialError)
    assert error.failed == {0: lost}
    assert receiver.sent == [["a", "b", "c"], ["c"]]


@pytest.mark.parametrize("error", [PermanentError("no"), ValueError("a bug")])
def test_a_permanent_error_or_a_bug_is_raised_after_one_attempt(error):
    receiver = Receiver(error)
    layer, patience = retrying(receiver)
    assert written(layer, [1]) is error
    assert patience.waited == []


@given(
    st.lists(
        st.dictionaries(st.integers(0, 7), st.sampled_from(["later", "never"])),
        max_size=8,
    )
)
def test_every_event_is_sent_until_it_arrives_or_can_never_arrive(script):
    """Each event's own history decides, wherever it stands in a later attempt."""
    arrived, refused, sent_again = set(), set(), []
    answers = iter(script)

    async def receive(events):
        answer = next(answers, {})
        sent_again.append(list(events))
        failed = {}
        for index, event in enumerate(events):
            assert event not in arrived | refused
            kind = answer.get(index)
            if kind == "later":
                failed[index] = TransientError()
            elif kind == "never":
                failed[index] = PermanentError(str(event))
                refused.add(event)
            else:
                arrived.add(event)
        if failed:
            raise PartialError(failed)

    layer, _ = retrying(receive, Retry(initial=0))
    error = written(layer, [*range(8)])
    assert arrived | refused == {*range(8)}
    if refused == {*range(8)} and not isinstance(error, PartialError):
        assert isinstance(error, PermanentError)
    elif refused:
        assert set(error.failed) == refused
        assert all(str(error.failed[n]) == str(n) for n in refused)
    else:
        assert error is None


@given(
    st.builds(Retry, st.floats(0, 10), st.floats(1, 1e12), st.floats(0, 100)),
    st.integers(0, 500),
    st.none() | st.floats(0, 1000),
    st.floats(0, 1, exclude_max=True),
)
def test_waits_are_uniform_up_to_a_growing_bound_and_never_shorter_than_asked(
    retry, attempt, asked, chance
):
    wait = retry.wait_before(attempt, asked, chance)
    assert wait >= (asked or 0.0)
    assert wait <= max(retry.maximum, asked or 0.0)
    if attempt == 0 and asked is None:
        assert wait <= retry.initial
    assert retry.wait_before(attempt, None, 0.0) == 0.0


def test_jitter_is_full_between_nothing_and_the_exponential_bound():
    """Seeded chance; each wait's bound doubles up to the maximum."""
    seeded = random.Random(7)
    expected = random.Random(7)
    receiver = Receiver(*[TransientError() for _ in range(6)])
    layer, patience = retrying(receiver, Retry(1.0, 2.0, 5.0), chance=seeded.random)
    assert written(layer, [1]) is None
    bounds = [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert patience.waited == [bound * expected.random() for bound in bounds]


def test_the_servers_delay_is_honoured():
    receiver = Receiver(TransientError(retry_after=17.0))
    layer, patience = retrying(receiver, chance=lambda: 0.0)
    assert written(layer, [1]) is None
    assert patience.waited == [17.0]


def test_the_longest_delay_of_a_partial_failure_is_honoured():
    receiver = Receiver(
        PartialError(
            {0: TransientError(retry_after=2.0), 1: TransientError(retry_after=9.0)}
        )
    )
    layer, patience = retrying(receiver, chance=lambda: 0.0)
    assert written(layer, [1, 2]) is None
    assert patience.waited == [9.0]


@pytest.mark.parametrize("asked", [3600.0, float("inf"), 301.0])
def test_a_delay_beyond_the_deadline_is_not_waited_for(asked):
    last = TransientError("come back", retry_after=asked)
    receiver = Receiver(last)
    layer, patience = retrying(receiver)
    assert written(layer, [1]) is last
    assert patience.waited == []


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("17", 17.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), (Decimal("1.5"), 1.5)],
)
def test_a_delay_is_understood_as_the_header_had_it(asked, seconds):
    receiver = Receiver(TransientError(retry_after=asked))
    layer, patience = retrying(receiver, chance=lambda: 0.0)
    assert written(layer, [1]) is None
    assert patience.waited == [seconds]


@pytest.mark.parametrize(
    "asked", [-1.0, float("nan"), None, 0, "soon", "-1", "", [], [5], object(), 1j]
)
def test_a_delay_that_means_nothing_is_ignored(asked):
    layer, patience = retrying(
        Receiver(TransientError(retry_after=asked)), chance=lambda: 0.5
    )
    assert written(layer, [1]) is None
    assert patience.waited == [0.5]


@given(st.floats(0.1, 50), st.floats(0.1, 5), st.integers(0, 2**32))
def test_no_attempt_begins_after_the_overall_deadline(deadline, initial, seed):
    last = TransientError("still down")
    starts, seeded = [], random.Random(seed)

    async def down(events):
        starts.append(patience.clock.now())
        patience.clock.move(initial / 10)
        raise last

    layer, patience = retrying(
        down,
        Retry(initial, deadline=deadline),
        chance=lambda: 0.1 + 0.9 * seeded.random(),
    )
    assert written(layer, [1]) is last
    assert max(starts) <= deadline
    assert len(starts) >= 1


def test_the_end_of_patience_ends_the_retries():
    last = TransientError("still down")
    receiver = Receiver(last, last, last, last)
    layer, _ = retrying(receiver, waits=2)
    assert written(layer, [1]) is last
    assert len(receiver.sent) == 3


# Through a whole pipeline, on a manual clock.


def test_a_failing_sink_gets_the_same_events_again_until_they_arrive(run):
    async def main():
        clock = ManualClock()
        end = FailingSink(TransientError, times=3, retry=Retry(initial=1, maximum=4))
        inlet = Inlet()
        async with Pipeline(inlet >> end, clock=clock) as pipeline:
            await inlet.emit("precious")
            await until(lambda: end.attempts == 1)
            await clock.advance(20)
            assert end.events == ["precious"]
            assert end.attempts == 4
        assert pipeline.ledger().lost == 0

    run(main())


def test_without_a_retry_setting_there_is_one_attempt(run):
    end = FailingSink(TransientError("busy"))
    pipeline = Pipeline(IterableSource([1, 2]) >> end)
    run(pipeline.run())
    assert end.attempts == 1
    assert pipeline.ledger()["failing_sink"].errored == {"transient": 2}


def test_retries_are_interrupted_when_the_drains_share_is_used(run):
    """Of a drain's second, a quarter is left to close after the last retry."""

    async def main():
        end = FailingSink(TransientError("down"), retry=Retry(initial=60, maximum=60))
        inlet = Inlet()
        pipeline = Pipeline(inlet >> end)
        loop = asyncio.get_running_loop()
        async with pipeline:
            await inlet.emit(1)
            await until(lambda: end.attempts)
            begun = loop.time()
            report = await pipeline.stop(0.4)
        assert 0.25 <= loop.time() - begun < 0.4
        assert report.drained
        assert pipeline.ledger()["failing_sink"].errored == {"transient": 1}

    run(main())


def test_a_server_that_asks_for_an_hour_does_not_hold_up_anything(run):
    async def main():
        end = FailingSink(TransientError(retry_after=3600.0), times=1, retry=Retry())
        inlet = Inlet()
        async with Pipeline(inlet >> end) as pipeline:
            await inlet.emit(1)
            assert await pipeline.flush(1)
            assert pipeline.ledger()["failing_sink"].errored == {"transient": 1}
            await inlet.emit(2)
            assert await end.wait_for(1) == [2]

    run(main())


def test_an_attempt_that_takes_too_long_is_cancelled_and_errored(run):
    async def main():
        clock = ManualClock()
        end = HangingSink(timeout=5.0)
        inlet = Inlet()
        async with Pipeline(inlet >> end, clock=clock) as pipeline:
            await inlet.emit(1)
            await end.wait_writing()
            await clock.advance(4.9)
            assert end.cancellations == 0
            await clock.advance(0.2)
            assert end.cancellations == 1
            assert pipeline.ledger()["hanging_sink"].errored == {"timeout": 1}

    run(main())


def test_the_timeout_is_of_one_attempt_and_is_tried_again(run):
    class HangsOnce(CollectingSink):
        attempts = 0

        async def write(self, events):
            self.attempts += 1
            if self.attempts == 1:
                await asyncio.Event().wait()
            self.collect(events)

    async def main():
        clock = ManualClock()
        end = HangsOnce(timeout=5.0, retry=Retry(initial=1.0))
        inlet = Inlet()
        async with Pipeline(inlet >> end, clock=clock) as pipeline:
            await inlet.emit(1)
            await until(lambda: end.attempts == 1)
            await clock.advance(7)
            assert end.events == [1]
        assert pipeline.ledger().lost == 0

    run(main())


def test_a_timeout_error_of_the_sinks_own_is_a_bug_and_not_the_bound(run):
    class OwnTimeout(Sink):
        timeout = 60.0

        async def write(self, events):
            raise TimeoutError("mine")

    pipeline = Pipeline(IterableSource([1]) >> OwnTimeout())
    run(pipeline.run())
    assert pipeline.ledger()["own_timeout"].rejected == {"TimeoutError": 1}


def test_a_timeout_tells_the_source_that_trying_again_can_help(run):
    class Asks(Source):
        wants_delivery = True

        async def run(self, send):
            self.outcome = await (await send([1]))

    source = Asks()
    run(Pipeline(source >> HangingSink(timeout=0.01)).run())
    assert source.outcome.status is DeliveryStatus.ERRORED
    assert isinstance(source.outcome.error, TimeoutExceededError)
    assert source.outcome.error.retryable


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_max_in_flight_limits_the_writes_and_lets_as_many_run(run, limit):
    async def main():
        end = SlowSink(max_in_flight=limit)
        inlet = Inlet()
        source = IterableSource([[n] for n in range(20)])
        async with Pipeline(source >> end, inlet >> end) as pipeline:
            await end.wait_writing(limit)
            await turns(50)
            assert end.writing == limit
            end.release()
            await end.wait_for(20)
            assert end.peak == limit
        assert pipeline.ledger()["slow_sink"].delivered == 20

    run(main())


def test_max_in_flight_limits_the_batches_of_a_batching_sink_too(run):
    async def main():
        end = SlowSink(max_in_flight=3, batch=BatchBy(2))
        async with Pipeline(IterableSource(range(20)) >> end):
            await end.wait_writing(3)
            await turns(50)
            assert end.writing == 3
            end.release()
            await end.wait_for(20)
        assert end.peak == 3
        assert [len(batch) for batch in end.batches] == [2] * 10

    run(main())


def test_writes_that_wait_for_a_retry_hold_their_place_among_those_in_flight(run):
    async def main():
        clock = ManualClock()
        end = FailingSink(
            TransientError, times=2, max_in_flight=2, retry=Retry(initial=1, maximum=1)
        )
        source = IterableSource([[n] for n in range(6)])
        async with Pipeline(source >> end, clock=clock) as pipeline:
            await until(lambda: end.attempts == 2)
            await turns(50)
            assert end.attempts == 2
            await clock.advance(10)
            assert sorted(end.events) == [*range(6)]
        assert pipeline.ledger().lost == 0

    run(main())
