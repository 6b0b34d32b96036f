"""Every exception of this package: what a constructor or ``unwrap`` may raise.

Law: an operation returns a ``FlextResult`` and raises none of these. A message names
the field, the value, what was expected and the nearest right word, and no secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any, ClassVar, Final, TypeGuard, TypeVar

SECRET: Final = re.compile(
    r"secret|passw|token|auth|header|credential|cookie|key", re.IGNORECASE
)
PASSWORD_IN_URL: Final = re.compile(r"(?<=//).*@")  # a password may hold a slash
QUERY_OF_URL: Final = re.compile(r"(://[^?#]*)[?#].+(?=.)")  # a token may stand there
NUMBERS = (int, float, complex, Decimal)
MOMENTS = (date, time, timedelta)
EMPTY = (dict, list, tuple, set, frozenset)  # shown as they are where they hold nothing
PLAIN = (str, bytes, NoneType, *NUMBERS, *MOMENTS, *EMPTY)
LONGEST = 80  # characters of a value that a message shows
Given = TypeVar("Given")


class FlextObservabilityError(Exception):
    """The base of every exception of this package.

    ``error_code`` is the word by which a ``FlextResult`` of the same trouble says
    what kind of trouble it is.
    """

    error_code: ClassVar[str] = "observability"


class RefusedValueError(FlextObservabilityError, ValueError):
    """A value that cannot be used: the common part of the two below.

    Args:
        field: what the value was given for; a variable's name for one that was read
            from the environment.
        value: what was given. The message does not show one whose field sounds
            secret, nor the user and password of an address.
        expected: what would have been right, for a person.
        known: the right words, of which the nearest is suggested.
    """

    def __init__(
        self, field: str, value: object, expected: str, known: Iterable[str] = ()
    ) -> None:
        words = tuple(known)
        super().__init__(
            f"{field} is {shown(field, value)}; expected {expected}"
            f"{suggestion(value, words)}"
        )
        self.field = field
        self.value = value
        self.expected = expected
        self.known = words

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.expected, self.known)


class FlextValidationError(RefusedValueError):
    """A metric, trace, alert or health check was given what it cannot hold."""

    error_code = "validation"


class FlextConfigurationError(RefusedValueError):
    """A setting means nothing, whether given as an argument, a variable or in TOML."""

    error_code = "configuration"


class FlextUnwrapError(FlextObservabilityError):
    """The value of a failed ``FlextResult`` was asked for.

    Args:
        error: the text of the failure, which is the message too.
        failure_code: the failure's own ``error_code``, or None.
        error_data: what the failure told besides, or None.
    """

    error_code = "unwrap"

    def __init__(
        self,
        error: str,
        failure_code: str | None = None,
        error_data: Mapping[str, object] | None = None,
    ) -> None:
        code = f" [{failure_code}]" if failure_code else ""
        super().__init__(f"the result is a failure{code}: {error}")
        self.error = error
        self.failure_code = failure_code
        self.error_data = error_data

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.failure_code, self.error_data)


class FlextNoValueError(FlextUnwrapError, AttributeError):
    """The attribute ``value`` of a failed ``FlextResult`` was read.

    An AttributeError, so that ``case FlextResult(is_success=True, value=value)`` does
    not match a failure: a match reads all attributes before it compares one.
    """


def of_kind(kind: Any, field: str, value: Given, expected: str) -> Given:
    """A constructor's argument, if it is one.

    Raises:
        FlextConfigurationError: it is of another class.
    """
    if not isinstance(value, kind):
        raise FlextConfigurationError(field, value, expected)
    return value


def is_a(value: object, kind: type[Given]) -> TypeGuard[Given]:
    """As ``isinstance``, which asks the value for its class and so may raise."""
    return issubclass(type(value), kind)


def shown(field: str, value: object) -> str:
    """The value as a message may show it: bounded, and without what is secret.

    Of what may hold anything, the type and the length are shown. It never raises.
    """
    try:
        told = str.__str__(value) if isinstance(value, str) else value
        is_told = told is not None and not (isinstance(told, str) and not told)
        if is_told and SECRET.search(field):
            return "hidden, as it may be secret"
        return described_value(told)
    except Exception:  # noqa: BLE001 - a message must come out, whatever is wrong
        return f"an unprintable {type(value).__name__}"


def described_value(value: object) -> str:
    """Its repr if it is plain, its type otherwise; it raises what the value raises."""
    if isinstance(value, Collection) and not isinstance(value, str | bytes) and value:
        return f"a {type(value).__name__} of {len(value)}"
    if not isinstance(value, PLAIN):
        return f"a {type(value).__name__}"
    text = QUERY_OF_URL.sub(r"\1?***", PASSWORD_IN_URL.sub("***@", repr(value)))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} long)"


def suggestion(value: object, known: Iterable[str]) -> str:
    """A hint such as ``"; did you mean 'warning'?"``, or nothing if no word is near."""
    word = str.__str__(value)[:LONGEST].lower() if is_a(value, str) else ""
    near = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word, near, n=1)
    return f"; did you mean {near[close[0]]!r}?" if close else ""
