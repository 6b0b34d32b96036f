"""Stages that break their word: it costs them, and is said, and the books balance."""

import asyncio
import concurrent.futures
import json
import logging
import threading
import time
from pathlib import Path

import pytest
from waiting import until

import sluiceway
from sluiceway import (
    Accumulator,
    Inlet,
    PermanentError,
    Pipeline,
    Processor,
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
from sluiceway.testing import CollectingSink, FailingSink


def ran(*chains):
    pipeline = Pipeline(*chains)
    asyncio.run(asyncio.wait_for(pipeline.run(), 10))
    assert pipeline.ledger().balanced
    assert pipeline.ledger().held == 0
    return pipeline.ledger()


class Refused(Sink):
    """A plain write that leaves its work to something that is awaited."""

    def __init__(self, make):
        self.make = make

    def write(self, events):
        return self.make(refuse(events))


async def refuse(events):
    raise OSError("refused")


@pytest.mark.parametrize(
    "make",
    [asyncio.gather, lambda work: asyncio.get_running_loop().create_task(work)],
    ids=["gather", "task"],
)
def test_what_a_plain_write_returns_to_be_awaited_is_awaited(make):
    ledger = ran(IterableSource(range(3)) >> Refused(make))
    assert ledger["refused"].rejected == {"OSError": 3}


def test_a_blocking_write_that_returns_a_coroutine_has_delivered_nothing():
    @sink(blocking=True)
    def end(events):
        return refuse(events)

    ledger = ran(IterableSource(range(3)) >> end)
    assert ledger["end"].rejected == {"TypeError": 3}


class ReusesItsList(Processor):
    def __init__(self):
        self.out = []

    def process(self, events):
        self.out.clear()
        self.out += events[::2]
        return self.out


class HoldsNothing(Accumulator):
    """Passes all on, in one list for all its life."""

    def __init__(self):
        self.out = []

    def add(self, events, now):
        self.out.clear()
        self.out += events
        return self.out

    def held(self):
        return 0


@pytest.mark.parametrize(("make", "count"), [(ReusesItsList, 150), (HoldsNothing, 300)])
def test_a_stage_may_use_its_list_again(make, count):
    class Sends(Source):
        wants_delivery = True
        deliveries = ()

        async def run(self, send):
            self.deliveries = [await send([n, n + 1]) for n in range(0, 300, 2)]

    sends, end = Sends(), CollectingSink()
    ledger = ran(sends >> make() >> end)
    assert ledger.delivered == len(end.events) == count
    assert all(each.outcome.is_delivered for each in sends.deliveries)


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
def test_a_callback_that_raises_harms_nobody_else(error, caplog):
    class Sends(Source):
        wants_delivery = True
        told = ()

        async def run(self, send):
            self.told = []
            for number in range(3):
                delivery = await send([number])
                delivery.add_callback(self.fail)
                delivery.add_callback(self.told.append)

        def fail(self, outcome):
            raise error("callback")

    sends = Sends()
    ledger = ran(sends >> CollectingSink())
    assert ledger.delivered == len(sends.told) == 3
    assert "a delivery's callback failed" in caplog.text


@pytest.mark.parametrize("when_full", ["block", "drop_newest", "drop_oldest"])
def test_a_size_that_fails_now_and_then_costs_its_batch_and_no_more(when_full):
    calls = 0

    def size(event):
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise OSError("now and then")
        return 10

    queue = Queue(capacity=8, max_bytes=40, size=size, when_full=when_full)
    ledger = ran(
        IterableSource(range(200), batch_size=3) >> CollectingSink(queue=queue)
    )
    assert ledger.delivered + ledger.lost == 200
    assert ledger["collecting_sink"].rejected.get("OSError", 0) % 3 in {0, 2}


class Odd(Source):
    """Sends one event, and has methods that fail when it is asked for anything."""

    def __init__(self, error):
        self.error = error

    async def run(self, send):
        await send([1])
        await asyncio.Event().wait()

    def stop(self):
        raise self.error

    def discard(self):
        raise self.error

    def held(self):
        raise self.error

    def refused(self):
        raise self.error


@pytest.mark.parametrize("error", [KeyError("x"), asyncio.CancelledError()])
def test_a_source_that_fails_when_it_is_asked_to_end_keeps_no_other_from_it(run, error):
    class Closes(CollectingSink):
        closed = False

        async def close(self):
            self.closed = True

    async def main():
        end, inlet = Closes(), Inlet()
        pipeline = Pipeline(Odd(error) >> end, inlet >> end)
        async with pipeline:
            await end.wait_for(1)
            inlet.emit_nowait(2)
        assert (await pipeline.stop()).drained
        assert end.events == [1, 2]
        assert end.closed
        assert pipeline.ledger().balanced
        assert pipeline.ledger()["odd"].sent == pipeline.statistics()[0].outgoing == 1

    run(main())


class Uncopyable:
    def __deepcopy__(self, memo):
        raise TypeError("one of a kind")


def test_an_event_that_cannot_be_copied_costs_that_branch_that_event(caplog):
    @processor
    def same(event):
        return event

    one, other = CollectingSink(name="one"), CollectingSink(name="other")
    events = [{"n": 1}, Uncopyable(), {"n": 2}]
    ledger = ran(IterableSource(events) >> [same >> one, other])
    assert len(one.events) + len(other.events) == 5
    assert ledger["iterable_source"].rejected == {"TypeError": 1}
    assert "one of a kind" in caplog.text


@pytest.mark.parametrize("held", ["three", None, -1, True])
def test_an_accumulator_that_cannot_count_is_named(held, caplog):
    class Vague(Accumulator):
        def add(self, events, now):
            return events

        def held(self):
            return held

    assert ran(IterableSource(range(3)) >> Vague() >> CollectingSink()).delivered == 3
    assert f"held() returned {held!r}" in caplog.text


def test_a_hanging_thread_keeps_its_place_while_its_write_is_tried_again():
    writing, most, lock = 0, 0, threading.Lock()
    release = threading.Event()

    class Hangs(Sink):
        blocking = True
        timeout = 0.02
        retry = Retry(deadline=0.5, initial=0.001, maximum=0.001)

        def write(self, events):
            nonlocal writing, most
            with lock:
                writing += 1
                most = max(most, writing)
            release.wait(10)
            with lock:
                writing -= 1

    try:
        ledger = ran(IterableSource(range(3)) >> Hangs())
    finally:
        release.set()
    assert ledger["hangs"].errored == {"timeout": 3}
    assert most == 1


def test_a_retry_is_said_before_it_is_waited_for(caplog):
    caplog.set_level(logging.WARNING)
    end = FailingSink(TransientError("no route to host"), times=1)
    end.retry = Retry(initial=0.001, maximum=0.001)
    assert ran(IterableSource([1]) >> end).delivered == 1
    assert (
        "stage failing_sink: trying again in 0.0 s after TransientError: no route"
        in (caplog.text)
    )


def test_failures_that_no_line_told_are_told_at_the_end(caplog):
    @processor
    def broken(event):
        raise ValueError(event)

    ran(IterableSource(range(1000), batch_size=1) >> broken >> CollectingSink())
    first, rest = [record.getMessage() for record in caplog.records]
    assert first.startswith("stage broken: 1 event failed: ValueError: 0 (")
    assert rest == "stage broken: 999 more events failed"


def test_a_line_about_a_bug_says_where_in_the_users_code_it_is(caplog):
    @processor(blocking=True)
    def broken(event):
        return json.loads(event)

    ran(IterableSource(["{"]) >> broken >> CollectingSink())
    line = broken.function.__code__.co_firstlineno + 2
    assert caplog.messages[0].endswith(f"(test_hostile_stages.py:{line})")


def test_a_package_of_a_user_may_be_called_like_ours(caplog):
    beside = f"{Path(sluiceway.__file__).parent}_rules/rules.py"
    names = {}
    exec(compile("def broken(event): return 1 / 0", beside, "exec"), names)
    ran(IterableSource([1]) >> processor(names["broken"]) >> CollectingSink())
    assert caplog.messages[0].endswith("division by zero (rules.py:1)")


def test_a_line_about_an_error_of_ours_names_no_place(caplog):
    ran(IterableSource([1]) >> FailingSink(PermanentError("no")))
    assert caplog.messages == ["stage failing_sink: 1 event failed: PermanentError: no"]


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\x1b[2Jcleared\nINFO all is well"), r"\x1b[2Jcleared\nINFO all"),
        (ValueError("x" * 10**6), "x" * 1000),
        (MuteError(), "MuteError: (it cannot say what)"),
    ],
)
def test_an_errors_words_are_one_line_of_the_log(caplog, error, line):
    @processor
    def broken(event):
        raise error

    ran(IterableSource([1]) >> broken >> CollectingSink())
    (record,) = caplog.records
    told = record.getMessage()
    assert line in told
    assert told.isprintable()
    assert len(told) < 1100


def test_a_tuple_among_the_spans_costs_itself():
    from sluiceway.instrument import Telemetry

    telemetry, end = Telemetry("shop"), CollectingSink()

    async def main():
        async with Pipeline(telemetry.spans >> end) as pipeline:
            with telemetry.tracer("tests").span("good"):
                pass
            telemetry.spans.emit_nowait((1, 2))
        assert pipeline.ledger().delivered == 2

    asyncio.run(main())
    assert [getattr(event, "name", event) for event in end.events] == ["good", (1, 2)]


def test_a_stop_from_another_loop_is_bounded_when_the_pipelines_is_blocked():
    release = threading.Event()
    inlet, entered = Inlet(), threading.Event()

    @processor
    def blocks(event):
        entered.set()
        release.wait(10)
        return event

    pipeline = Pipeline(inlet >> blocks >> CollectingSink(), drain_timeout=0.1)

    async def serve():
        async with pipeline:
            inlet.emit_nowait(1)
            await until(lambda: pipeline.state.value == "stopped")

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, serve())
        assert entered.wait(5)
        begun = time.monotonic()
        report = asyncio.run(pipeline.stop(0.1))
        assert time.monotonic() - begun < 1.1
        release.set()
        serving.result(10)
    assert not report.drained
    assert report.stuck == ("event loop",)
    assert "blocks" in report.left


def test_a_pipeline_whose_loop_is_gone_can_be_asked_again():
    inlet = Inlet()
    pipeline = Pipeline(inlet >> CollectingSink())

    async def live():
        async with pipeline:
            await inlet.emit(1)

    asyncio.run(live())
    assert asyncio.run(pipeline.stop(5)).drained
    assert asyncio.run(pipeline.abort()).drained
    assert asyncio.run(pipeline.flush(1))


def test_an_emitter_whose_loop_is_gone_does_not_use_the_turn_of_another(run):
    inlet = Inlet(capacity=1)

    async def left_waiting():
        inlet.emit_nowait(0)
        task = asyncio.get_running_loop().create_task(inlet.emit(1))
        await asyncio.sleep(0)
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(left_waiting())
    task._log_destroy_pending = False
    loop.close()

    async def main():
        waiting = asyncio.get_running_loop().create_task(inlet.emit(2))
        await asyncio.sleep(0)
        async with Pipeline(inlet >> CollectingSink()):
            assert await asyncio.wait_for(waiting, 5)

    run(main())
    del task


@sampler
def passing(event):
    return True


def test_many_layers_of_branches_start_at_once():
    chain = IterableSource([])
    for _ in range(24):
        chain = chain >> [passing, passing]
    assert ran(chain >> CollectingSink()).delivered == 0


def test_a_call_that_was_given_up_ends_its_thread_though_the_loop_runs_no_more():
    entered, release, threads = threading.Event(), threading.Event(), []

    @sink(blocking=True)
    def hangs(events):
        threads.append(threading.current_thread())
        entered.set()
        release.wait(10)

    async def main():
        async with Pipeline(IterableSource(range(3)) >> hangs) as pipeline:
            await until(entered.is_set)
            await pipeline.abort()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
        release.set()
        threads[0].join(10)
        assert not threads[0].is_alive()
    finally:
        loop.close()
