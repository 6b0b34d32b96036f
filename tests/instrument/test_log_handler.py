from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping

import pytest
from opentelemetry import trace

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.testing import FailingSink, ManualClock


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


class Broken:
    """Nothing of it can be told."""

    def __repr__(self):
        raise RuntimeError("no text")


class Unreadable(Mapping):
    """Fails as it is read, as a dict does that another thread changes meanwhile."""

    def __getitem__(self, key):
        raise KeyError(key)

    def __iter__(self):
        raise RuntimeError("dictionary changed size during iteration")

    def __len__(self):
        return 1

    def __repr__(self):
        return "unreadable"


def test_a_value_that_cannot_be_told_costs_neither_the_line_nor_its_neighbours(
    telemetry, logger, capsys
):
    logger.info("%s", Broken(), extra={"a": Broken(), "b": Unreadable(), "c": 1})
    logger.info(Broken())
    logger.info(Unreadable())
    first, second, third = lines(telemetry)
    assert first.body == "%s <unprintable tuple>"
    assert first.attributes["a"] == "<unprintable Broken>"
    assert first.attributes["b"] == "unreadable"
    assert first.attributes["c"] == 1
    assert second.body == "<unprintable Broken> ()"
    assert third.body == "unreadable"
    assert capsys.readouterr().err == ""


def test_objects_that_refer_to_each_other_are_told_as_far_as_they_can_be(
    telemetry, logger
):
    chain, tree = {"name": "root"}, {"name": "root"}
    chain["next"] = chain
    tree["children"] = [{"parent": tree, "root": tree, "name": n} for n in range(4)]
    many, too_many = [[]] * 10_000 + list(range(50_000)), [()] * 10_001
    logger.info("x", extra={"a": chain, "b": tree, "c": many, "d": too_many})
    logger.info(tree)
    first, second = lines(telemetry)
    assert first.attributes["a"]["next"]["next"]["name"] == "root"
    assert first.attributes["b"] == "<dict of more than 10,000 nested values>"
    assert first.attributes["c"] == many
    assert first.attributes["d"] == "<list of more than 10,000 nested values>"
    assert second.body == "<dict of more than 10,000 nested values>"


def test_extra_may_be_nested_and_have_keys_that_are_no_text(telemetry, logger):
    logger.info("x", extra={"order": {"lines": [{7: (1, None)}]}, 5: b"raw"})
    attributes = lines(telemetry)[0].attributes
    assert attributes["order"] == {"lines": [{"7": [1, None]}]}
    assert attributes["5"] == b"raw"
    assert all(type(key) is str for key in attributes)


def test_an_extra_with_the_name_of_a_field_is_loggings_error_and_not_ours(
    telemetry, logger
):
    with pytest.raises(KeyError, match="message"):
        logger.info("x", extra={"message": "y"})  # noqa: G101 - that is the case
    logger.info("x", extra={"code.line.number": 7, "body": "mine", "severity": 3})
    attributes = lines(telemetry)[0].attributes
    assert attributes["code.line.number"] == 7
    assert (attributes["body"], attributes["severity"]) == ("mine", 3)


def test_an_extra_can_name_an_event(telemetry, logger):
    logger.info("paid", extra={"otel.event.name": "shop.paid", "sum": 3})
    (record,) = lines(telemetry)
    assert record.event_name == "shop.paid"
    assert record.attributes["sum"] == 3
    assert "otel.event.name" not in record.attributes


def test_a_chained_exception_is_told_with_its_cause(telemetry, logger):
    try:
        try:
            {}["card"]
        except KeyError as error:
            raise LookupError("no card") from error
    except LookupError as error:
        kept = error
    logger.error("failed", exc_info=kept)
    attributes = lines(telemetry)[0].attributes
    assert attributes["exception.type"] == "LookupError"
    assert attributes["exception.message"] == "no card"
    assert "KeyError: 'card'" in attributes["exception.stacktrace"]
    assert "direct cause" in attributes["exception.stacktrace"]


def test_an_exception_that_has_no_text_is_told_all_the_same(telemetry, logger):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    logger.error("failed", exc_info=MuteError())
    attributes = lines(telemetry)[0].attributes
    assert attributes["exception.type"].endswith("MuteError")
    assert attributes["exception.message"] == "<unprintable MuteError>"


def test_a_stack_that_was_asked_for_is_told(telemetry, logger):
    logger.info("here", stack_info=True)
    logger.info("there")
    here, there = lines(telemetry)
    told = here.attributes["code.stacktrace"]
    assert "in test_a_stack_that_was_asked_for_is_told" in told
    assert "code.stacktrace" not in there.attributes


def test_a_line_from_another_process_is_taken_as_it_came(telemetry, logger):
    told = {"msg": "far", "exc_info": None, "exc_text": "Traceback ...", "name": "far"}
    handler = telemetry.log_handler
    handler.handle(logging.makeLogRecord({**told, "created": 1.5, "levelno": 30}))
    handler.handle(logging.makeLogRecord({"msg": "odd", "exc_info": True}))
    far, odd = lines(telemetry)
    assert far.attributes["exception.stacktrace"] == "Traceback ..."
    assert (far.time_unix_nano, far.severity_number) == (1_500_000_000, 13)
    assert far.scope.name == "far"
    assert (odd.body, odd.scope.name, odd.severity_number) == ("odd", "", 0)


def test_a_message_that_is_a_dict_or_a_list_stays_one(telemetry, logger):
    logger.info({"card": Broken(), "n": 1})
    logger.info(["a", 2])
    logger.info(7)
    logger.info("%(a)s", {"a": 1})
    bodies = [record.body for record in lines(telemetry)]
    assert bodies == [
        {"card": "<unprintable Broken>", "n": 1},
        ["a", 2],
        "7",
        "1",
    ]


def test_a_formatter_makes_the_body(telemetry, logger):
    telemetry.log_handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.info("hello")
    telemetry.log_handler.setFormatter(logging.Formatter("%(missing)s"))
    logger.info("hello again")
    bodies = [record.body for record in lines(telemetry)]
    assert bodies == ["shop.cart: hello", "hello again"]


def test_a_huge_message_is_kept_whole_beside_its_neighbours(telemetry, logger):
    logger.info("small")
    logger.info("%s", "x" * 10_000_000)
    logger.info("small")
    assert [len(record.body) for record in lines(telemetry)] == [5, 10_000_000, 5]


def test_the_time_is_the_lines_and_the_observed_time_the_clocks():
    clock = ManualClock()
    telemetry = Telemetry("shop", clock=clock)
    line = logging.makeLogRecord({"msg": "x", "created": 1_700_000_000.25})
    telemetry.log_handler.handle(line)
    (record,) = lines(telemetry)
    assert record.time_unix_nano == 1_700_000_000_250_000_000
    assert record.observed_time_unix_nano == clock.time_ns()


def test_a_level_of_the_applications_own_keeps_its_name(telemetry, logger):
    logging.addLevelName(25, "NOTICE")
    logger.log(25, "x")
    logger.log(26, "y")
    notice, unnamed = lines(telemetry)
    assert (notice.severity_text, notice.severity_number) == ("NOTICE", 12)
    assert (unnamed.severity_text, unnamed.severity_number) == ("Level 26", 12)


def test_a_span_that_fails_when_asked_costs_only_the_ids(telemetry, logger):
    class Odd(trace.NonRecordingSpan):
        def get_span_context(self):
            raise RuntimeError("no context")

    with trace.use_span(Odd(trace.INVALID_SPAN_CONTEXT), record_exception=False):
        logger.info("inside")
    with trace.use_span(trace.INVALID_SPAN):
        logger.info("outside")
    assert [record.trace_id for record in lines(telemetry)] == [b"", b""]


class Chatty:
    """Its text cannot be made without logging it."""

    def __init__(self, logger):
        self.logger = logger

    def __str__(self):
        self.logger.info("making a text of %s", self)
        return "chatty"


def test_a_line_that_logs_itself_while_it_is_handled_ends(telemetry, logger):
    logger.info("%s", Chatty(logger))
    inside, outside = "making a text of chatty", "chatty"
    assert [record.body for record in lines(telemetry)] == [*[inside] * 3, outside]


class Polite:
    """It logs another line while its text is made, as a signal handler may."""

    def __init__(self, logger):
        self.logger = logger

    def __str__(self):
        self.logger.info("inside")
        return "outside"


def test_another_line_that_is_logged_while_a_line_is_handled_is_not_lost(
    telemetry, logger
):
    logger.info("%s", Polite(logger))
    assert [record.body for record in lines(telemetry)] == ["inside", "outside"]


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
