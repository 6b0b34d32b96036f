from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.metrics import Observation
from waiting import until

from sluiceway import Pipeline
from sluiceway.beside import beside
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink, ManualClock, check_source


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", export_interval=10, clock=clock)


def test_metrics_come_at_the_interval_and_once_more_at_the_stop(telemetry, clock):
    counter = telemetry.meter("m").counter("c")
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink, clock=clock):
            counter.add(1)
            await clock.advance(9)
            assert sink.events == []
            await clock.advance(1)
            assert [point.value for point in sink.events] == [1]
            await clock.advance(10)
            counter.add(5)

    asyncio.run(main())
    assert [point.value for point in sink.events] == [1, 1, 6]


def test_a_flush_brings_what_was_measured_before_it(telemetry, clock):
    counter = telemetry.meter("m").counter("c")
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink, clock=clock) as pipeline:
            counter.add(3)
            await pipeline.flush()
            assert [point.value for point in sink.events] == [3]
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert ledger.balanced
    assert ledger.lost == 0
    assert [point.value for point in sink.events] == [3, 3]


def test_each_flush_waits_for_a_collection_that_began_after_it(telemetry):
    counter = telemetry.meter("m").counter("c")
    values = []
    gate, sending = asyncio.Event(), asyncio.Event()

    async def send(points):
        values.append([point.value for point in points])
        sending.set()
        await gate.wait()

    async def main():
        running = asyncio.create_task(telemetry.metrics.run(send))
        counter.add(1)
        first = asyncio.create_task(telemetry.metrics.flush())
        await sending.wait()
        counter.add(1)
        second = asyncio.create_task(telemetry.metrics.flush())
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, second)
        assert values == [[1], [2]]
        telemetry.metrics.stop()
        await running

    asyncio.run(main())
    assert values == [[1], [2], [2]]


def test_a_flush_does_not_hang_when_collecting_has_ended(telemetry):
    async def send(points):
        raise RuntimeError("the sink is gone")

    async def main():
        telemetry.meter("m").counter("c").add(1)
        running = asyncio.create_task(telemetry.metrics.run(send))
        await asyncio.sleep(0)
        await telemetry.metrics.flush()
        with pytest.raises(RuntimeError, match="gone"):
            await running
        await telemetry.metrics.flush()
        return True

    assert asyncio.run(main())


def test_all_three_signals_reach_one_sink(telemetry, clock):
    sink = CollectingSink()

    async def main():
        async with Pipeline(
            telemetry.spans >> sink,
            telemetry.metrics >> sink,
            telemetry.logs >> sink,
            clock=clock,
        ) as pipeline:
            with telemetry.tracer("t").span("a"):
                telemetry.meter("m").gauge("g").set(1)
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert ledger.lost == 0
    assert {type(event).__name__ for event in sink.events} == {"Span", "MetricPoint"}


def test_a_callback_that_does_not_return_costs_only_its_own_values(caplog):
    telemetry = Telemetry("shop", export_interval=1)
    meter = telemetry.meter("m")
    released, calls = threading.Event(), []

    def slow(options):
        calls.append(options.timeout_millis)
        released.wait(20)
        return [Observation(1)]

    meter.observable_gauge("slow", slow)
    meter.observable_gauge("quick", lambda _: [Observation(2)])
    meter.counter("c").add(3)
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink) as pipeline:
            await pipeline.flush()
            await pipeline.flush()
            before = [point.name for point in sink.events]
            released.set()
            await until(lambda: not threads_named("sluiceway-observe"))
            await pipeline.flush()
        return before

    before = asyncio.run(main())
    assert before.count("quick") == before.count("c") >= 2
    assert "slow" not in before
    assert calls[0] == 500
    assert "slow" in {point.name for point in sink.events}
    assert len(caplog.records) == 1
    assert "slow" in caplog.text


@pytest.mark.parametrize(
    ("interval", "drain_timeout"),
    [(1, 2.0), (60, 1.0)],
    ids=["all callbacks have one time-out", "a drain cuts it short"],
)
def test_callbacks_that_hang_at_the_close_cost_only_their_own_values(
    interval, drain_timeout, caplog
):
    telemetry = Telemetry("shop", export_interval=interval)
    meter = telemetry.meter("m")
    released = threading.Event()
    meter.counter("orders").add(5)
    for number in range(6):
        hang = lambda _: [Observation(released.wait(20))]  # noqa: E731
        meter.observable_gauge(f"hang{number}", hang)
    meter.observable_gauge("quick", lambda _: [Observation(2)])
    sink = CollectingSink()

    async def main():
        async with Pipeline(
            telemetry.metrics >> sink, drain_timeout=drain_timeout
        ) as pipeline:
            pass
        return pipeline.ledger()

    ledger = asyncio.run(main())
    released.set()
    assert [(point.name, point.value) for point in sink.events] == [
        ("orders", 5),
        ("quick", 2),
    ]
    assert ledger.lost == 0
    assert [word for word in caplog.text.split() if "hang" in word] == [
        f"hang{number};" for number in range(6)
    ]


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, SystemExit, GeneratorExit, KeyboardInterrupt]
)
def test_a_callback_that_raises_more_than_an_exception_costs_only_its_own_values(
    telemetry, error, caplog
):
    def fail(_):
        raise error("not asked for")

    meter = telemetry.meter("m")
    meter.observable_gauge("bad", fail)
    meter.observable_gauge("good", lambda _: [Observation(2)])
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink) as pipeline:
            await pipeline.flush()
            await pipeline.flush()

    asyncio.run(main())
    assert [point.name for point in sink.events] == ["good"] * 3
    assert len(caplog.records) == 1
    assert "not asked for" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_signal_in_the_midst_of_a_callback_ends_the_program(telemetry, error):
    def handle(_):
        raise error

    telemetry.meter("m").observable_gauge("g", handle)
    with pytest.raises(error):
        telemetry.collect()


@pytest.mark.parametrize("asked", [True, False])
def test_what_was_measured_is_in_the_books_when_a_collection_is_cut_off(asked):
    telemetry = Telemetry("shop", temporality="delta")
    meter = telemetry.meter("m")
    released, calls = threading.Event(), []
    meter.counter("orders").add(5)
    meter.counter("views").add(7)

    def hang(_):
        calls.append(1)
        released.wait(20)
        return []

    meter.observable_gauge("hang", hang)
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink) as pipeline:
            if asked:
                flushing = asyncio.create_task(pipeline.flush())
                await until(lambda: calls)
            await pipeline.abort()
            if asked:
                await flushing
        return pipeline.ledger()

    ledger = asyncio.run(main())
    released.set()
    assert sink.events == []
    assert ledger.balanced
    assert ledger.lost == 2


def test_a_collection_that_is_cut_off_among_its_points_loses_none_of_them():
    """The clock moves each time it is read, so that every look at it is late."""

    class Hasty(ManualClock):
        def now(self):
            self.move(0.01)
            return super().now()

    telemetry = Telemetry("shop", temporality="delta", clock=Hasty())
    counter = telemetry.meter("m").counter("c")
    for number in range(1000):
        counter.add(1, {"n": number})
    sent = []

    async def send(points):
        sent.extend(points)

    async def main():
        running = asyncio.create_task(telemetry.metrics.run(send))
        telemetry.metrics.stop()
        await until(lambda: telemetry.metrics._gathered)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    asyncio.run(main())
    assert len(sent) == 1000


def test_it_does_what_the_engine_relies_on():
    telemetry = Telemetry("shop")
    telemetry.observe_runtime()
    check_source(lambda: telemetry.metrics)


def test_where_no_thread_can_be_started_callbacks_are_asked_all_the_same():
    telemetry = Telemetry("shop")
    telemetry.meter("m").observable_gauge("g", lambda _: [Observation(1)])
    sink = CollectingSink()

    async def main():
        async with Pipeline(telemetry.metrics >> sink):
            pass

    usual = threading.stack_size(1 << 46)  # more than there is
    try:
        with pytest.raises(RuntimeError, match="thread"):
            threading.Thread(target=print).start()
        asyncio.run(main())
    finally:
        threading.stack_size(usual)
    assert [point.value for point in sink.events] == [1]


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), KeyError(1)])
def test_what_is_raised_beside_the_loop_is_raised_where_it_is_awaited(error):
    def fail():
        raise error

    kind = RuntimeError if isinstance(error, StopIteration) else type(error)
    with pytest.raises(kind):
        asyncio.run(beside(fail, "test"))


def test_a_call_whose_loop_has_ended_ends_without_a_word():
    released = threading.Event()

    async def main():
        calling = asyncio.create_task(beside(lambda: released.wait(20), "test"))
        await asyncio.sleep(0)
        calling.cancel()

    asyncio.run(main())
    released.set()
    for thread in threads_named("test"):
        thread.join()


def test_deltas_of_a_running_pipeline_add_up_to_what_was_measured():
    telemetry = Telemetry("shop", temporality="delta")
    counter = telemetry.meter("m").counter("c")
    sink = CollectingSink()

    def work():
        for index in range(20_000):
            counter.add(1, {"n": index % 3})

    async def main():
        async with Pipeline(telemetry.metrics >> sink) as pipeline:
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                await pipeline.flush()
            counter.add(5)
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert ledger.lost == 0
    assert sum(point.value for point in sink.events) == 80_005


def test_a_collection_of_many_series_lets_others_have_their_turn(clock):
    """The clock moves each time it is read, so that every look at it is late."""

    class Hasty(ManualClock):
        def now(self):
            self.move(0.001)
            return super().now()

    hasty = Hasty()
    telemetry = Telemetry("shop", clock=hasty)
    counter = telemetry.meter("m").counter("c")
    for number in range(2000):
        counter.add(1, {"n": number})
    turns, sent = [], []

    async def other():
        while not sent:
            turns.append(1)
            await asyncio.sleep(0)

    async def send(points):
        sent.append(len(points))

    async def main():
        running = asyncio.create_task(telemetry.metrics.run(send))
        watching = asyncio.create_task(other())
        telemetry.metrics.stop()
        await running
        await watching

    asyncio.run(main())
    assert sent == [2000]
    assert len(turns) >= 5


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]
