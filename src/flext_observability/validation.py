"""What values the entities take, and how they are told what is wrong with one.

Law: a check returns the value as it is kept, or raises a ``FlextValidationError`` that
names the field, the value and what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from numbers import Real
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from .exceptions import FlextValidationError

METRIC_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}")
URL: Final = re.compile("[!-~]*")
VISIBLE: Final = re.compile("[ -~]*")  # what headers carry everywhere
HEX: Final = frozenset("0123456789abcdef")
LONGEST: Final = 4096  # characters of a text that is no message
DEEPEST: Final = 16  # lists and mappings within one another


def text(field: str, value: object) -> str:
    """A text that says something."""
    told = any_text(field, value)
    if not told.strip():
        raise FlextValidationError(field, value, "text that is not empty")
    return told


def any_text(field: str, value: object) -> str:
    """A text, which may be empty."""
    if not isinstance(value, str):
        raise FlextValidationError(field, value, "text")
    told = str.__str__(value)  # of a subclass, too, nothing but the text is kept
    if len(told) > LONGEST:
        raise FlextValidationError(field, told, f"at most {LONGEST} characters")
    return told


def identifier(field: str, value: object, digits: int) -> str:
    """An id as W3C Trace Context writes it: lower-case hexadecimal, not all zero."""
    told = value.lower() if isinstance(value, str) else ""
    if len(told) != digits or not set(told) <= HEX or not told.strip("0"):
        expected = f"{digits} hexadecimal digits that are not all zero"
        raise FlextValidationError(field, value, expected)
    return told


def identifier_or_none(field: str, value: object, digits: int) -> str:
    """The same, or ``""`` for none."""
    return identifier(field, value, digits) if value else ""


def trace_state(field: str, value: object) -> str:
    """The text of W3C's ``tracestate``, which goes out as a header as it is."""
    told = any_text(field, value)
    if VISIBLE.fullmatch(told) is None:
        raise FlextValidationError(field, value, "printable ASCII, such as a=1,b=2")
    return told


def metric_name(field: str, value: object) -> str:
    """The name of a metric, by OpenTelemetry's rule (``metrics/api.md``)."""
    if not isinstance(value, str) or METRIC_NAME.fullmatch(value) is None:
        expected = (
            "a letter and then letters, digits, '_', '.', '-' or '/', 255 at most"
        )
        raise FlextValidationError(field, value, expected)
    return str.__str__(value)


def unit(field: str, value: object) -> str:
    """What is measured: UCUM, or a word (``metrics/api.md``: ASCII, 63 at most)."""
    told = text(field, value)
    if not told.isascii() or len(told) > 63:
        raise FlextValidationError(field, value, "at most 63 characters of ASCII")
    return told


def one_of(field: str, value: object, words: Iterable[str]) -> str:
    """One of some words, in whatever case."""
    known = tuple(words)
    asked = value.lower() if isinstance(value, str) else ""
    if asked not in known:
        raise FlextValidationError(field, value, f"one of {', '.join(known)}", known)
    return asked


def number(field: str, value: object) -> float | int | Decimal:
    """A finite number; a bool is none."""
    if type(value) is float:
        good = math.isfinite(value)
    else:
        real = isinstance(value, Real | Decimal) and not isinstance(value, bool)
        good = real and is_finite(value)
    if not good:
        raise FlextValidationError(field, value, "a finite number")
    return value  # type: ignore[return-value]


def at_least_zero(field: str, value: object) -> float | int | Decimal:
    """A finite number from 0."""
    told = number(field, value)
    if told < 0:
        raise FlextValidationError(field, value, "a number from 0")
    return told


def whole(field: str, value: object) -> int:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FlextValidationError(field, value, "a whole number from 0")
    return value


def flags(field: str, value: object) -> int:
    """The flags of a trace: 8 bits (W3C Trace Context, ``trace-flags``)."""
    if whole(field, value) > 255:
        raise FlextValidationError(field, value, "a whole number from 0 to 255")
    return value  # type: ignore[return-value]


def some(field: str, value: object) -> int:
    """A whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FlextValidationError(field, value, "a whole number above 0")
    return value


def port_or_none(field: str, value: object) -> int | None:
    """A port of TCP, 0 for any that is free; or None."""
    if value is not None and whole(field, value) > 65_535:
        raise FlextValidationError(field, value, "a port from 0 to 65535")
    return value  # type: ignore[return-value]


def above_zero(field: str, value: object) -> float:
    """A finite number above 0."""
    if number(field, value) <= 0:
        raise FlextValidationError(field, value, "a number above 0")
    return value  # type: ignore[return-value]


def url(field: str, value: object) -> str:
    """An address of HTTP; what it holds of user and password is told to nobody."""
    parts = parts_of(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        expected = "an address such as http://localhost:8080"
        raise FlextValidationError(field, value, expected, with_scheme(value))
    return parts.geturl()


def with_scheme(value: object) -> list[str]:
    """What was meant by an address without a scheme, unless it holds a secret."""
    text = str.__str__(value) if isinstance(value, str) else ""
    parts = parts_of(f"http://{text}")
    is_public = not {*"@?"} & {*text}
    is_one = is_public and parts is not None and parts.port and parts.hostname
    return [f"http://{text}"] if is_one else []


def parts_of(value: object) -> SplitResult | None:
    """The parts of an address whose port, if it has one, is a port; else None."""
    if not isinstance(value, str) or URL.fullmatch(value) is None:
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:  # brackets that are not closed, or no number
        return None
    return None if port == 0 else parts


def is_finite(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    try:
        return math.isfinite(float(value))
    except (OverflowError, ValueError, TypeError):
        return False


def tags(field: str, value: object) -> dict[str, str]:
    """Tags: texts, and what is told as text: numbers and bools."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FlextValidationError(field, value, "a mapping of names to texts")
    return {tag_name(field, key): tag(field, key, value[key]) for key in value}


def labels(field: str, value: object) -> dict[str, str]:
    """Tags of which each tells something.

    An empty one and none are the same series to Prometheus.
    """
    told = tags(field, value)
    return {name: told[name] for name in told if told[name]}


def encodable(text: str) -> str:
    """The text, and nothing but a text, without the lone surrogates it may have."""
    return str.encode(text, "utf-8", "replace").decode()


def tag_name(field: str, value: object) -> str:
    """The name of a tag."""
    told = encodable(value) if isinstance(value, str) else ""
    if not told.strip():
        raise FlextValidationError(field, value, "names of tags that are texts")
    return told


def tag(field: str, name: str, value: object) -> str:
    """The value of a tag."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise FlextValidationError(f"{field}[{name!r}]", value, "a text or a number")


def moment(field: str, value: object) -> datetime:
    """A time; one without a zone is taken for local time, as Python takes it."""
    if not isinstance(value, datetime):
        raise FlextValidationError(field, value, "a datetime")
    return value.astimezone() if value.tzinfo is None else value


def details(field: str, value: object) -> dict[str, Any]:
    """What JSON can hold, as a copy; other objects are told as text."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FlextValidationError(field, value, "a mapping of names to values")
    own: dict[str, Any] = copied(field, value, DEEPEST)
    return own


def copied(field: str, value: object, depth: int) -> Any:
    """A copy that nobody else changes."""
    if depth == 0:
        raise FlextValidationError(field, value, f"at most {DEEPEST} levels")
    if isinstance(value, Mapping):
        inner = [(key_of(field, key), value[key]) for key in value]
        return {key: copied(f"{field}.{key}", item, depth - 1) for key, item in inner}
    if isinstance(value, list | tuple | set | frozenset):
        return [copied(field, item, depth - 1) for item in value]
    return plain(value)


def key_of(field: str, key: object) -> str:
    """The key of a mapping that JSON can hold."""
    if not isinstance(key, str):
        raise FlextValidationError(field, key, "keys that are texts")
    return key


def plain(value: object) -> Any:
    """A value as JSON knows it, or its text."""
    finite = isinstance(value, float) and math.isfinite(value)
    if value is None or isinstance(value, bool | int | str) or finite:
        return value
    try:
        return str(value)[:LONGEST]
    except Exception:  # noqa: BLE001 - a user's object may do anything
        return f"<{type(value).__name__}>"
