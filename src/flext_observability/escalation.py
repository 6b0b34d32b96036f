"""Escalation: policies that tell more and more people, and what one call may ask for.

Law: pure. A policy never changes, so that an alert that follows one follows it to its
end; what a call asks for is refused, followed, or said to be ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from attrs import Factory, field, frozen

from sluiceway import ConfigurationError
from sluiceway.alerting import Level, label_matcher

from . import validation
from .exceptions import FlextValidationError, shown, suggestion
from .fields import by, several, with_checks
from .models import SEVERITIES

KEYS: Final = ("level", "severity", "channels", "reason", "by")
HIGHEST: Final = 100  # of the levels
MOST_REPEATS: Final = 9
MOST_KEYS: Final = 1000
CONFIG: Final = "escalation_config"


def channel_names(field: str, value: object) -> tuple[str, ...]:
    """One name or several, each of them once."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple | set | frozenset) or not listed:
        raise FlextValidationError(field, value, "names of channels")
    names = [exact_text(field, each) for each in listed]
    return tuple(dict.fromkeys(names))


def exact_text(field: str, value: object) -> str:
    """A text that says something, as nothing but a text."""
    return str.__str__(validation.text(field, value))


def severity_or_none(field: str, value: object) -> str:
    """A severity, or ``""`` for none."""
    if value is None or value == "":
        return ""
    return validation.one_of(field, value, SEVERITIES)


def repeats(field: str, value: object) -> int:
    """How many times, within bounds."""
    if validation.whole(field, value) > MOST_REPEATS:
        expected = f"a whole number from 0 to {MOST_REPEATS}"
        raise FlextValidationError(field, value, expected)
    return value  # type: ignore[return-value]


def levels_of(field: str, value: object) -> tuple[FlextEscalationLevel, ...]:
    """Levels in the order of their times."""
    listed = tuple(value) if isinstance(value, list | tuple) else ()
    if not listed or not all(isinstance(x, FlextEscalationLevel) for x in listed):
        raise FlextValidationError(field, value, "a list of FlextEscalationLevel")
    return tuple(sorted(listed, key=lambda level: level.after))


def labels_wanted(field: str, value: object) -> dict[str, Any]:
    """What labels must be, as ``sluiceway.alerting`` says it."""
    if not isinstance(value, Mapping):
        raise FlextValidationError(field, value, "a mapping of labels to values")
    wanted = {exact_text(field, key): value[key] for key in value}
    try:
        label_matcher(field, wanted)
    except ConfigurationError as error:
        raise FlextValidationError(field, value, f"matchers: {error}") from None
    return wanted


@frozen(field_transformer=with_checks)
class FlextEscalationLevel:
    """Whom a policy tells, and when.

    Args:
        channels: one name or several, as they were given to the backend.
        after: seconds since the alert began to fire; default 0.
        severity: what its severity is raised to, never lowered; ``""`` leaves it.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    channels: Sequence[str] = field(metadata=by(channel_names))
    after: float = field(default=0.0, metadata=by(validation.at_least_zero))
    severity: str = field(default="", metadata=by(severity_or_none))

    def as_level(self) -> Level:
        """The same, as ``sluiceway.alerting`` knows it."""
        return Level(self.channels, float(self.after), self.severity or None)


@frozen(field_transformer=with_checks)
class FlextEscalationPolicy:
    """Whom alerts are told, one level after the other, until somebody cares.

    An acknowledgement, the end of the alert or a silence stops it. Of all policies that
    match an alert it follows the first, and that one to its end.

    Args:
        name: what it is called.
        levels: put in the order of their times.
        matching: what the labels of its alerts must be: ``alertname``, ``severity``,
            ``source`` and the tags, as in ``{"severity": ["error", "critical"],
            "source": "=~ db-.*"}``; ``{}``, the default, takes all.
        repeats: how many times the levels are gone through again; at most 9, default 0.
        pause: seconds after the last level before that; default 300.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    name: str = field(metadata=by(exact_text))
    levels: Sequence[FlextEscalationLevel] = field(
        metadata=several(levels_of, FlextEscalationLevel)
    )
    matching: Mapping[str, Any] = field(
        default=Factory(dict[str, Any]), metadata=by(labels_wanted)
    )
    repeats: int = field(default=0, metadata=by(repeats))
    pause: float = field(default=300.0, metadata=by(validation.at_least_zero))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether alerts with these labels follow it."""
        return label_matcher("matching", self.matching)(labels)

    def level(self, number: int) -> FlextEscalationLevel:
        """The level of a number from 1; beyond the last it is the last."""
        return self.levels[min(number, len(self.levels)) - 1]

    @property
    def begins_with(self) -> int:
        """The level that an alert has reached as soon as it fires."""
        return int(self.levels[0].after == 0)

    def channels(self) -> list[str]:
        """All channels that it names."""
        return [name for level in self.levels for name in level.channels]


def policies(field: str, value: object) -> tuple[FlextEscalationPolicy, ...]:
    """Policies, each with a name of its own."""
    told = tuple(value) if isinstance(value, list | tuple) else ()
    names = [each.name for each in told if isinstance(each, FlextEscalationPolicy)]
    if not isinstance(value, list | tuple) or len(names) != len(told):
        expected = "policies of escalation: [[policies]] in TOML"
        raise FlextValidationError(field, value, expected)
    for name in names:
        if names.count(name) > 1:
            expected = f"policies of different names, and not two called {name!r}"
            raise FlextValidationError(field, value, expected)
    return told


@frozen
class Request:
    """What one call of ``escalate_alert`` asks for.

    Attributes:
        level: to reach; None for the next one.
        severity: to raise to; ``""`` leaves it to the policy.
        channels: to tell; none leaves it to the policy.
        reason: why, for a person.
        by: who asks.
        ignored: what else was said, and means nothing here.
    """

    level: int | None = None
    severity: str = ""
    channels: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
    ignored: tuple[str, ...] = ()


def request_of(config: object) -> Request:
    """What a mapping asks for; None counts as left out.

    Raises:
        FlextValidationError: it is no mapping, or what it asks for cannot be meant.
    """
    if not isinstance(config, Mapping):
        raise FlextValidationError(CONFIG, config, "a mapping, such as {'level': 2}")
    keys: list[object] = [*islice(config, MOST_KEYS + 1)]
    if len(keys) > MOST_KEYS:
        raise FlextValidationError(CONFIG, config, f"at most {MOST_KEYS} keys")
    asked = {name: key for key in keys if (name := known_key(key))}
    told = {name: config[key] for name, key in asked.items()}
    given = {
        name: CHECKS[name](f"{CONFIG}[{name!r}]", value)
        for name, value in told.items()
        if value is not None
    }
    ignored = tuple(unknown_key(key) for key in keys if not known_key(key))
    return Request(**given, ignored=ignored)


def known_key(key: object) -> str:
    """A key that means something here; ``""`` for another."""
    name = str.__str__(key) if isinstance(key, str) else ""
    return name if name in KEYS else ""


def unknown_key(key: object) -> str:
    """A key that means nothing here, and the nearest that does."""
    return f"{shown('name', key)}{suggestion(key, KEYS)}"


def level_number(field: str, value: object) -> int:
    """The number of a level."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= HIGHEST:
        return int(value)
    raise FlextValidationError(field, value, f"a whole number from 1 to {HIGHEST}")


def words(field: str, value: object) -> str:
    """A text, which may be empty."""
    return str.__str__(validation.any_text(field, value))


CHECKS: Final[Mapping[str, Any]] = {
    "level": level_number,
    "severity": severity_or_none,
    "channels": channel_names,
    "reason": words,
    "by": words,
}


def worst(severities: Iterable[str]) -> str:
    """The worst of some severities."""
    return max(severities, key=SEVERITIES.index)
