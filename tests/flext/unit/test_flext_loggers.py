"""Loggers log through the standard library, with fields, and configure nothing."""

import itertools
import logging

import pytest

from flext_observability.loggers import FlextLogger, get_logger, level_of

NUMBERS = itertools.count()


@pytest.fixture
def name():
    """A name that no other test has used: a logger lives as long as its process."""
    return f"flext.test.{next(NUMBERS)}"


@pytest.fixture(autouse=True)
def no_level(monkeypatch):
    monkeypatch.delenv("FLEXT_LOG_LEVEL", raising=False)
    level_of.cache_clear()


@pytest.mark.parametrize("word", ["debug", "info", "warning", "error", "critical"])
def test_each_method_logs_at_its_level(caplog, name, word):
    caplog.set_level(logging.DEBUG)
    getattr(get_logger(name), word)("took %d ms", 12)
    record = caplog.records[-1]
    assert record.name == name
    assert record.levelname == word.upper()
    assert record.getMessage() == "took 12 ms"


def test_a_message_alone_is_not_formatted(caplog, name):
    get_logger(name).warning("100 % of %s")
    assert caplog.records[-1].getMessage() == "100 % of %s"


def test_keyword_arguments_are_fields_of_the_record(caplog, name):
    get_logger(name).warning("slow", shop="nord", items=3)
    assert (caplog.records[-1].shop, caplog.records[-1].items) == ("nord", 3)


@pytest.mark.parametrize("field", ["name", "args", "message", "asctime", "module"])
def test_a_field_that_a_record_has_of_its_own_gets_an_underscore(caplog, name, field):
    get_logger(name).bind(**{field: "mine"}).warning("slow", **{field: "mine"})
    assert getattr(caplog.records[-1], f"{field}_") == "mine"
    assert caplog.records[-1].name == name


def test_a_field_may_be_called_as_an_argument_of_log_is(caplog, name):
    get_logger(name).warning("slow", level=3, stacklevel=4, extra=5)
    record = caplog.records[-1]
    assert (record.level, record.stacklevel, record.extra) == (3, 4, 5)
    get_logger(name).bind(self=6).warning("slow", fields=7)
    assert (caplog.records[-1].self, caplog.records[-1].fields) == (6, 7)


def test_bound_fields_are_in_each_record_and_the_later_one_wins(caplog, name):
    logger = get_logger(name)
    bound = logger.bind(shop="nord", items=1).bind(items=2)
    bound.warning("slow")
    assert (caplog.records[-1].shop, caplog.records[-1].items) == ("nord", 2)
    bound.warning("slow", items=3)
    assert caplog.records[-1].items == 3
    logger.warning("slow")
    assert not hasattr(caplog.records[-1], "shop")
    assert bound.fields == {"shop": "nord", "items": 2}
    assert repr(bound) == f"FlextLogger({name!r}, shop='nord', items=2)"


def test_exception_logs_the_traceback(caplog, name):
    try:
        int("bad")
    except ValueError:
        get_logger(name).exception("could not")
    record = caplog.records[-1]
    assert record.levelname == "ERROR"
    assert record.exc_info[0] is ValueError


@pytest.mark.parametrize("word", ["debug", "error", "exception"])
def test_a_traceback_can_be_asked_for_and_left_out(caplog, name, word):
    caplog.set_level(logging.DEBUG)
    log = getattr(get_logger(name), word)
    log("could not", exc_info=ValueError("bad"))
    assert caplog.records[-1].exc_info[0] is ValueError
    log("could not", exc_info=False)
    assert not caplog.records[-1].exc_info


def test_a_record_tells_the_line_that_logged(caplog, name):
    get_logger(name).warning("here")
    assert caplog.records[-1].funcName == "test_a_record_tells_the_line_that_logged"
    assert caplog.records[-1].filename == "test_flext_loggers.py"


def test_what_is_below_the_level_is_not_logged(caplog, name):
    logging.getLogger(name).setLevel("ERROR")
    get_logger(name).warning("no")
    assert caplog.records == []


@pytest.mark.parametrize("text", ["DEBUG", "debug", " Debug ", "10"])
def test_the_variable_sets_the_level(monkeypatch, caplog, name, text):
    monkeypatch.setenv("FLEXT_LOG_LEVEL", text)
    get_logger(name).debug("seen")
    assert logging.getLogger(name).level == logging.DEBUG
    assert caplog.messages == ["seen"]


def test_the_level_that_the_application_set_stays(monkeypatch, name):
    logging.getLogger(name).setLevel("ERROR")
    monkeypatch.setenv("FLEXT_LOG_LEVEL", "DEBUG")
    FlextLogger(name)
    assert logging.getLogger(name).level == logging.ERROR


@pytest.mark.parametrize("text", ["DEBGU", "1e3", "-1", "99999", "²"])
def test_a_variable_that_is_no_level_is_named_once_and_counts_as_unset(
    monkeypatch, caplog, name, text
):
    monkeypatch.setenv("FLEXT_LOG_LEVEL", text)
    for _ in range(3):
        get_logger(name)
    (message,) = caplog.messages
    assert message.startswith(f"FLEXT_LOG_LEVEL is {text!r}; expected CRITICAL, ")
    assert ("did you mean 'DEBUG'?" in message) == (text == "DEBGU")
    assert logging.getLogger(name).level == logging.NOTSET


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_counts_as_unset(monkeypatch, caplog, name, text):
    monkeypatch.setenv("FLEXT_LOG_LEVEL", text)
    get_logger(name)
    assert caplog.messages == []
    assert logging.getLogger(name).level == logging.NOTSET


def test_no_handler_is_added_and_the_root_stays(monkeypatch, name):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    monkeypatch.setenv("FLEXT_LOG_LEVEL", "DEBUG")
    for each in (name, "root", ""):
        get_logger(each).debug("seen")
    assert (root.level, root.handlers) == before
    assert logging.getLogger(name).handlers == []
