"""flext_monitor_function: every kind of function stays what it is, and is measured."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading

import pytest
from mypy_runs import found_and_marked

from flext_observability import (
    FlextBackend,
    FlextObservabilityConfig,
    FlextObservabilityMasterFactory,
    FlextResult,
    FlextTracingService,
    FlextValidationError,
    flext_create_trace,
    flext_monitor_function,
    reset_global_factory,
)
from flext_observability.process import PROCESS
from sluiceway.events import StatusCode
from sluiceway.testing import CollectingSink


class Watched:
    """A backend, a decorator for it, and what arrives."""

    def __init__(self):
        self.sink = CollectingSink()
        self.backend = FlextBackend(
            FlextObservabilityConfig(), sinks={"traces": [self.sink]}
        )
        self.factory = FlextObservabilityMasterFactory(self.backend)

    def __call__(self, name=None):
        return flext_monitor_function(name, monitor=self.factory)

    def spans(self):
        assert self.backend.flush().is_success
        return self.sink.events

    def points(self, name):
        return [p for p in self.backend.telemetry.collect() if p.name == name]

    def outcomes(self):
        """How many calls of each function ended how, by the histogram."""
        return {
            (p.attributes["function"], p.attributes["outcome"]): p.value.count
            for p in self.points("flext.function.duration")
            if p.value.count
        }

    def errors(self):
        return {
            (p.attributes["function"], p.attributes["error.type"]): p.value
            for p in self.points("flext.function.errors")
        }


@pytest.fixture
def watch():
    watched = Watched()
    yield watched
    watched.backend.stop()


@pytest.fixture
def process_wide():
    reset_global_factory()
    yield
    assert reset_global_factory().is_success


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_plain_function_is_measured_and_stays_what_it_is(watch):
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    watched = watch("adding")(add)
    assert watched(1) == 3
    assert watched(1, b=5) == 6
    assert (watched.__name__, watched.__doc__) == ("add", "Add.")
    assert watched.__wrapped__ is add
    assert inspect.signature(watched) == inspect.signature(add)
    assert not inspect.iscoroutinefunction(watched)
    assert watch.outcomes() == {("adding", "success"): 2}
    assert [(s.name, s.status_code) for s in watch.spans()] == [
        ("adding", StatusCode.UNSET)
    ] * 2


def test_a_coroutine_is_measured_until_it_has_been_awaited(watch):
    @watch("waiting")
    async def wait(gate):
        await gate.wait()
        return "done"

    async def main():
        gate = asyncio.Event()
        task = asyncio.create_task(wait(gate))
        await asyncio.sleep(0)
        assert watch.outcomes() == {}
        gate.set()
        return await task

    assert inspect.iscoroutinefunction(wait)
    assert run(main()) == "done"
    assert watch.outcomes() == {("waiting", "success"): 1}


def test_without_a_name_a_function_has_its_own(watch):
    @watch()
    def one():
        return 1

    assert one() == 1
    assert watch.spans()[0].name.endswith(".<locals>.one")


def test_a_bare_decorator_works_with_no_set_up_at_all(process_wide):
    @flext_monitor_function
    def bare():
        return "monitored"

    @flext_monitor_function("test_function")
    def named():
        return "monitored"

    assert bare() == named() == "monitored"
    assert PROCESS.current.is_running


def test_an_exception_passes_unchanged_and_is_an_error(watch):
    error = KeyError("x")

    @watch("sync")
    def fail():
        raise error

    @watch("async")
    async def fail_later():
        raise error

    with pytest.raises(KeyError) as caught:
        fail()
    assert caught.value is error

    @watch("begun")
    def begin():
        return fail_later.__wrapped__()

    for function in (fail_later, begin):
        with pytest.raises(KeyError) as caught:
            run(function())
        assert caught.value is error
    names = ("sync", "async", "begun")
    assert watch.outcomes() == {(name, "error"): 1 for name in names}
    assert watch.errors() == {(name, "KeyError"): 1 for name in names}
    for span in watch.spans():
        assert span.status_code is StatusCode.ERROR
        assert span.status_message == "KeyError: 'x'"
        assert [event.name for event in span.events] == ["exception"]


def test_a_failed_result_that_is_returned_is_an_error(watch):
    @watch("sync")
    def refuse():
        return FlextResult.fail("no money", "broke")

    @watch("async")
    async def refuse_later():
        return FlextResult.fail("no money")

    @watch("begun")
    def begin():
        return refuse_later.__wrapped__()

    @watch("fine")
    def accept():
        return FlextResult.ok(0)

    results = [refuse(), run(refuse_later()), run(begin())]
    assert {result.error for result in results} == {"no money"}
    assert accept().is_success
    assert watch.errors() == {
        ("sync", "broke"): 1,
        ("async", "FlextResult"): 1,
        ("begun", "FlextResult"): 1,
    }
    by_name = {span.name: span for span in watch.spans()}
    assert by_name.pop("fine").status_code is StatusCode.UNSET
    assert {s.status_message for s in by_name.values()} == {"no money"}
    assert len(by_name) == 3


def test_cancellation_is_no_error_and_passes(watch):
    @watch("asleep")
    async def sleep():
        await asyncio.Event().wait()

    @watch("begun")
    def begin():
        return sleep.__wrapped__()

    async def main():
        for function in (sleep, begin):
            task = asyncio.ensure_future(function())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())
    assert watch.outcomes() == {("asleep", "cancelled"): 1, ("begun", "cancelled"): 1}
    assert watch.errors() == {}
    assert {span.status_code for span in watch.spans()} == {StatusCode.UNSET}


def test_methods_of_all_kinds_are_watched_on_either_side_of_their_decorators(watch):
    class Shop:
        @watch("method")
        def method(self, x):
            return (self, x)

        @watch("a")
        @classmethod
        def a(cls):
            return cls

        @classmethod
        @watch("b")
        def b(cls):
            return cls

        @watch("c")
        @staticmethod
        async def c():
            return "c"

        @staticmethod
        @watch("d")
        def d():
            return "d"

    shop = Shop()
    assert shop.method(1) == (shop, 1)
    assert (Shop.a(), shop.b(), run(Shop.c()), shop.d()) == (Shop, Shop, "c", "d")
    assert inspect.iscoroutinefunction(Shop.c)
    assert {name for name, _ in watch.outcomes()} == {"method", "a", "b", "c", "d"}


def count(stop):
    """Gives what it is sent, doubled; an exception that is thrown in becomes -1."""
    got = 0
    for number in range(stop):
        try:
            got = yield (got or 0) * 2 if number else number
        except ValueError:
            got = -1
    return "end"


async def count_async(stop):
    got = 0
    for number in range(stop):
        try:
            got = yield (got or 0) * 2 if number else number
        except ValueError:
            got = -1


def begin_count(stop):
    return count(stop)


def begin_count_async(stop):
    return count_async(stop)


@pytest.mark.parametrize("function", [count, begin_count])
def test_a_generator_is_measured_until_it_ends(watch, function):
    watched = watch("counting")(function)
    assert inspect.isgeneratorfunction(watched) == (function is count)

    def use():
        return (yield from watched(4))

    steps = use()
    assert [next(steps), steps.send(3), steps.throw(ValueError("x"))] == [0, 6, -2]
    assert watch.outcomes() == {}
    with pytest.raises(StopIteration) as stop:
        [next(steps), next(steps)]
    assert stop.value.value == "end"
    assert watch.outcomes() == {("counting", "success"): 1}
    assert [span.status_code for span in watch.spans()] == [StatusCode.UNSET]


@pytest.mark.parametrize("function", [count_async, begin_count_async])
def test_an_async_generator_is_measured_until_it_ends(watch, function):
    watched = watch("counting")(function)
    assert inspect.isasyncgenfunction(watched) == (function is count_async)

    async def use():
        steps = watched(4)
        found = [await anext(steps), await steps.asend(3)]
        found.append(await steps.athrow(ValueError("x")))
        assert watch.outcomes() == {}
        return found + [item async for item in steps]

    assert run(use()) == [0, 6, -2, 0]
    assert watch.outcomes() == {("counting", "success"): 1}
    assert [span.status_code for span in watch.spans()] == [StatusCode.UNSET]


@pytest.mark.parametrize("function", [count, begin_count])
def test_a_generator_that_is_closed_early_is_no_error_and_one_that_raises_is(
    watch, function
):
    watched = watch("counting")(function)
    closed = watched(3)
    next(closed)
    closed.close()
    broken = watched(3)
    next(broken)
    with pytest.raises(KeyError):
        broken.throw(KeyError("x"))
    assert watch.outcomes() == {("counting", "success"): 1, ("counting", "error"): 1}
    assert watch.errors() == {("counting", "KeyError"): 1}


@pytest.mark.parametrize("function", [count_async, begin_count_async])
def test_the_same_holds_for_async_generators(watch, function):
    watched = watch("counting")(function)

    async def use():
        closed = watched(3)
        await anext(closed)
        await closed.aclose()
        broken = watched(3)
        await anext(broken)
        with pytest.raises(KeyError):
            await broken.athrow(KeyError("x"))

    run(use())
    assert watch.outcomes() == {("counting", "success"): 1, ("counting", "error"): 1}
    assert watch.errors() == {("counting", "KeyError"): 1}


def test_calls_within_calls_are_parts_of_them_and_so_are_traces(watch):
    service = FlextTracingService(watch.backend)

    @watch("outer")
    async def outer():
        trace = flext_create_trace("traced", "op").unwrap()
        assert (await service.start_trace(trace)).is_success
        inner()
        return (await service.complete_trace(trace)).unwrap()

    @watch("inner")
    def inner():
        for _ in steps():
            pass

    @watch("steps")
    def steps():
        yield flext_create_trace("loose", "op").unwrap()

    trace = run(outer())
    spans = {span.name: span for span in watch.spans()}
    assert len({span.trace_id for span in spans.values()}) == 1
    assert trace.trace_id == spans["outer"].trace_id.hex()
    for name in ("traced", "inner"):
        assert spans[name].parent_span_id == spans["outer"].span_id
    assert spans["steps"].parent_span_id == spans["inner"].span_id
    alone = flext_create_trace("alone", "op").unwrap()
    assert alone.parent_span_id == ""


@pytest.mark.parametrize("wrong", [5, b"x", object])
def test_what_is_neither_a_name_nor_a_function_is_refused(wrong):
    with pytest.raises(FlextValidationError, match=r"^name is .*; expected text, or a"):
        flext_monitor_function(wrong)


@pytest.mark.parametrize("wrong", [5, "x", object, property(str)])
def test_what_is_no_function_is_refused_where_it_is_decorated(wrong):
    for decorate in (flext_monitor_function(), flext_monitor_function("orders")):
        with pytest.raises(FlextValidationError, match=r"^function is .*expected a f"):
            decorate(wrong)


def test_a_class_stays_a_class_as_only_its_methods_can_be_watched():
    with pytest.raises(FlextValidationError, match=r"^function is a type; .*methods"):

        @flext_monitor_function("orders")
        class Orders:
            pass


def test_partial_functions_and_objects_that_can_be_called_are_functions(watch):
    class Async:
        async def __call__(self):
            return "async"

    def plain(x):
        return x

    part = watch("part")(functools.partial(plain, 1))
    called = watch()(Async())
    assert part() == 1
    assert inspect.iscoroutinefunction(called)
    assert run(called()) == "async"
    assert [span.name for span in watch.spans()] == ["part", "Async"]


def test_after_a_reset_a_function_records_into_the_backend_that_is_there(process_wide):
    sinks = [CollectingSink(), CollectingSink()]

    @flext_monitor_function("work")
    def work():
        return 1

    for sink in sinks:
        PROCESS.use(FlextBackend(FlextObservabilityConfig(), sinks={"traces": [sink]}))
        work()
        assert reset_global_factory().unwrap().drained
    assert [len(sink.events) for sink in sinks] == [1, 1]


def test_a_stopped_backend_changes_nothing_for_a_function(watch):
    @watch("work")
    def work():
        return 1

    assert work() == 1
    watch.backend.stop()
    assert work() == 1
    assert watch.backend.start().is_success
    assert work() == 1
    assert len(watch.spans()) == 2


def test_with_a_wrong_variable_functions_run_and_that_is_said_once(
    process_wide, monkeypatch, caplog
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")

    @flext_monitor_function("work")
    def work():
        return 1

    assert [work(), work()] == [1, 1]
    assert caplog.text.count("runs unwatched") == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text
    assert len(PROCESS.current.telemetry.spans) == 0


def test_where_there_can_be_no_backend_functions_run_and_that_is_said_once(caplog):
    class Broken:
        @property
        def backend(self):
            raise FlextValidationError("otlp_endpoint", "x", "an address")

    plain, later, steps, later_steps = (
        flext_monitor_function("work", monitor=Broken())(function)
        for function in (begin_count, later_one, count, count_async)
    )
    assert list(plain(1)) == list(steps(1)) == [0]
    assert run(later()) == 1

    async def use():
        return [item async for item in later_steps(1)]

    assert run(use()) == [0]
    assert list(plain(1)) == [0]
    assert caplog.text.count("runs unwatched: otlp_endpoint") == 4


async def later_one():
    return 1


def test_threads_that_call_a_function_for_the_first_time_all_count(watch):
    @watch("work")
    def work(barrier):
        barrier.wait()

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=work, args=(barrier,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.outcomes() == {("work", "success"): 8}
    assert len(watch.spans()) == 8


def test_mypy_sees_the_function_that_was_watched(tmp_path):
    found, marked = found_and_marked("typed_monitoring.py", tmp_path)
    assert found == marked
