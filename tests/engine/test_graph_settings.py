"""Settings that cannot mean anything: refused with field, value and expectation."""

import math

import pytest

from sluiceway import (
    Accumulator,
    BatchBy,
    ConfigurationError,
    Inlet,
    Pipeline,
    Processor,
    Queue,
    Retry,
    Sampler,
    Sink,
    Source,
    Span,
    processor,
    sampler,
    sink,
    source,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink, ManualClock

NAN = math.nan


def refused(build):
    with pytest.raises(ConfigurationError) as error:
        build()
    return str(error.value)


def piped(*stages):
    chain = IterableSource([1])
    for stage in stages:
        chain = chain >> stage
    return Pipeline(chain)


@pytest.mark.parametrize(
    ("build", "field", "value", "expected"),
    [
        (lambda: Queue(capacity=0), "Queue.capacity", "0", "from 1"),
        (lambda: Queue(capacity=1.5), "Queue.capacity", "1.5", "whole number"),
        (lambda: Queue(capacity=True), "Queue.capacity", "True", "whole number"),
        (lambda: Queue(when_full="blok"), "Queue.when_full", "'blok'", "mean 'block'"),
        (lambda: Queue(max_bytes=0), "Queue.max_bytes", "0", "or None"),
        (
            lambda: Queue(max_bytes=4, size=5),
            "Queue.size",
            "5",
            "a plain function of one",
        ),
        (
            lambda: BatchBy(size="x"),
            "BatchBy.size",
            "'x'",
            "a plain function of one event",
        ),
        (lambda: BatchBy(0), "BatchBy.max_events", "0", "from 1"),
        (lambda: BatchBy(max_bytes=-1), "BatchBy.max_bytes", "-1", "from 1"),
        (lambda: BatchBy(flush_interval=-1), "flush_interval", "-1", "from 0"),
        (lambda: BatchBy(flush_interval=NAN), "flush_interval", "nan", "a number"),
        (lambda: BatchBy(flush_interval="1"), "flush_interval", "'1'", "a number"),
        (lambda: Retry(initial=-0.1), "Retry.initial", "-0.1", "from 0"),
        (lambda: Retry(multiplier=0.5), "Retry.multiplier", "0.5", "from 1"),
        (lambda: Retry(maximum=None), "Retry.maximum", "None", "a number"),
        (lambda: Retry(deadline=NAN), "Retry.deadline", "nan", "a number"),
        (lambda: Inlet(capacity=0), "Inlet.capacity", "0", "from 1"),
        (lambda: Inlet(capacity=True), "Inlet.capacity", "True", "whole number"),
        (lambda: Inlet(capacity=None), "Inlet.capacity", "None", "whole number"),
    ],
)
def test_a_record_of_settings_names_field_value_and_expectation(
    build, field, value, expected
):
    message = refused(build)
    assert field in message
    assert f"is {value}" in message
    assert expected in message


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_in_flight": 0}, "a whole number from 1"),
        ({"max_in_flight": True}, "a whole number from 1"),
        ({"timeout": 0}, "seconds above 0"),
        ({"timeout": "5"}, "seconds above 0"),
        ({"timeout": NAN}, "seconds above 0"),
        ({"timeout": True}, "seconds above 0"),
        ({"retry": 3}, "a Retry"),
        ({"batch": 100}, "a BatchBy"),
        ({"queue": 100}, "a Queue"),
    ],
)
def test_a_sink_names_itself_and_the_setting_that_it_refuses(settings, expected):
    ((name, value),) = settings.items()
    message = refused(lambda: piped(CollectingSink(name="out", **settings)))
    assert f"out.{name} is {value!r}" in message
    assert expected in message


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, None])
def test_a_processor_refuses_workers_that_are_no_count(workers):
    @processor(workers=workers)
    def step(event):
        return event

    message = refused(lambda: piped(step, CollectingSink()))
    assert f"step.workers is {workers!r}" in message


@pytest.mark.parametrize("setting", ["blocking", "mutates", "stateful"])
@pytest.mark.parametrize("value", [None, 1, "no"])
def test_a_processor_refuses_a_setting_that_is_neither_true_nor_false(setting, value):
    @processor(**{setting: value})
    def step(event):
        return event

    message = refused(lambda: piped(step, CollectingSink()))
    assert f"step.{setting} is {value!r}; expected True or False" in message


@pytest.mark.parametrize(
    ("setting", "value", "meant"),
    [("acknowledge", "on_outptu", "on_output"), ("left_out", "sampled", "sampled_out")],
)
def test_an_accumulator_refuses_a_word_that_its_setting_does_not_know(
    setting, value, meant
):
    class Sums(Accumulator):
        def add(self, events, now):
            return []

    setattr(Sums, setting, value)
    message = refused(lambda: piped(Sums(), CollectingSink()))
    assert f"Sums.{setting} is {value!r}; expected one of" in message
    assert f"did you mean {meant!r}?" in message


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_a_pipeline_refuses_a_drain_on_sigterm_that_is_neither_true_nor_false(value):
    chain = IterableSource([1]) >> CollectingSink()
    message = refused(lambda: Pipeline(chain, drain_on_sigterm=value))
    assert f"Pipeline.drain_on_sigterm is {value!r}" in message


@pytest.mark.parametrize("settings", [Queue, BatchBy])
def test_a_size_that_would_have_to_be_awaited_is_refused(settings):
    async def size(event):
        return 1

    assert "expected a plain function" in refused(lambda: settings(size=size))


def test_an_accumulator_refuses_workers():
    class Sums(Accumulator):
        workers = 2

        def add(self, events, now):
            return []

    assert "Sums.workers is 2" in refused(lambda: piped(Sums(), CollectingSink()))


@pytest.mark.parametrize("seconds", [-1, NAN, None, "20", True])
def test_a_pipeline_refuses_a_drain_timeout_that_is_no_time(seconds):
    chain = IterableSource([1]) >> CollectingSink()
    message = refused(lambda: Pipeline(chain, drain_timeout=seconds))
    assert f"Pipeline.drain_timeout is {seconds!r}" in message


@pytest.mark.parametrize("name", [None, "", 5, "two\nlines"])
def test_a_pipeline_refuses_a_name_that_no_line_can_hold(name):
    chain = IterableSource([1]) >> CollectingSink()
    message = refused(lambda: Pipeline(chain, name=name))
    assert f"Pipeline.name is {name!r}; expected one line of text" in message


@pytest.mark.parametrize("resource", ["x", {"service.name": "x"}, 5])
def test_a_pipeline_refuses_a_resource_that_is_none(resource):
    chain = IterableSource([1]) >> CollectingSink()
    message = refused(lambda: Pipeline(chain, resource=resource))
    assert f"Pipeline.resource is {resource!r}; expected a Resource" in message


@pytest.mark.parametrize("clock", [5, None, math, ManualClock])
def test_a_pipeline_refuses_a_clock_that_tells_no_time(clock):
    chain = IterableSource([1]) >> CollectingSink()
    message = refused(lambda: Pipeline(chain, clock=clock))
    assert f"Pipeline.clock is {clock!r}" in message
    assert "now(), time_ns(), call_at() and sleep()" in message


@pytest.mark.parametrize("name", ["two\nlines", "a\tb", "\x1b[2J", "\ud800", 5, ""])
def test_a_name_that_no_graph_can_show_is_refused(name):
    message = refused(lambda: piped(CollectingSink(name=name)))
    assert f"CollectingSink.name is {name!r}" in message
    assert "one line of text" in message


@pytest.mark.parametrize("decorate", [source, processor, sampler, sink])
def test_a_decorator_refuses_a_setting_that_it_does_not_know(decorate):
    def stage(event):
        return event

    message = refused(lambda: decorate(nam="x")(stage))
    assert "nam=" in message
    assert "did you mean 'name'" in message


def test_an_async_sampler_is_refused_by_name():
    async def patient(event):
        return True

    assert "sampler patient is async" in refused(lambda: sampler(patient))


class AsyncSampler(Sampler):
    async def sample(self, events, now):
        return events


class SyncSource(Source):
    def run(self, send):
        return None


class AsyncAccumulator(Accumulator):
    async def add(self, events, now):
        return events


class Holding(Accumulator):
    def __init__(self):
        self.held = []

    def add(self, events, now):
        self.held += events
        return []


def test_data_that_hides_a_method_is_refused():
    told = r"Holding\.held is \[\], which hides the method that the engine calls"
    with pytest.raises(ConfigurationError, match=told):
        piped(Holding(), CollectingSink())


class AsyncBlocking(Sink):
    blocking = True

    async def write(self, events):
        return None


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: piped(AsyncSampler(), CollectingSink()), "AsyncSampler.sample"),
        (lambda: piped(AsyncAccumulator(), CollectingSink()), "AsyncAccumulator.add"),
        (lambda: Pipeline(SyncSource() >> CollectingSink()), "SyncSource.run"),
        (lambda: piped(AsyncBlocking()), "AsyncBlocking.blocking"),
    ],
)
def test_a_method_of_the_wrong_colour_is_refused_by_name(build, words):
    message = refused(build)
    assert words in message
    assert "def" in message


class Untyped(Sink):
    async def write(self, events):
        return None


class Spans(Sink[Span]):
    async def write(self, events):
        return None


def sized(kind, **settings):
    stage = kind()
    vars(stage).update(settings)
    return stage


BOUNDED = Queue(max_bytes=100)


def test_a_byte_bound_of_a_queue_without_a_size_is_refused():
    message = refused(lambda: piped(sized(Untyped, queue=BOUNDED)))
    assert "Untyped.queue has max_bytes" in message
    assert "size=" in message


def test_a_byte_bound_of_a_sink_batch_without_a_size_is_refused():
    message = refused(lambda: piped(sized(Untyped, batch=BatchBy(max_bytes=100))))
    assert "Untyped.batch has max_bytes" in message


def test_a_byte_bound_of_a_batching_stage_without_a_size_is_refused():
    message = refused(lambda: piped(BatchBy(max_bytes=100), Untyped()))
    assert "max_bytes" in message
    assert "size=" in message


@pytest.mark.parametrize(
    "build",
    [
        lambda: sized(Untyped, queue=Queue(max_bytes=100, size=len)),
        lambda: sized(Spans, queue=BOUNDED),
        lambda: sized(Spans, batch=BatchBy(max_bytes=100)),
        lambda: BatchBy(max_bytes=100, size=len) >> Untyped(),
        lambda: BatchBy(max_bytes=100) >> Spans(),
    ],
)
def test_a_byte_bound_with_a_size_from_somewhere_is_taken(build):
    assert Pipeline(IterableSource([1]) >> build()).graph()


def test_a_byte_bound_is_taken_where_a_function_declares_events_with_a_size():
    @sink(queue=BOUNDED)
    async def write(spans: list[Span]):
        pass

    assert piped(write).graph()


class Doubles(Processor):
    workers = 3

    def process(self, events):
        return events


def test_workers_of_a_class_are_taken():
    assert piped(Doubles(), CollectingSink()).graph()
