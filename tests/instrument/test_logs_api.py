"""OpenTelemetry's logs API, as its own package calls it and as others' handlers do."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import textwrap
import threading

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber, get_logger
from opentelemetry.context import Context
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource as SdkResource

from sluiceway import Pipeline, sink
from sluiceway.instrument import Telemetry
from sluiceway.testing import ManualClock

FAR = trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1))
FAR_IDS = (bytes(15) + b"\x07", bytes(7) + b"\x08", 1)
NO_IDS = (b"", b"", 0)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry("shop", clock=clock)


@pytest.fixture
def logger(telemetry):
    return telemetry.logger_provider.get_logger("shop.cart", "1.2")


def only(telemetry):
    (record,) = telemetry.logs._buffer
    return record


def ids(record):
    return record.trace_id, record.span_id, record.flags


FIELDS = {
    "timestamp": 5,
    "observed_timestamp": 6,
    "severity_number": SeverityNumber.WARN2,
    "severity_text": "notice",
    "body": {"card": [1, None, b"raw", {"deep": 2.5}]},
    "attributes": {"n": 1, "tags": ("a", "b")},
    "event_name": "shop.paid",
}


@pytest.mark.parametrize("spelling", ["fields", "record", "the SDK's record"])
def test_a_record_arrives_with_every_field(telemetry, logger, spelling):
    with trace.use_span(trace.NonRecordingSpan(FAR)):
        if spelling == "fields":
            logger.emit(**FIELDS)
        elif spelling == "record":
            logger.emit(ApiLogRecord(**FIELDS))
        else:
            given = ApiLogRecord(**FIELDS)
            logger.emit(ReadWriteLogRecord(given, SdkResource({})))
    record = only(telemetry)
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (5, 6)
    assert (record.severity_number, record.severity_text) == (14, "notice")
    assert record.body == {"card": [1, None, b"raw", {"deep": 2.5}]}
    assert record.attributes == {"n": 1, "tags": ["a", "b"]}
    assert record.event_name == "shop.paid"
    assert ids(record) == FAR_IDS
    assert (record.scope.name, record.scope.version) == ("shop.cart", "1.2")
    assert record.resource is telemetry.resource


def test_what_is_not_said_is_unknown_and_observed_now(telemetry, logger, clock):
    logger.emit()
    record = only(telemetry)
    assert record.time_unix_nano == 0
    assert record.observed_time_unix_nano == clock.time_ns()
    assert (record.severity_number, record.severity_text) == (0, "")
    assert (record.body, record.attributes, record.event_name) == (None, {}, "")
    assert ids(record) == NO_IDS


@pytest.mark.parametrize("body", ["text", True, 7, 2.5, b"raw", None, [1, "a"], {}])
def test_a_body_is_any_value(telemetry, logger, body):
    logger.emit(body=body)
    assert only(telemetry).body == body
    assert type(only(telemetry).body) is type(body)


def test_the_trace_is_that_of_the_current_span_or_of_the_given_context(
    telemetry, logger
):
    far = trace.set_span_in_context(trace.NonRecordingSpan(FAR), Context())
    with telemetry.tracer("t").span("a") as span:
        logger.emit(body="current")
        logger.emit(body="given", context=far)
        logger.emit(body="none", context=Context())
        logger.emit(ApiLogRecord(body="current, in a record"))
        logger.emit(ApiLogRecord(body="given, in a record", context=far))
    current, given, none, in_record, given_in_record = telemetry.logs._buffer
    assert ids(current) == ids(in_record) == (*span.identity[:2], 3)
    assert ids(given) == ids(given_in_record) == FAR_IDS
    assert ids(none) == NO_IDS


def test_an_exception_is_told_and_attributes_win_over_it(telemetry, logger):
    try:
        {}["card"]
    except KeyError as error:
        logger.emit(exception=error, attributes={"exception.message": "mine"})
    told = only(telemetry).attributes
    assert told["exception.type"] == "KeyError"
    assert told["exception.message"] == "mine"
    assert "in test_an_exception_is_told" in told["exception.stacktrace"]


class Broken:
    def __str__(self):
        raise RuntimeError("no text")


def test_wrong_fields_cost_only_themselves(telemetry, logger):
    logger.emit(
        timestamp="soon",
        observed_timestamp=-1,
        severity_number=99,
        severity_text=Broken(),
        body=Broken(),
        attributes=["no", "mapping"],
        event_name=7,
        exception="no exception",
    )
    odd = ApiLogRecord(body="kept")
    odd.trace_id, odd.span_id = 2**128, "x"
    logger.emit(odd)
    logger.emit(attributes={1: Broken(), "n": 1})
    first, second, third = telemetry.logs._buffer
    assert first.time_unix_nano == 0
    assert first.observed_time_unix_nano > 0
    assert (first.severity_number, first.event_name) == (0, "7")
    assert first.severity_text == first.body == "<unprintable Broken>"
    assert first.attributes == {}
    assert (second.body, ids(second)) == ("kept", NO_IDS)
    assert third.attributes == {"1": "<unprintable Broken>", "n": 1}


def test_a_provider_gives_the_same_logger_for_the_same_names(telemetry):
    provider = telemetry.logger_provider
    assert provider.get_logger("a", "1") is provider.get_logger("a", "1")
    assert provider.get_logger("a") is not provider.get_logger("b")
    scoped = provider.get_logger("a", "1", "https://schema", {"team": "x", 1: (2,)})
    scoped.emit(body="x")
    scope = only(telemetry).scope
    assert (scope.name, scope.version, scope.schema_url) == ("a", "1", "https://schema")
    assert scope.attributes == {"team": "x", "1": [2]}


def test_the_apis_own_function_takes_the_provider(telemetry):
    get_logger("a", logger_provider=telemetry.logger_provider).emit(body="x")
    assert only(telemetry).scope.name == "a"


def test_eight_threads_emit_exactly_what_arrives(telemetry, logger):
    def work(number):
        for turn in range(1000):
            logger.emit(body=(number, turn))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bodies = {tuple(record.body) for record in telemetry.logs._buffer}
    assert len(bodies) == len(telemetry.logs) == 8000


def test_a_logger_is_not_enabled_where_it_would_feed_itself(telemetry, logger):
    answers = []

    @sink
    def exporter(records):
        answers.append(logger.enabled())
        logger.emit(body="while exporting")

    async def main():
        async with Pipeline(telemetry.logs >> exporter) as pipeline:
            answers.append(logger.enabled(severity_number=SeverityNumber.INFO))
            logger.emit(body="x")
            await pipeline.flush()
        return pipeline.ledger()

    ledger = asyncio.run(main())
    assert answers == [True, False]
    assert ledger.delivered == 1
    own = telemetry.logger_provider.get_logger("sluiceway.sinks.otlp")
    assert not own.enabled()
    own.emit(body="own")
    assert len(telemetry.logs) == 0


def test_opentelemetrys_handler_of_the_standard_logging_feeds_it(telemetry):
    handler = LoggingHandler(
        logger_provider=telemetry.logger_provider, log_code_attributes=True
    )
    logger = logging.Logger("shop.cart", level=1)  # noqa: LOG001 - outside the tree
    logger.addHandler(handler)
    with telemetry.tracer("t").span("a") as span:
        logger.error("%d cards", 3, extra={"n": 1, "otel.event.name": "shop.paid"})
    record = only(telemetry)
    assert (record.body, record.severity_number) == ("3 cards", 17)
    assert (record.attributes["n"], record.event_name) == (1, "shop.paid")
    assert record.attributes["code.file.path"] == __file__
    assert ids(record)[:2] == span.identity[:2]
    assert record.scope.name == "shop.cart"
    assert record.time_unix_nano > 0


def test_opentelemetrys_instrumentation_of_logging_needs_no_sdk():
    program = """
        import logging, sys
        from opentelemetry._logs import set_logger_provider
        from opentelemetry.instrumentation.logging import LoggingInstrumentor
        from sluiceway import Pipeline, sink
        from sluiceway.instrument import Telemetry

        @sink
        def show(records):
            for record in records:
                print(record.scope.name, record.body, record.trace_id.hex())

        telemetry = Telemetry("shop")
        set_logger_provider(telemetry.logger_provider)
        LoggingInstrumentor().instrument()
        with Pipeline(telemetry.logs >> show).background():
            with telemetry.tracer("t").span("a") as span:
                logging.getLogger("shop").warning("%d cards", 3)
        print(span.identity[0].hex())
        print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, trace_id, loaded = done.stdout.splitlines()
    assert told == f"shop 3 cards {trace_id}"
    assert loaded == "[]"
