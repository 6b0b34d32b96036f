"""A ``LogHandler`` beside OpenTelemetry's own: each line is taken once."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.instrumentation.logging.handler import LoggingHandler

from sluiceway.instrument import LogHandler, Telemetry


@pytest.fixture
def telemetry():
    return Telemetry("shop")


@pytest.fixture
def logger():
    """One that passes nothing on to pytest's handlers."""
    logger = logging.Logger("shop")  # noqa: LOG001 - nobody else may know it
    logger.propagate = False
    return logger


@pytest.fixture(params=["ours first", "theirs first"])
def both(request, telemetry, logger):
    """The logger with both handlers; ours and theirs."""
    ours = LogHandler(telemetry)
    theirs = LoggingHandler(logger_provider=telemetry.logger_provider)
    pair = [ours, theirs]
    for handler in pair if request.param == "ours first" else pair[::-1]:
        logger.addHandler(handler)
    return ours, theirs


def bodies(telemetry):
    return [record.body for record in telemetry.logs._buffer]


@pytest.mark.usefixtures("both")
def test_a_line_is_taken_once_whichever_handler_comes_first(telemetry, logger):
    for number in range(3):
        logger.warning("order %d", number)
    assert bodies(telemetry) == ["order 0", "order 1", "order 2"]


@pytest.mark.parametrize("quiet", [0, 1])
def test_a_line_that_one_of_them_does_not_take_comes_from_the_other(
    telemetry, logger, both, quiet
):
    both[quiet].setLevel(logging.ERROR)
    logger.warning("low")
    logger.error("high")
    assert bodies(telemetry) == ["low", "high"]


@pytest.mark.usefixtures("both")
def test_lines_of_one_moment_are_all_taken(telemetry, logger):
    for body in ("a", "a", "b"):
        line = logger.makeRecord("shop", 30, "x.py", 1, body, (), None)
        line.created = 1_700_000_000.25
        logger.handle(line)
    assert bodies(telemetry) == ["a", "a", "b"]


def test_what_is_told_to_two_telemetries_reaches_both(telemetry, logger):
    other = Telemetry("other")
    logger.addHandler(LogHandler(telemetry))
    logger.addHandler(LoggingHandler(logger_provider=other.logger_provider))
    logger.warning("order")
    assert bodies(telemetry) == bodies(other) == ["order"]


def test_a_record_of_the_same_moment_by_another_way_twice_is_two(telemetry):
    api = telemetry.logger_provider.get_logger("shop")
    for body in ("a", "b"):
        api.emit(timestamp=5, body=body)
    assert bodies(telemetry) == ["a", "b"]
