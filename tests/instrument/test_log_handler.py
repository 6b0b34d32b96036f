from __future__ import annotations

import asyncio
import logging
import sys

import pytest
from opentelemetry import trace

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.testing import FailingSink


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def logger(telemetry):
    """A logger of its own, whose only handler is the telemetry's."""
    logger = logging.Logger("shop.cart", level=1)  # noqa: LOG001 - outside the tree
    logger.addHandler(telemetry.log_handler)
    return logger


@pytest.fixture
def root(telemetry):
    """The root logger with the telemetry's handler, as applications have it."""
    root = logging.getLogger()
    root.addHandler(telemetry.log_handler)
    yield root
    root.removeHandler(telemetry.log_handler)


def lines(telemetry):
    return list(telemetry.logs._buffer)


def test_a_line_becomes_a_record(telemetry, logger):
    logger.warning("%d cards of %s", 3, "ann", extra={"cart": {"items": [1]}, "n": 2})
    (record,) = lines(telemetry)
    assert record.body == "3 cards of ann"
    assert (record.severity_number, record.severity_text) == (13, "WARNING")
    assert record.attributes["cart"] == {"items": [1]}
    assert record.attributes["n"] == 2
    assert record.attributes["code.function.name"] == "test_a_line_becomes_a_record"
    assert record.attributes["code.file.path"] == __file__
    assert record.attributes["code.line.number"] > 1
    assert record.scope.name == "shop.cart"
    assert record.resource is telemetry.resource
    assert abs(record.time_unix_nano - record.observed_time_unix_nano) < 5e9
    assert (record.trace_id, record.span_id, record.flags) == (b"", b"", 0)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (1, 1),
        (5, 1),
        (9, 4),
        (10, 5),
        (11, 6),
        (19, 8),
        (20, 9),
        (25, 12),
        (30, 13),
        (40, 17),
        (42, 19),
        (50, 21),
        (90, 24),
    ],
)
def test_each_level_has_its_severity(telemetry, logger, level, number):
    logger.log(level, "x")
    assert lines(telemetry)[0].severity_number == number


def test_a_line_in_a_span_carries_its_identity(telemetry, logger):
    with telemetry.tracer("t").span("a") as span:
        logger.info("inside")
    foreign = trace.SpanContext(7, 8, is_remote=False, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(foreign)):
        logger.info("inside another library's")
    ours, theirs = lines(telemetry)
    assert (ours.trace_id, ours.span_id) == span.identity[:2]
    assert ours.flags == 3
    assert theirs.trace_id == bytes(15) + b"\x07"
    assert (theirs.span_id, theirs.flags) == (bytes(7) + b"\x08", 1)


def test_an_exception_is_text(telemetry, logger):
    try:
        {}["card"]
    except KeyError:
        logger.exception("failed")
    logger.error("no exception", exc_info=True)  # noqa: LOG014 - that is the case
    first, second = lines(telemetry)
    assert first.attributes["exception.type"] == "KeyError"
    assert first.attributes["exception.message"] == "'card'"
    assert "in test_an_exception_is_text" in first.attributes["exception.stacktrace"]
    assert "exception.type" not in second.attributes


def test_a_wrong_format_loses_neither_the_line_nor_the_application(telemetry, logger):
    logger.info("%d of %d", "one")  # noqa: PLE1206 - that is the case
    assert lines(telemetry)[0].body == "%d of %d ('one',)"


class Chatty:
    """Its text cannot be made without logging."""

    def __init__(self, logger):
        self.logger = logger

    def __str__(self):
        self.logger.info("making a text of %s", self)
        return "chatty"


def test_a_line_logged_while_a_line_is_handled_does_not_recurse(telemetry, logger):
    logger.info("%s", Chatty(logger))
    assert [record.body for record in lines(telemetry)] == ["chatty"]


def test_sluiceways_own_lines_are_never_taken_in(telemetry, root):
    for name in ("sluiceway", "sluiceway.sinks.otlp"):
        logging.getLogger(name).warning("own")
    logging.getLogger("sluiceways").warning("not own")
    assert [record.body for record in lines(telemetry)] == ["not own"]


def test_a_failing_exporter_does_not_feed_itself(telemetry, root):
    async def main():
        async with Pipeline(telemetry.logs >> FailingSink()) as pipeline:
            logging.getLogger("shop").warning("only this")
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert ledger.balanced
    assert ledger.lost == 1


def test_filters_and_levels_work_as_for_any_handler(telemetry, logger):
    def deny(line):
        return "secret" not in line.getMessage()

    telemetry.log_handler.addFilter(deny)
    telemetry.log_handler.setLevel(logging.INFO)
    logger.info("secret")
    logger.debug("small")
    logger.info("open")
    assert [record.body for record in lines(telemetry)] == ["open"]


def test_a_full_source_refuses_lines_at_once_and_counts_them(telemetry, logger, capsys):
    telemetry.logs.stop()
    logger.error("too late")
    assert telemetry.logs.refused() == {"closed": 1}
    assert capsys.readouterr().err == ""


def test_an_extra_of_the_applications_own_kind_becomes_text(telemetry, logger):
    logger.info("x", extra={"where": sys.version_info, "what": object})
    attributes = lines(telemetry)[0].attributes
    assert attributes["where"] == list(sys.version_info)
    assert attributes["what"] == "<class 'object'>"
