"""What a rule reads of an event: a path such as ``attributes.http.route``.

Law: pure; an event that has nothing there gives ``None``, whatever it is. Names are
checked when a rule is made, as far as they can be known.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from ..errors import ConfigurationError, nearest
from ..events import Alert, HealthCheck, LogRecord, MetricPoint, Span

Read = Callable[[Any], Any]

OPEN: Final = ("attributes", "resource")  # what holds keys of the user's own
FIELDS: Final = frozenset(
    field
    for kind in (Span, LogRecord, MetricPoint, Alert, HealthCheck)
    for field in kind.__struct_fields__
) | {"duration", "labels", *OPEN}


def reader(setting: str, path: Any) -> Read:
    """The function that reads what a path names.

    Args:
        setting: whose path it is, for an error, such as ``"RatioRule.by"``.
        path: ``attributes.KEY``, ``resource.KEY``, ``labels.KEY``, ``duration`` (of a
            span, in seconds), a field of an event such as ``name`` or ``value.sum``,
            or a function of one event.

    Raises:
        ConfigurationError: it names nothing that an event has.
    """
    if callable(path):
        return guarded(path)
    if not isinstance(path, str) or not path:
        raise ConfigurationError(
            f"{setting} has {path!r}; expected a path such as 'attributes.http.route', "
            "or a function of one event"
        )
    owner, _, key = path.partition(".")
    if owner not in FIELDS:
        raise ConfigurationError(
            f"{setting} has {path!r}; expected attributes.KEY, resource.KEY or a field "
            f"of an event{nearest(owner, FIELDS)}"
        )
    if owner in OPEN and not key:
        raise ConfigurationError(f"{setting} has {path!r}; expected {owner}.KEY")
    if owner == "duration":
        return duration_of
    if owner == "resource":
        return guarded(lambda event: event.resource.attributes[key])
    if owner in ("attributes", "labels") and key:
        return guarded(lambda event: getattr(event, owner)[key])
    return guarded(attrgetter(path))


def guarded(read: Read) -> Read:
    """The same function, which gives None where it would fail."""

    def read_or_none(event: Any) -> Any:
        try:
            return read(event)
        except Exception:  # noqa: BLE001 - whatever an event of the user's does
            return None

    return read_or_none


def duration_of(event: Any) -> float | None:
    """How long a span or a check took, in seconds."""
    if isinstance(event, Span):
        return max(0, event.end_time_unix_nano - event.start_time_unix_nano) / 1e9
    return number_of(getattr(event, "duration", None))


def number_of(value: Any) -> float | None:
    """The value as a number; None for what is none, NaN among it."""
    if type(value) is float and value == value:  # noqa: PLR0124 - NaN
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def text_of(value: Any) -> str:
    """The value as a label: enums in small letters, flags as in TOML, ids in hex."""
    if type(value) is str:
        return valid(value)
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):  # ids of traces and spans
        return value.hex()
    return "" if value is None else valid(str(value))


def valid(text: str) -> str:
    """The text without lone surrogates, which UTF-8 cannot say."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def labels_of(setting: str, by: Any) -> dict[str, Read]:
    """What splits a rule into series, by the label that each becomes.

    Args:
        setting: whose it is, for an error.
        by: paths, whose label is the attribute's key or the field's name, or paths by
            label.

    Raises:
        ConfigurationError: a path names nothing, or two become the same label.
    """
    if isinstance(by, Mapping):
        return {label: reader(setting, path) for label, path in by.items()}
    if isinstance(by, str) or not isinstance(by, Iterable):
        raise ConfigurationError(f"{setting} is {by!r}; expected a list of paths")
    labels: dict[str, Read] = {}
    for path in by:
        read = reader(setting, path)
        if not isinstance(path, str):
            raise ConfigurationError(
                f"{setting} has a function; give it a label: {{'label': function}}"
            )
        owner, _, key = path.partition(".")
        label = key if owner in (*OPEN, "labels") else path
        if label in labels:
            raise ConfigurationError(f"{setting} has two paths of the label {label!r}")
        labels[label] = read
    return labels
