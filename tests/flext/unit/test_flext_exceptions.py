"""Exceptions name the field, the value and what was expected, and keep secrets."""

import copy
import pickle
from decimal import Decimal

import pytest

from flext_observability.exceptions import (
    FlextConfigurationError,
    FlextNoValueError,
    FlextObservabilityError,
    FlextUnwrapError,
    FlextValidationError,
)

SEVERITIES = ("info", "warning", "error", "critical")
REFUSALS = [FlextValidationError, FlextConfigurationError]


class Unshowable:
    def __repr__(self):
        raise RuntimeError

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None
    __len__ = __iter__ = __contains__ = __repr__


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_names_field_value_expectation_and_the_nearest_word(kind):
    error = kind("severity", "Warnning", "info, warning, error or critical", SEVERITIES)
    assert str(error) == (
        "severity is 'Warnning'; expected info, warning, error or critical"
        "; did you mean 'warning'?"
    )
    assert (error.field, error.value) == ("severity", "Warnning")
    assert error.expected == "info, warning, error or critical"


def test_no_word_is_suggested_where_none_is_near():
    error = FlextValidationError("severity", 7, "a severity", SEVERITIES)
    assert str(error) == "severity is 7; expected a severity"


def test_a_word_is_suggested_as_it_is_written():
    error = FlextConfigurationError("FLEXT_LOG_LEVEL", "dbug", "a level", ["DEBUG"])
    assert str(error).endswith("did you mean 'DEBUG'?")


@pytest.mark.parametrize("field", ["password", "api_key", "OTEL_EXPORTER_OTLP_HEADERS"])
def test_the_value_of_a_field_that_sounds_secret_is_not_shown(field):
    error = FlextConfigurationError(field, "hunter2", "another one")
    assert "hunter2" not in str(error)
    assert str(error).startswith(f"{field} is hidden")


@pytest.mark.parametrize("value", ["", None])
def test_a_secret_that_is_missing_is_shown_to_be(value):
    error = FlextConfigurationError("password", value, "a password")
    assert str(error) == f"password is {value!r}; expected a password"


def test_the_user_and_password_of_an_address_are_not_shown():
    error = FlextConfigurationError("url", "http://me:hunter2@host:x", "an address")
    assert "'http://***@host:x'" in str(error)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("htp://host:1/p?token=hunter2", "'htp://host:1/p?***'"),
        ("http://me:hunter2?@host?key=hunter2", "'http://***@host?***'"),
        ("http://host#hunter2", "'http://host?***'"),
        ("what? where?", "'what? where?'"),
    ],
)
def test_the_query_of_an_address_is_not_shown(address, shown):
    error = FlextConfigurationError("url", address, "an address")
    assert str(error) == f"url is {shown}; expected an address"


def test_a_long_value_is_cut():
    error = FlextValidationError("name", "x" * 10_000, "a name")
    assert len(str(error)) < 200
    assert "(10002 long)" in str(error)


def test_a_password_is_not_shown_by_a_cut():
    address = f"http://{'u' * 100}:hunter2@host"
    assert "hunter" not in str(FlextConfigurationError("url", address, "an address"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"password": "hunter2"}, "a dict of 1"),
        (["hunter2", "x"], "a list of 2"),
        ({}, "{}"),
        ((), "()"),
        (object(), "a object"),
        (Unshowable, "a type"),
        (Decimal("1.5"), "Decimal('1.5')"),
        (True, "True"),
        (b"x", "b'x'"),
        (None, "None"),
    ],
    ids=repr,
)
def test_what_may_hold_a_secret_is_shown_by_its_type(value, text):
    error = FlextValidationError("context", value, "something else")
    assert str(error) == f"context is {text}; expected something else"


@pytest.mark.parametrize("field", ["context", "token"])
def test_a_value_that_refuses_every_question_is_named(field):
    assert str(FlextValidationError(field, Unshowable(), "a mapping"))


@pytest.mark.parametrize(
    "error",
    [
        FlextValidationError("severity", "x", "a severity", SEVERITIES),
        FlextConfigurationError("url", 3, "an address"),
        FlextUnwrapError("no", "storage", {"a": 1}),
        FlextNoValueError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_can_be_pickled_and_copied(error):
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_a_value_error_of_this_package(kind):
    assert issubclass(kind, FlextObservabilityError)
    assert issubclass(kind, ValueError)


def test_each_kind_of_exception_has_its_word():
    assert FlextValidationError.error_code == "validation"
    assert FlextConfigurationError.error_code == "configuration"
    assert FlextUnwrapError.error_code == "unwrap"
    assert FlextObservabilityError.error_code == "observability"
