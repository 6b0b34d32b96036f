"""HealthSource runs checks by the clock, whatever the checks do."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import ContextVar

import pytest
from waiting import turns, until

from sluiceway import Inlet, Pipeline, Queue, sink
from sluiceway.errors import ConfigurationError
from sluiceway.events import HealthStatus
from sluiceway.health import Check, Ending
from sluiceway.sources import HealthSource
from sluiceway.testing import CollectingSink, ManualClock, check_source
from sluiceway.testing import run as run_stage

HEALTHY, UNHEALTHY = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY
UNKNOWN = HealthStatus.UNKNOWN
NOW = 1_700_000_000_000_000_000


async def ping():
    return None


class Hanging:
    """A function of either kind that hangs until it is let go, and its calls."""

    def __init__(self):
        self.released = threading.Event()
        self.calls = 0
        self.most = 0
        self._under_way = 0

    def on_thread(self):
        self.calls += 1
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        self.released.wait()
        self._under_way -= 1

    async def on_loop(self):
        self.calls += 1
        await asyncio.Event().wait()

    async def deaf(self):
        """It is asked to end and goes on."""
        self.calls += 1
        while not self.released.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue


def pipeline_of(*checks, **settings):
    """A pipeline of a health source, with its parts."""
    clock, sink = ManualClock(time_ns=NOW), CollectingSink()
    source = HealthSource(checks, **settings)
    return Pipeline(source >> sink, clock=clock), source, sink, clock


def told(sink):
    return [(event.name, event.status.value) for event in sink.events]


def test_each_check_runs_at_its_interval_and_sends_each_result(run):
    async def main():
        times = {"fast": [], "slow": []}

        def noting(name):
            async def note():
                times[name].append(clock.now())

            return note

        pipeline, _, sink, clock = pipeline_of(
            Check("fast", noting("fast"), interval=10),
            Check("slow", noting("slow"), interval=30),
        )
        async with pipeline:
            await clock.advance(61)
        return times, sink.events

    times, events = run(main())
    assert times == {"fast": [0, 10, 20, 30, 40, 50, 60], "slow": [0.5, 30.5, 60.5]}
    assert len(events) == 10
    assert {event.status for event in events} == {HEALTHY}
    last = [event for event in events if event.name == "slow"][-1]
    assert last.time_unix_nano == NOW + 60_500_000_000


def test_a_function_runs_on_a_thread_in_the_sources_context_and_may_raise(run):
    seen = ContextVar("seen", default="nothing")

    def failing():
        thread = threading.current_thread()
        raise OSError(f"{thread.name} {thread.daemon} {seen.get()}")

    async def main():
        pipeline, source, sink, _ = pipeline_of(Check("disk", failing, failures=1))
        seen.set("the context")
        async with pipeline:
            await sink.wait_for(1)
        return sink.events[0], source.counts()

    event, counts = run(main())
    assert event.status is UNHEALTHY
    assert event.message == "OSError: sluiceway-health disk True the context"
    assert counts["disk"][Ending.FAILED] == 1


@pytest.mark.parametrize("kind", ["on_thread", "on_loop", "deaf"])
def test_a_check_that_hangs_times_out_and_is_asked_once_as_long_as_it_hangs(run, kind):
    hanging = Hanging()

    async def main():
        pipeline, source, sink, clock = pipeline_of(
            Check("hung", getattr(hanging, kind), interval=10, timeout=2),
            Check("well", ping, interval=10),
        )
        async with pipeline:
            await until(lambda: hanging.calls == 1)
            before = threading.active_count()
            await clock.advance(39)
            messages = [e.message for e in sink.events if e.name == "hung"]
            statuses = [e.status for e in sink.events if e.name == "hung"]
            wells = sum(event.name == "well" for event in sink.events)
            assert threading.active_count() == before
            hanging.released.set()
        return messages, statuses, wells, source

    messages, statuses, wells, source = run(main())
    assert wells == 4
    assert messages[0] == "failed 1 of 3 times; no answer within 2 s"
    assert statuses == [UNKNOWN, UNKNOWN, UNHEALTHY, UNHEALTHY]
    if kind == "on_loop":  # it was cancelled and is asked again
        assert hanging.calls == 4
    else:
        assert (hanging.calls, hanging.most) == (1, int(kind == "on_thread"))
        assert "still without an answer after 10 s" in messages[1]
        assert source.counts()["hung"][Ending.OVERDUE] == 3


def test_a_check_that_has_hung_is_asked_again_once_it_has_let_go(run):
    hanging = Hanging()

    async def main():
        pipeline, source, sink, clock = pipeline_of(
            Check("hung", hanging.on_thread, interval=10, timeout=2, failures=1)
        )
        async with pipeline:
            await until(lambda: hanging.calls == 1)
            await clock.advance(5)
            assert sink.events[-1].status is UNHEALTHY
            hanging.released.set()
            await until(lambda: not source._runs[0].under_way)
            await clock.advance(5)
            await sink.wait_for(2)
        return sink.events[-1].status, hanging.calls, hanging.most

    assert run(main()) == (HEALTHY, 2, 1)


def test_a_stop_waits_for_no_check(run):
    hanging = Hanging()

    async def main():
        pipeline, _, sink, clock = pipeline_of(
            Check("thread", hanging.on_thread),
            Check("deaf", hanging.deaf),
            Check("loop", hanging.on_loop),
            Check("well", ping),
        )
        async with pipeline:
            await clock.advance(1)
            await until(lambda: hanging.calls == 3)
        assert pipeline.ledger().balanced
        assert not hanging.released.is_set()
        hanging.released.set()
        await asyncio.sleep(0.01)
        return told(sink)

    assert run(main()) == [("well", "healthy")]


def test_results_do_not_wait_for_a_pipeline_that_is_full(run):
    async def main():
        gate, delivered = asyncio.Event(), []

        @sink(queue=Queue(capacity=1), batch=None)
        async def stuck(events):
            await gate.wait()
            delivered.extend(events)

        clock = ManualClock()
        state = {"status": HEALTHY}

        async def check():
            return state["status"]

        source = HealthSource([Check("it", check, interval=1, failures=1)])
        pipeline = Pipeline(source >> stuck, clock=clock)
        async with pipeline:
            await clock.advance(50)
            state["status"] = UNHEALTHY
            await clock.advance(1)
            assert source.report().status is UNHEALTHY
            assert source.held() > 40
            await clock.advance(1000)
            assert source.held() == 1000
            gate.set()
        ledger = pipeline.ledger()
        return ledger, source.refused(), len(delivered)

    ledger, refused, count = run(main())
    assert ledger.balanced
    assert refused["queue_full"] == ledger.lost == 1052 - count


def test_only_changes_are_sent_on_request(run):
    async def main():
        answers = iter([True, True, False, False, True])

        async def check():
            return next(answers)

        pipeline, _, sink, clock = pipeline_of(
            Check("it", check, interval=1, failures=1),
            Check("on it", ping, interval=100),
            only_changes=True,
        )
        async with pipeline:
            await clock.advance(4.1)
        return told(sink)

    assert run(main()) == [
        ("it", "healthy"),
        ("on it", "healthy"),
        ("it", "unhealthy"),
        ("it", "healthy"),
    ]


def test_a_dependency_that_falls_changes_what_is_said_of_those_that_need_it(run):
    async def main():
        up = {"database": True, "api": False}

        def answering(name):
            async def answer():
                return up[name]

            return answer

        pipeline, source, sink, clock = pipeline_of(
            Check("database", answering("database"), interval=10, failures=1),
            Check(
                "api",
                answering("api"),
                interval=10,
                failures=1,
                depends_on=["database"],
            ),
        )
        async with pipeline:
            await clock.advance(1)
            up["database"] = False
            await clock.advance(9.2)
            report = source.report()
        return told(sink), report

    found, report = run(main())
    assert found == [
        ("database", "healthy"),
        ("api", "unhealthy"),
        ("database", "unhealthy"),
        ("api", "unknown"),
    ]
    assert report.checks["api"].because_of == ("database",)
    assert report.status is UNHEALTHY


def test_turns_that_were_missed_are_left_out(run):
    async def main():
        pipeline, _, sink, clock = pipeline_of(Check("it", ping, interval=10))
        async with pipeline:
            await clock.advance(1)
            clock.move(34)
            await clock.advance(0)
            assert len(sink.events) == 2
            await clock.advance(5.5)
        return [(event.time_unix_nano - NOW) / 1e9 for event in sink.events]

    assert run(main()) == [0, 35, 40]


def test_a_flush_hands_over_what_was_found_and_runs_nothing(run):
    async def main():
        calls = []

        async def check():
            calls.append(1)

        pipeline, _, sink, clock = pipeline_of(Check("it", check))
        async with pipeline:
            await clock.advance(0)
            for _ in range(2):
                assert await pipeline.flush()
            return len(calls), len(sink.events)

    assert run(main()) == (1, 1)


async def raises_cancelled():
    raise asyncio.CancelledError


async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


async def leaves():
    sys.exit(3)


class Odd(BaseException):
    """No exception that anybody would expect."""


class Unspeakable:
    def __repr__(self):
        raise Odd("no words")


async def raises_something_odd():
    raise Odd("odd")


async def raises_generator_exit():
    raise GeneratorExit


async def answers_the_unspeakable():
    return Unspeakable()


def leaves_on_a_thread():
    raise KeyboardInterrupt


def gives_a_coroutine():
    return ping()


@pytest.mark.parametrize(
    ("function", "status", "words"),
    [
        (raises_cancelled, "unhealthy", "CancelledError"),
        (cancels_itself, "unhealthy", "CancelledError"),
        (leaves, "unhealthy", "SystemExit: 3"),
        (leaves_on_a_thread, "unhealthy", "KeyboardInterrupt"),
        (raises_something_odd, "unhealthy", "Odd: odd"),
        (raises_generator_exit, "unhealthy", "GeneratorExit"),
        (answers_the_unspeakable, "unhealthy", "Odd: no words"),
        (lambda: 3, "unhealthy", "the check answered 3"),
        (gives_a_coroutine, "healthy", ""),
    ],
)
def test_whatever_a_function_does_is_a_result_and_the_next_turn_comes(
    run, function, status, words
):
    async def main():
        pipeline, _, sink, clock = pipeline_of(
            Check("it", function, interval=1, failures=1)
        )
        async with pipeline:
            await sink.wait_for(1)
            await clock.advance(1)
            await sink.wait_for(2)
        return sink.events

    events = run(main())
    assert {event.status.value for event in events} == {status}
    assert all(event.message.startswith(words) for event in events)


def test_a_pipeline_that_starts_again_runs_its_checks_again(run):
    hanging = Hanging()

    async def main():
        pipeline, source, sink, clock = pipeline_of(
            Check("well", ping), Check("hung", hanging.on_thread)
        )
        for _ in range(2):
            async with pipeline:
                await clock.advance(0.6)
                await turns(5)
        calls = hanging.calls
        hanging.released.set()
        return calls, told(sink), pipeline.ledger(), source

    calls, found, ledger, source = run(main())
    assert calls == 1
    assert found.count(("well", "healthy")) == 2
    assert ("hung", "unknown") in found
    assert ledger.balanced
    source.after_fork()
    assert source.report().status is UNKNOWN


def test_a_thread_that_hangs_keeps_no_new_loop_from_asking_later():
    hanging = Hanging()
    source = HealthSource([Check("hung", hanging.on_thread, interval=1, timeout=0.5)])

    async def main():
        sink, clock = CollectingSink(), ManualClock()
        async with Pipeline(source >> sink, clock=clock):
            await clock.advance(0.5)
            await until(lambda: sink.events or hanging.released.is_set())
            if hanging.released.is_set():
                await sink.wait_for(1)
        return sink.events[0]

    assert "no answer" in asyncio.run(main()).message
    assert "still without" in asyncio.run(main()).message
    hanging.released.set()
    while source._runs[0].under_way:
        pass
    assert asyncio.run(main()).message == ""
    assert hanging.most == 1


def test_the_source_does_what_the_engine_relies_on():
    check_source(lambda: HealthSource([Check("a", ping, interval=0.05)]))


def test_run_shows_what_a_source_sends(run):
    result = run(run_stage(HealthSource([Check("a", ping)]), limit=1))
    assert [event.name for event in result.outputs] == ["a"]


def test_checks_that_do_not_fit_are_refused_by_the_sources_name():
    with pytest.raises(ConfigurationError, match=r"^HealthSource.checks is empty"):
        HealthSource([])


def test_a_cut_off_books_what_was_found(run):
    async def main():
        gate = asyncio.Event()

        @sink(queue=Queue(capacity=1), batch=None)
        async def stuck(events):
            await gate.wait()

        clock = ManualClock()
        source = HealthSource([Check("it", ping, interval=1)])
        pipeline = Pipeline(source >> stuck, Inlet() >> CollectingSink(), clock=clock)
        async with pipeline:
            await clock.advance(20)
            await pipeline.abort()
        return pipeline.ledger(), source

    ledger, source = run(main())
    assert ledger.balanced
    assert ledger.lost == 21
    assert repr(source) == "<HealthSource checks=1 healthy>"
