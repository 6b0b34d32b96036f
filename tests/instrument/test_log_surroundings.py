"""The log handler as applications have it: queues, threads, configuration, forks."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import logging.handlers
import os
import queue
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import pytest

from sluiceway import Pipeline
from sluiceway.instrument import LogHandler, Telemetry, stamp_trace
from sluiceway.testing import CollectingSink

TELEMETRY = Telemetry("configured")


@pytest.fixture
def telemetry():
    return Telemetry("shop")


def alone(*handlers):
    """A logger outside the tree, with these handlers."""
    logger = logging.Logger("shop.cart", level=1)  # noqa: LOG001 - outside the tree
    for handler in handlers:
        logger.addHandler(handler)
    return logger


def lines(telemetry):
    return list(telemetry.logs._buffer)


@pytest.fixture
def queued(telemetry):
    """A logger whose lines reach the telemetry on a listener's thread."""
    between = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(between)
    front.addFilter(stamp_trace)
    listener = logging.handlers.QueueListener(between, telemetry.log_handler)
    return alone(front), listener


def test_a_line_through_a_queue_keeps_its_trace_its_time_and_its_extra(
    telemetry, queued
):
    logger, listener = queued
    with telemetry.tracer("t").span("a") as span:
        logger.warning("%d cards", 3, extra={"n": 1})
    logger.warning("outside")
    listener.start()
    listener.stop()
    inside, outside = lines(telemetry)
    assert (inside.trace_id, inside.span_id) == span.identity[:2]
    assert inside.flags == 1
    assert (inside.body, inside.attributes["n"]) == ("3 cards", 1)
    assert not [name for name in inside.attributes if name.startswith("otel")]
    assert (outside.trace_id, outside.span_id, outside.flags) == (b"", b"", 0)
    assert inside.time_unix_nano <= inside.observed_time_unix_nano


def test_an_exception_through_a_queue_is_in_the_message(telemetry, queued):
    logger, listener = queued
    listener.start()
    try:
        {}["card"]
    except KeyError:
        logger.exception("failed")
    listener.stop()
    (record,) = lines(telemetry)
    assert record.body.startswith("failed\nTraceback")
    assert record.body.endswith("KeyError: 'card'")


@pytest.mark.parametrize("noted", ["0", "xyz", "abcd", None, 7, "ab" * 16])
def test_a_trace_that_was_noted_wrongly_is_none(telemetry, noted):
    logger = alone(telemetry.log_handler)
    logger.info("x", extra={"otelTraceID": noted, "otelSpanID": noted})
    (record,) = lines(telemetry)
    assert (record.trace_id, record.span_id) == (b"", b"")


def test_formats_can_name_the_stamped_trace(telemetry, capsys):
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(
        logging.Formatter("%(otelTraceID)s %(otelSpanID)s %(message)s")
    )
    console.addFilter(stamp_trace)
    logger = alone(console)
    with telemetry.tracer("t").span("a") as span:
        logger.info("in")
    logger.info("out")
    trace_id, span_id = span.identity[:2]
    told = f"{trace_id.hex()} {span_id.hex()} in\n0 0 out\n"
    assert capsys.readouterr().out == told


def test_eight_threads_lose_and_double_nothing(telemetry):
    """More lines than the source takes while no pipeline runs: refused and counted."""
    each, capacity = 15_000, 100_000
    logger = alone(telemetry.log_handler)
    begin = threading.Barrier(8)

    def work(number):
        begin.wait()
        for turn in range(each):
            logger.info("line", extra={"worker": number, "turn": turn})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = Counter(
        (r.attributes["worker"], r.attributes["turn"]) for r in lines(telemetry)
    )
    assert max(taken.values()) == 1
    assert len(taken) + telemetry.logs.refused()["queue_full"] == 8 * each
    assert capacity <= len(taken) < capacity + 8


def test_lines_of_threads_and_of_the_loop_are_delivered_in_the_order_of_each(telemetry):
    logger = alone(telemetry.log_handler)

    def work(number):
        for turn in range(500):
            logger.info("line", extra={"worker": number, "turn": turn})

    async def main():
        end = CollectingSink()
        async with Pipeline(telemetry.logs >> end) as pipeline:
            await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(8)))
        return pipeline, end.events

    pipeline, events = asyncio.run(main())
    for number in range(8):
        turns = [
            e.attributes["turn"] for e in events if e.attributes["worker"] == number
        ]
        assert turns == list(range(500))
    assert pipeline.ledger().balanced


def test_a_line_in_a_signal_handlers_place_never_waits_for_a_lock(telemetry):
    """Nothing is held while a line is handled: a handler may be entered anywhere."""
    logger = alone(telemetry.log_handler)
    telemetry.log_handler.acquire()
    other = threading.Thread(target=logger.info, args=("from a thread",))
    other.start()
    other.join(10)
    telemetry.log_handler.release()
    assert not other.is_alive()
    assert [record.body for record in lines(telemetry)] == ["from a thread"]


@pytest.mark.parametrize(
    "handler",
    [
        {
            "()": "sluiceway.instrument.LogHandler",
            "telemetry": f"ext://{__name__}.TELEMETRY",
        },
        {"()": lambda: TELEMETRY.log_handler},
    ],
)
def test_a_configuration_can_name_the_handler(handler):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"stamp": {"()": lambda: stamp_trace}},
            "formatters": {"short": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "telemetry": {
                    **handler,
                    "level": "INFO",
                    "formatter": "short",
                    "filters": ["stamp"],
                }
            },
            "loggers": {"configured": {"level": "DEBUG", "handlers": ["telemetry"]}},
        }
    )
    logger = logging.getLogger("configured")
    before = len(TELEMETRY.logs)
    logger.debug("small")
    logger.info("large")
    (given,) = logger.handlers
    logger.removeHandler(given)
    given.setFormatter(None)
    assert isinstance(given, LogHandler)
    assert [record.body for record in lines(TELEMETRY)[before:]] == ["INFO large"]


def test_a_handler_that_was_closed_by_another_configuration_goes_on(telemetry):
    telemetry.log_handler.close()
    telemetry.log_handler.flush()
    alone(telemetry.log_handler).info("still here")
    assert [record.body for record in lines(telemetry)] == ["still here"]


def outcome(program):
    """What a program prints; it must end well and complain of nothing."""
    done = subprocess.run(
        # Python 3.12 warns of every fork beside a thread; here that is the point.
        [
            sys.executable,
            "-W",
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
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_childs_lines_are_of_the_child_and_the_parents_of_the_parent():
    """Forked while another thread logs without a pause."""
    told = outcome(
        """
        import logging, os, threading
        from sluiceway.instrument import Telemetry

        telemetry = Telemetry("shop")
        logging.getLogger().addHandler(telemetry.log_handler)
        logging.warning("the parent's")
        stop = threading.Event()

        def chat():
            while not stop.is_set():
                logging.getLogger("chat").warning("on and on")

        thread = threading.Thread(target=chat)
        thread.start()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            logging.warning("the child's")
            told = [(r.body, r.resource.attributes["process.pid"] == os.getpid())
                    for r in telemetry.logs._buffer]
            os.write(write, repr(told).encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        stop.set()
        thread.join()
        print(os.read(read, 10_000).decode())
        print([(r.body, r.resource.attributes["process.pid"] == os.getpid())
               for r in telemetry.logs._buffer if r.scope.name != "chat"])
        """
    )
    assert told == ['[("the child\'s", True)]', '[("the parent\'s", True)]']


def test_lines_while_the_program_ends_do_no_harm():
    """At exit, in a ``__del__`` of the last garbage, and in a daemon thread."""
    told = outcome(
        """
        import atexit, logging, sys, threading
        from sluiceway import Pipeline, sink
        from sluiceway.instrument import Telemetry

        @sink
        def show(records):
            for record in records:
                print(record.body, flush=True)

        class Late:
            def __del__(self):
                log.error("last words", exc_info=ValueError("late"))

        telemetry = Telemetry("shop")
        log = logging.getLogger("late")
        log.addHandler(telemetry.log_handler)
        log.propagate = False
        atexit.register(log.error, "after the pipeline")
        background = Pipeline(telemetry.logs >> show).background().start()
        atexit.register(log.error, "at exit")
        sys.late = Late()
        late = Late()
        late.me = late
        """
    )
    assert told == ["at exit"]


def test_a_program_whose_backend_is_down_logs_on_and_ends_in_time():
    """At the end the drain's deadline counts, not that of a retry."""
    told = outcome(
        """
        import logging, socket
        from sluiceway import Pipeline
        from sluiceway.instrument import Telemetry
        from sluiceway.sinks import OtlpSink

        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))  # bound, and nobody listens
        telemetry = Telemetry("shop")
        otlp = OtlpSink(f"http://127.0.0.1:{probe.getsockname()[1]}")
        pipeline = Pipeline(telemetry.logs >> otlp, drain_timeout=0.3)
        logging.getLogger().addHandler(telemetry.log_handler)
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("sluiceway").propagate = False
        logging.getLogger("sluiceway").addHandler(logging.NullHandler())
        with pipeline.background():
            for number in range(20_000):
                logging.getLogger("shop").info("line %d", number)
        ledger = pipeline.ledger()
        print(ledger.balanced, ledger.delivered, ledger.lost)
        """
    )
    assert told == ["True 0 20000"]
