"""What is logged while log records are delivered never becomes a log record."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial

import pytest
from servers.http_peers import resets, says, speaking
from servers.processes import free_port

from sluiceway import BatchBy, Pipeline, Retry, TransientError, processor, sink
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink
from sluiceway.testing import CollectingSink

AT_ONCE = BatchBy(max_events=10, flush_interval=0.001)
SOON = Retry(initial=0.01, maximum=0.01, deadline=0.03)
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nSet-Cookie: \xff=;\xe9\r\n\r\n"


class Remembering(logging.Handler):
    """Every line, whoever logs it."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record)

    def names(self):
        return {line.name for line in self.lines}


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def seen():
    """All lines of the process, of all levels."""
    root, seen = logging.getLogger(), Remembering()
    level = root.level
    root.setLevel(1)
    root.addHandler(seen)
    yield seen
    root.removeHandler(seen)
    root.setLevel(level)


@contextmanager
def all_lines_taken_in(telemetry):
    logging.getLogger().addHandler(telemetry.log_handler)
    yield
    logging.getLogger().removeHandler(telemetry.log_handler)


def taken_in(pipeline):
    return pipeline.ledger().stages["logs"].created


async def deliver(telemetry, end, count=5):
    """Log ``count`` lines one by one, each answered for before the next."""
    with all_lines_taken_in(telemetry):
        async with Pipeline(telemetry.logs >> end) as pipeline:
            for number in range(count):
                logging.getLogger("shop").warning("line %d", number)
                await pipeline.flush()
    return pipeline


@pytest.mark.parametrize("talk", [None, resets, says(BUSY)])
def test_a_dead_or_broken_endpoint_makes_no_records_of_its_own(telemetry, seen, talk):
    async def main():
        if talk is None:
            return await serve(f"http://127.0.0.1:{free_port()}")
        async with speaking(talk) as url:
            return await serve(url)

    async def serve(url):
        return await deliver(telemetry, OtlpSink(url, retry=SOON, batch=AT_ONCE))

    pipeline = asyncio.run(main())
    assert "sluiceway.pipeline" in seen.names()
    assert taken_in(pipeline) == pipeline.ledger().lost == 5
    assert pipeline.ledger().balanced


def test_what_the_loop_in_debug_mode_says_of_an_exporters_connections_is_no_record(
    telemetry, seen
):
    """The endpoint accepts connections and never answers."""

    async def serve(url):
        asyncio.get_running_loop().set_debug(True)
        otlp = OtlpSink(url, timeout=0.05, retry=SOON, batch=AT_ONCE)
        return await deliver(telemetry, otlp)

    with socket.create_server(("127.0.0.1", 0)) as peer:
        pipeline = asyncio.run(serve(f"http://127.0.0.1:{peer.getsockname()[1]}"))
    told = [line.getMessage() for line in seen.lines if line.name == "asyncio"]
    assert any("connected to" in line for line in told)
    assert taken_in(pipeline) == pipeline.ledger().lost == 5


def talk_about(events):
    logging.getLogger("httpx").info("HTTP Request: POST %d", len(events))


def test_a_sink_of_the_applications_own_that_logs_each_write_is_not_fed_by_it(
    telemetry, seen
):
    @sink
    async def exporter(events):
        talk_about(events)
        await asyncio.create_task(asyncio.to_thread(talk_about, events))
        raise TransientError("down")

    pipeline = asyncio.run(deliver(telemetry, exporter))
    assert [line.name for line in seen.lines].count("httpx") == 10
    assert taken_in(pipeline) == 5


def test_an_executor_that_is_given_the_context_feeds_nothing_back(telemetry, seen):
    """It has none of its own."""

    @sink
    async def exporter(events):
        work = partial(copy_context().run, talk_about, events)
        await asyncio.get_running_loop().run_in_executor(None, work)

    pipeline = asyncio.run(deliver(telemetry, exporter))
    assert "httpx" in seen.names()
    assert taken_in(pipeline) == pipeline.ledger().delivered == 5


def test_a_sink_that_blocks_is_not_fed_by_the_lines_of_its_thread(telemetry, seen):
    @sink(blocking=True)
    def exporter(events):
        talk_about(events)

    pipeline = asyncio.run(deliver(telemetry, exporter))
    assert [line.name for line in seen.lines].count("httpx") == 5
    assert taken_in(pipeline) == pipeline.ledger().delivered == 5


def test_a_stage_before_the_sink_is_not_fed_by_its_own_lines(telemetry, seen):
    @processor
    def chatter(record):
        logging.getLogger("stage").info("saw %s", record.body)
        return record

    end = CollectingSink()
    asyncio.run(deliver(telemetry, chatter >> end))
    assert [record.body for record in end.events] == [f"line {n}" for n in range(5)]
    assert "stage" in seen.names()


def test_opening_and_closing_an_exporter_makes_no_records(telemetry, seen):
    class Exporter(CollectingSink):
        async def open(self, context):
            logging.getLogger("exporter").info("opening")
            await super().open(context)

        async def close(self):
            logging.getLogger("exporter").info("closing")

    pipeline = asyncio.run(deliver(telemetry, Exporter()))
    assert [line.name for line in seen.lines].count("exporter") == 2
    assert taken_in(pipeline) == 5
    assert pipeline.ledger().lost == 0


def test_stages_that_deliver_something_else_are_the_applications_code(telemetry, seen):
    """They may log, and what they log is delivered."""

    @sink
    def orders(events):
        logging.getLogger("orders").info("stored %d", len(events))

    async def main():
        ends = CollectingSink()
        pipeline = Pipeline(telemetry.logs >> ends, telemetry.spans >> orders)
        async with pipeline:
            logging.getLogger("orders").addHandler(telemetry.log_handler)
            with telemetry.tracer("t").span("order"):
                pass
            await pipeline.flush()
            await ends.wait_for(1, timeout=10)
        logging.getLogger("orders").removeHandler(telemetry.log_handler)
        return ends.events

    assert [record.body for record in asyncio.run(main())] == ["stored 1"]


def test_a_pipeline_inside_a_stage_works_for_the_outer_sources_too(telemetry, seen):
    inner = []

    @sink
    async def exporter(events):
        other = Telemetry("inner")
        async with Pipeline(other.logs >> relay):
            other.log_handler.handle(logging.makeLogRecord({"msg": "inner"}))

    @sink
    def relay(events):
        inner.extend(events)
        talk_about(events)

    pipeline = asyncio.run(deliver(telemetry, exporter, count=2))
    assert len(inner) == 2
    assert taken_in(pipeline) == 2
