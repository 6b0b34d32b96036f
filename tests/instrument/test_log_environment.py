"""What the environment says of log records, whichever way they are logged."""

from __future__ import annotations

import logging

import pytest
import structlog

from sluiceway.errors import ConfigurationError
from sluiceway.instrument import LogLimits, StructlogProcessor, Telemetry

pytestmark = pytest.mark.usefixtures("environment")


def by_handler(telemetry, attributes):
    logger = logging.Logger("shop")  # noqa: LOG001 - outside the tree
    logger.addHandler(telemetry.log_handler)
    logger.info("x" * 100, extra=attributes)


def by_api(telemetry, attributes):
    logger = telemetry.logger_provider.get_logger("shop")
    logger.emit(body="x" * 100, attributes=attributes)


def by_structlog(telemetry, attributes):
    processor = StructlogProcessor(telemetry, last=True)
    structlog.BoundLogger(None, [processor], attributes).info("x" * 100)


WAYS = pytest.mark.parametrize("log", [by_handler, by_api, by_structlog])


@WAYS
def test_the_first_attributes_stay_and_the_others_are_counted(log):
    telemetry = Telemetry(log_limits=LogLimits(attributes=5))
    log(telemetry, {f"key {n}": n for n in range(10)})
    (record,) = telemetry.logs._buffer
    assert len(record.attributes) == 5
    extras = [name for name in record.attributes if name.startswith("key")]
    assert extras == [f"key {n}" for n in range(len(extras))]
    assert record.dropped_attributes_count == (8 if log is by_handler else 5)


@WAYS
def test_long_texts_are_cut_wherever_they_stand_and_the_body_is_not(log):
    telemetry = Telemetry(log_limits=LogLimits(attribute_length=3))
    given = {"a": "long text", "b": ["long", 12345, {"c": "text"}], "d": b"bytes"}
    log(telemetry, given)
    (record,) = telemetry.logs._buffer
    told = {name: record.attributes[name] for name in given}
    assert told == {"a": "lon", "b": ["lon", 12345, {"c": "tex"}], "d": b"byt"}
    assert record.body == "x" * 100
    assert record.dropped_attributes_count == 0
    assert given["a"] == "long text"


def test_by_default_there_are_128_of_any_length():
    assert LogLimits.from_environment() == LogLimits()
    assert (LogLimits().attributes, LogLimits().attribute_length) == (128, None)


def test_an_exception_is_not_crowded_out_by_what_is_told_beside_it():
    telemetry = Telemetry(log_limits=LogLimits(attributes=6))
    logger = logging.Logger("shop")  # noqa: LOG001 - outside the tree
    logger.addHandler(telemetry.log_handler)
    many = {f"key {n}": n for n in range(9)}
    logger.error("failed", exc_info=ValueError("no card"), extra=many)
    (record,) = telemetry.logs._buffer
    assert record.attributes["exception.message"] == "no card"
    assert record.dropped_attributes_count == 9


def test_a_variable_of_log_records_wins_over_a_general_one(environment):
    environment(OTEL_ATTRIBUTE_COUNT_LIMIT="7", OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="8")
    assert Telemetry().log_limits == LogLimits(attributes=7, attribute_length=8)
    environment(OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT="0")
    environment(OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT=" 9 ")
    assert Telemetry().log_limits == LogLimits(attributes=0, attribute_length=9)
    given = LogLimits(attributes=1)
    assert Telemetry(log_limits=given).log_limits is given


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "\u0663"])
def test_a_value_that_is_none_is_named_and_ignored(environment, caplog, value):
    environment(OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT=value)
    assert Telemetry().log_limits == LogLimits()
    (line,) = caplog.messages
    assert line.startswith(f"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT is {value!r}")


@pytest.mark.parametrize("wrong", [-1, 1.5, "2", True])
def test_a_limit_from_code_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="attributes is"):
        LogLimits(attributes=wrong)
    with pytest.raises(ConfigurationError, match="attribute_length is"):
        LogLimits(attribute_length=wrong)


@WAYS
def test_what_is_switched_off_takes_nothing_in(log, environment):
    environment(OTEL_SDK_DISABLED="true")
    telemetry = Telemetry("shop")
    log(telemetry, {"n": 1})
    assert len(telemetry.logs) == 0
    assert telemetry.logs.refused() == {}
    assert not telemetry.logger_provider.get_logger("shop").enabled()


@WAYS
def test_a_span_that_is_switched_off_has_no_ids_to_tell(log, environment):
    environment(OTEL_SDK_DISABLED="true")
    off = Telemetry("off")
    environment(OTEL_SDK_DISABLED="")
    telemetry = Telemetry("shop")
    with off.tracer("t").span("nobody"):
        log(telemetry, {"n": 1})
    (record,) = telemetry.logs._buffer
    assert (record.trace_id, record.span_id, record.flags) == (b"", b"", 0)
