"""The bridges behind the SDK's own processors and reader, and their ends."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import until

from sluiceway import ConfigurationError, Pipeline, TransientError, sink
from sluiceway.bridges import LogBridge, MetricBridge, SpanBridge
from sluiceway.testing import CollectingSink, FailingSink

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


def finished(count):
    """Spans that the SDK has finished."""
    provider = TracerProvider(shutdown_on_exit=False)
    memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("t")
    for number in range(count):
        tracer.start_span(f"span {number}").end()
    provider.shutdown()
    return memory.get_finished_spans()


def names(events):
    return [event.name for event in events]


def test_all_three_signals_of_the_sdk_arrive():
    spans, logs, metrics = SpanBridge(), LogBridge(), MetricBridge()
    end = CollectingSink()
    pipeline = Pipeline(spans.source >> end, logs.source >> end, metrics.source >> end)
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=10))
    loggers = LoggerProvider(shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(logs, 10))
    reader = PeriodicExportingMetricReader(metrics, export_interval_millis=float("inf"))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with pipeline.background():
        with tracers.get_tracer("t").start_as_current_span("order"):
            loggers.get_logger("l").emit(body="paid")
        meters.get_meter("m").create_counter("orders").add(1)
        assert all([tracers.force_flush(), loggers.force_flush(), meters.force_flush()])
        assert all([spans.force_flush(), logs.force_flush(), metrics.force_flush()])
        span = next(e for e in end.events if getattr(e, "name", "") == "order")
        log = next(e for e in end.events if getattr(e, "body", "") == "paid")
        assert any(getattr(e, "name", "") == "orders" for e in end.events)
        assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
        for provider in (tracers, loggers, meters):
            provider.shutdown()
    assert pipeline.ledger().lost == 0
    assert pipeline.ledger().balanced


def test_the_batch_processors_last_spans_arrive_when_it_is_shut_down():
    """Eight threads end spans; nothing is lost or doubled."""
    bridge, end = SpanBridge(), CollectingSink()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(bridge, max_queue_size=10_000))
    tracer = provider.get_tracer("t")

    def work(number):
        for turn in range(500):
            tracer.start_span(f"{number} {turn}").end()

    pipeline = Pipeline(bridge.source >> end)
    with pipeline.background():
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        provider.shutdown()
    assert len(names(end.events)) == len({*names(end.events)}) == 4000
    assert pipeline.ledger().lost == 0


def test_a_source_without_room_takes_what_fits_and_counts_the_others():
    bridge = SpanBridge(capacity=3)
    assert bridge.export(finished(2)) is SUCCESS
    assert bridge.export(finished(4)) is FAILURE
    assert len(bridge.source) == 3
    assert bridge.source.refused() == {"queue_full": 3}
    assert LogBridge().export([]).name == "SUCCESS"
    with pytest.raises(ConfigurationError, match="capacity is 0"):
        MetricBridge(capacity=0)


def test_what_was_exported_before_the_pipeline_starts_is_delivered(run):
    bridge, end = SpanBridge(), CollectingSink()
    bridge.export(finished(3))

    async def main():
        async with Pipeline(bridge.source >> end):
            pass

    run(main())
    assert names(end.events) == ["span 0", "span 1", "span 2"]


def test_after_the_pipeline_has_stopped_spans_are_refused_and_counted(run):
    bridge = SpanBridge()
    pipeline = Pipeline(bridge.source >> CollectingSink())

    async def main():
        async with pipeline:
            pass

    run(main())
    assert bridge.export(finished(2)) is FAILURE
    assert pipeline.ledger().stages["sdk_spans"].dropped == {"closed": 2}
    assert pipeline.ledger().balanced


class Gate:
    """A sink that lets a write pass when told to; writes of some spans never wait."""

    def __init__(self, free=()):
        self.open = threading.Event()
        self.reached = threading.Event()
        self.passed = []

        @sink(blocking=True, max_in_flight=2, batch=None)
        def gate(events):
            if not set(names(events)) <= set(free):
                self.reached.set()
                self.open.wait(20)
            self.passed += names(events)

        self.sink = gate


def test_exporting_goes_on_while_the_backend_hangs_and_a_flush_ends_in_time():
    bridge, gate = SpanBridge(capacity=1000), Gate()
    with Pipeline(bridge.source >> gate.sink).background():
        for _ in range(20):
            assert bridge.export(finished(10)) is SUCCESS
        gate.reached.wait(20)
        assert bridge.force_flush(timeout_millis=20) is False
        assert bridge.force_flush(timeout_millis=0) is False
        assert bridge.force_flush(timeout_millis=-5) is False
        gate.open.set()
        assert bridge.force_flush(timeout_millis=20_000) is True
        assert len(gate.passed) == 200


def test_a_flush_waits_for_its_own_spans_and_for_no_later_ones():
    """The later ones overtake: they have ended and the flush still waits."""
    bridge, gate = SpanBridge(), Gate(free=["later"])
    answers = []
    later = finished(1)[0]
    later._name = "later"

    def flush():
        answers.append(bridge.force_flush(20_000))

    with Pipeline(bridge.source >> gate.sink).background() as background:
        bridge.export(finished(1))
        gate.reached.wait(20)
        bridge.export([later])
        waiting = threading.Thread(target=flush)
        waiting.start()
        while "later" not in gate.passed:
            threading.Event().wait(0.001)
        assert bridge.force_flush(0) is False
        gate.open.set()
        waiting.join(20)
        assert background.pipeline.ledger().delivered == 2
    assert answers == [True]


def test_a_flush_on_the_pipelines_own_loop_only_looks(run):
    bridge, end = SpanBridge(), CollectingSink()

    async def main():
        async with Pipeline(bridge.source >> end) as pipeline:
            assert bridge.force_flush() is True
            bridge.export(finished(1))
            assert bridge.force_flush() is False
            await pipeline.flush()
            await until(bridge.force_flush)
            assert await asyncio.to_thread(bridge.force_flush)

    run(main())
    assert names(end.events) == ["span 0"]


def test_a_flush_without_a_pipeline_does_not_wait_for_one(run):
    bridge = SpanBridge()
    assert bridge.force_flush() is True
    bridge.export(finished(1))
    assert bridge.force_flush(timeout_millis=None) is False

    async def main():
        async with Pipeline(bridge.source >> CollectingSink()):
            pass

    run(main())
    assert bridge.force_flush() is True


def test_a_flush_says_so_if_its_spans_were_lost():
    bridge = SpanBridge()
    with Pipeline(bridge.source >> FailingSink()).background():
        bridge.export(finished(1))
        assert bridge.force_flush() is False
        assert bridge.force_flush() is True  # nothing is left to wait for


def test_a_pipeline_that_is_cut_off_lets_nobody_wait():
    bridge, gate = SpanBridge(), Gate()
    pipeline = Pipeline(bridge.source >> gate.sink)
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(bridge.force_flush(60_000))
    )
    background = pipeline.background().start()
    bridge.export(finished(3))
    gate.reached.wait(20)
    waiting.start()
    background.stop(timeout=0)
    waiting.join(20)
    gate.open.set()
    assert not waiting.is_alive()
    assert answers == [False]
    assert pipeline.ledger().balanced


@pytest.mark.parametrize("before", [True, False])
def test_shutting_a_bridge_down_is_the_end_of_its_input(run, before):
    """A pipeline that has no other source ends by itself."""
    bridge, end = SpanBridge(), CollectingSink()
    bridge.export(finished(3))
    pipeline = Pipeline(bridge.source >> end)

    async def main():
        if before:
            bridge.shutdown()
            return await pipeline.run()
        running = asyncio.create_task(pipeline.run())
        await until(lambda: len(end.events) == 3)
        await asyncio.to_thread(bridge.shutdown, timeout_millis=1)
        return await running

    assert run(main()).drained
    assert len(end.events) == 3
    assert bridge.export(finished(1)) is FAILURE
    assert bridge.source.refused() == {"closed": 1}
    bridge.shutdown()


def test_a_reader_that_is_shut_down_hands_over_its_last_collection():
    """The SDK's reader calls shutdown by another name of the argument."""
    bridge, end = MetricBridge(), CollectingSink()
    reader = PeriodicExportingMetricReader(bridge, export_interval_millis=60_000)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("orders").add(2)
    with Pipeline(bridge.source >> end).background():
        provider.shutdown()
    assert [(e.name, e.value) for e in end.events if e.name == "orders"] == [
        ("orders", 2)
    ]


@pytest.mark.parametrize("client", [False, True])
def test_a_failing_sink_is_not_fed_by_what_is_said_while_it_works(client):
    """The SDK has the root logger's lines; a filter tells those of a sink's client."""
    bridge = LogBridge()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(bridge))
    handler, seen = LoggingHandler(logger_provider=provider), Remembering()

    @sink
    def exporter(records):
        if client:
            logging.getLogger("httpx").warning("HTTP Request: POST")
        raise TransientError("down")

    pipeline = Pipeline(bridge.source >> exporter)
    if client:
        handler.addFilter(bridge)
    root = logging.getLogger()
    root.addHandler(handler)
    root.addHandler(seen)
    with pipeline.background():
        for turn in range(5):
            logging.getLogger("shop").warning("line %d", turn)
            bridge.force_flush()
    root.removeHandler(seen)
    root.removeHandler(handler)
    assert "sluiceway.pipeline" in seen.names
    assert seen.names.count("httpx") == 5 * client
    assert pipeline.ledger().lost == 5
    provider.shutdown()


class Remembering(logging.Handler):
    def __init__(self):
        super().__init__()
        self.names = []

    def emit(self, record):
        self.names.append(record.name)


def outcome(program):
    done = subprocess.run(
        [
            sys.executable,
            "-W",  # Python 3.12 warns of every fork beside a thread; it is the point
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(program),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return sorted(done.stdout.splitlines())


PRELUDE = """
import os
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sluiceway import Pipeline, sink
from sluiceway.bridges import SpanBridge

@sink
def show(spans):
    for span in spans:
        os.write(1, (span.name + "\\n").encode())

bridge = SpanBridge()
"""


def test_at_the_end_of_a_program_everything_arrives():
    """The provider is made after the pipeline has started, so it is shut down first."""
    told = outcome(
        PRELUDE
        + """
Pipeline(bridge.source >> show).background().start()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(bridge))
for number in range(3):
    provider.get_tracer("t").start_span(f"span {number}").end()
"""
    )
    assert told == ["span 0", "span 1", "span 2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_hands_over_its_own_spans_only():
    told = outcome(
        PRELUDE
        + """
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(bridge))
background = Pipeline(bridge.source >> show).background().start()
provider.get_tracer("t").start_span("parent's").end()
child = os.fork()
if child == 0:
    provider.get_tracer("t").start_span("child's").end()
    provider.force_flush()
    assert bridge.force_flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
provider.shutdown()
background.stop()
"""
    )
    assert told == ["child's", "parent's"]
