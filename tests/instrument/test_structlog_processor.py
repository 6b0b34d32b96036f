"""Real structlog chains with our processor in them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime

import pytest
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import CapturingLogger

from sluiceway import Pipeline, sink
from sluiceway.instrument import StructlogProcessor, Telemetry
from sluiceway.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def printed():
    return CapturingLogger()


@pytest.fixture
def chain(telemetry, printed):
    """Makes a logger whose chain is the given processors, then ours."""

    def make(*before, last=True, wrapper=None, wrapped=printed):
        ours = StructlogProcessor(telemetry, last=last)
        return structlog.wrap_logger(
            wrapped,
            processors=[*before, ours],
            wrapper_class=wrapper or structlog.make_filtering_bound_logger(0),
        )

    return make


def records(telemetry):
    return list(telemetry.logs._buffer)


def only(telemetry):
    (record,) = records(telemetry)
    return record


def test_an_event_becomes_a_record(telemetry, chain, clock):
    log = chain().bind(shop="north")
    log.warning("paid", cart={"items": (1, 2)}, **{"otel.event.name": "shop.paid"})
    record = only(telemetry)
    assert record.body == "paid"
    assert (record.severity_number, record.severity_text) == (13, "warning")
    assert record.attributes == {"shop": "north", "cart": {"items": [1, 2]}}
    assert record.event_name == "shop.paid"
    assert record.time_unix_nano == record.observed_time_unix_nano == clock.time_ns()
    assert record.resource is telemetry.resource


def test_as_the_last_processor_it_ends_the_chain(telemetry, chain, printed):
    assert chain().info("quiet") is None
    assert printed.calls == []
    assert only(telemetry).body == "quiet"


def test_elsewhere_it_passes_the_event_on_as_it_came(telemetry, printed):
    seen = []

    def look(logger, method, event):
        seen.append((event, dict(event)))
        return event

    log = structlog.wrap_logger(
        printed,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            look,
            StructlogProcessor(telemetry),
            look,
            structlog.processors.KeyValueRenderer(),
        ],
    )
    log.info("paid", sum=3)
    (before, copy), (after, _) = seen
    assert after is before
    assert after == copy
    assert printed.calls[0].args[0].startswith("sum=3 event='paid' level='info'")
    assert only(telemetry).attributes == {"sum": 3}


@pytest.mark.parametrize(
    ("method", "level", "number"),
    [
        ("debug", "debug", 5),
        ("info", "info", 9),
        ("warn", "warning", 13),
        ("warning", "warning", 13),
        ("error", "error", 17),
        ("exception", "error", 17),
        ("critical", "critical", 21),
        ("fatal", "critical", 21),
    ],
)
def test_each_method_has_its_severity(telemetry, chain, method, level, number):
    getattr(chain(), method)("x")
    getattr(chain(structlog.processors.add_log_level), method)("x")
    for record in records(telemetry):
        assert (record.severity_text, record.severity_number) == (level, number)
        assert record.attributes == {}


def test_a_level_that_only_its_number_tells(telemetry, chain):
    log = chain(structlog.stdlib.add_log_level_number)
    log.log(30, "x")
    chain().info("y", level="notice", level_number=25)
    chain().info("z", level=7)
    x, y, z = records(telemetry)
    assert (x.severity_number, x.attributes) == (13, {})
    assert (y.severity_text, y.severity_number) == ("notice", 12)
    assert (z.severity_text, z.attributes) == ("info", {"level": 7})


@pytest.mark.parametrize(
    "stamper",
    [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.TimeStamper(fmt="iso", utc=False),
        structlog.processors.TimeStamper(fmt=None),
    ],
    ids=["utc", "local", "seconds"],
)
def test_the_time_is_what_a_stamper_has_noted(telemetry, chain, stamper):
    before = datetime.now(UTC).timestamp()
    chain(stamper).info("x")
    record = only(telemetry)
    assert before - 1e-6 <= record.time_unix_nano / 1e9
    assert record.time_unix_nano / 1e9 <= datetime.now(UTC).timestamp() + 1e-6
    assert record.attributes == {}


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001_000),
        ("2023-11-14T23:13:20.000001+01:00", 1_700_000_000_000_001_000),
        (1_700_000_000.25, 1_700_000_000_250_000_000),
        (1_700_000_000, 1_700_000_000_000_000_000),
    ],
)
def test_a_time_is_exact_to_the_microsecond(telemetry, chain, stamp, nanoseconds):
    chain().info("x", timestamp=stamp)
    assert only(telemetry).time_unix_nano == nanoseconds


@pytest.mark.parametrize(
    "stamp", ["14 Nov", "", "0001-01-01T00:00:00", float("nan"), -5, True, None, 1e300]
)
def test_a_time_that_is_none_stays_an_attribute(telemetry, chain, clock, stamp):
    chain().info("x", timestamp=stamp)
    record = only(telemetry)
    assert record.time_unix_nano == clock.time_ns()
    assert record.attributes["timestamp"] is stamp


def failing():
    try:
        return {}["card"]
    except KeyError as error:
        return error


@pytest.mark.parametrize("form", ["method", "true", "error", "tuple"])
def test_an_exception_is_told_as_opentelemetry_does(telemetry, chain, form):
    log = chain()
    try:
        {}["card"]
    except KeyError as error:
        if form == "method":
            log.exception("failed")
        else:
            given = {"true": True, "error": error, "tuple": sys.exc_info()}
            log.error("failed", exc_info=given[form])  # noqa: TRY400 - the cases
        stack = "".join(traceback.format_exception(error))
    assert only(telemetry).attributes == {
        "exception.type": "KeyError",
        "exception.message": "'card'",
        "exception.stacktrace": stack,
    }


def test_exc_info_without_an_exception_tells_nothing(telemetry, chain):
    chain().error("failed", exc_info=True)
    chain().error("failed", exc_info=False)
    assert [record.attributes for record in records(telemetry)] == [{}, {}]


def test_an_exception_that_was_formatted_before_is_kept(telemetry, chain):
    chain(structlog.processors.format_exc_info).error("failed", exc_info=failing())
    chain(structlog.processors.dict_tracebacks).error("failed", exc_info=failing())
    text, frames = (record.attributes for record in records(telemetry))
    assert "KeyError: 'card'" in text["exception.stacktrace"]
    assert "exception" not in text
    assert frames["exception.type"] == "KeyError"
    assert frames["exception.message"] == "'card'"
    assert frames["exception"][0]["frames"][0]["name"] == "failing"


def test_call_sites_and_stacks_have_the_conventions_names(telemetry, chain):
    adder = structlog.processors.CallsiteParameterAdder()
    log = chain(adder, structlog.processors.StackInfoRenderer())
    log.info("x", stack_info=True)
    attributes = only(telemetry).attributes
    assert attributes["code.file.path"] == __file__
    assert attributes["code.function.name"].startswith("test_call_sites")
    assert attributes["code.line.number"] > 1
    assert "test_call_sites" in attributes["code.stacktrace"]
    assert not {"pathname", "func_name", "lineno", "stack"} & set(attributes)


def test_context_variables_that_were_merged_are_attributes(telemetry, chain):
    with bound_contextvars(request_id="r1"):
        chain(merge_contextvars).info("x", n=1)
    assert only(telemetry).attributes == {"request_id": "r1", "n": 1}


def test_the_trace_is_that_of_the_current_span_in_tasks_and_threads_too(
    telemetry, chain
):
    log = chain()

    async def main():
        with telemetry.tracer("t").span("a") as span:
            log.info("here")
            await log.ainfo("on a thread")
            await asyncio.create_task(log.ainfo("in a task"))
        log.info("outside")
        return span.identity

    trace_id, span_id, *_ = asyncio.run(main())
    *inside, outside = records(telemetry)
    assert [(r.trace_id, r.span_id, r.flags) for r in inside] == [
        (trace_id, span_id, 3)
    ] * 3
    assert outside.trace_id == b""


def test_a_standard_logger_behind_it_names_the_scope(telemetry, chain):
    wrapped = logging.Logger("shop.cart")  # noqa: LOG001 - outside the tree
    log = chain(wrapper=structlog.stdlib.BoundLogger, wrapped=wrapped)
    log.info("%d cards of %s", 3, "ann")
    log.info("%d cards of %s", "one")  # noqa: PLE1206 - that is the case
    chain(structlog.stdlib.add_logger_name, wrapped=wrapped).info("x")
    first, second, third = records(telemetry)
    assert {record.scope.name for record in records(telemetry)} == {"shop.cart"}
    assert (first.body, first.attributes) == ("3 cards of ann", {})
    assert second.attributes == {"positional_args": ["one"]}
    assert third.attributes == {}


def test_in_a_formatter_it_takes_the_standard_loggings_lines_too(telemetry):
    handler = logging.NullHandler()
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            StructlogProcessor(telemetry),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[structlog.stdlib.add_log_level],
    )
    handler.setFormatter(formatter)
    line = logging.LogRecord("far", 30, "", 1, "%d cards", (3,), None)
    assert handler.format(line) == '{"event": "3 cards", "level": "warning"}'
    record = only(telemetry)
    assert (record.body, record.severity_number) == ("3 cards", 13)
    assert (record.scope.name, record.attributes) == ("far", {})


class Broken:
    def __repr__(self):
        raise RuntimeError("no text")


def test_odd_values_cost_neither_the_event_nor_the_application(telemetry, chain):
    log = chain()
    log.info(Broken(), a=Broken(), b={1: object}, exc_info=ValueError(Broken()))
    log.info({"structured": 1})
    ours = StructlogProcessor(telemetry, last=True)
    structlog.BoundLogger(None, [ours], {"bare": 1}).info()
    log.info("x", exception=[7], positional_args="%")
    first, second, third, fourth = records(telemetry)
    assert first.body == first.attributes["a"] == "<unprintable Broken>"
    assert first.attributes["b"] == {"1": "<class 'object'>"}
    assert first.attributes["exception.message"] == "<unprintable ValueError>"
    assert second.body == {"structured": 1}
    assert (third.body, third.attributes) == (None, {"bare": 1})
    assert fourth.attributes == {"exception": [7], "positional_args": "%"}


def test_a_sink_that_logs_with_structlog_does_not_feed_itself(telemetry, chain):
    log = chain()

    @sink
    def exporter(events):
        log.info("exporting", count=len(events))

    async def main():
        async with Pipeline(telemetry.logs >> exporter) as pipeline:
            log.info("x")
            await pipeline.flush()
        return pipeline.ledger()

    assert asyncio.run(main()).delivered == 1


def test_structlog_is_not_imported_by_us():
    code = "import sluiceway.instrument, sys; print('structlog' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
