"""Policies: whom an escalation tells, when, and as how bad.

Law: pure; a policy never changes, so that whoever follows one follows it to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from attrs import Attribute, evolve, field, frozen

from ..errors import ConfigurationError
from ..events import Alert
from ..settings import number

TARGET: Final = "escalation.target"
LEVEL: Final = "escalation.level"
LONGEST: Final = 1e9  # seconds, 31 years: a time of day that a file can keep
SEVERITIES: Final = ("info", "warning", "error", "critical")


def targets_of(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: some words."""
    listed = not isinstance(value, str) and isinstance(value, Sequence)
    if not listed or not value or not all(isinstance(x, str) and x for x in value):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected a list of "
            "targets, such as ['chat']"
        )


@frozen
class Level:
    """Whom an escalation tells, and when.

    Args:
        targets: what they are called: each alert that is told carries one as its
            annotation ``escalation.target``, which ``target_of`` reads for a route.
        after: seconds since the alert began to fire; default 0.
        severity: what its severity is raised to, never lowered, also not by the levels
            after it; None (default) leaves it.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    targets: Sequence[str] = field(validator=targets_of)
    after: float = field(default=0.0, validator=number(0, LONGEST))
    severity: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.severity is not None and self.severity not in SEVERITIES:
            raise ConfigurationError(
                f"Level.severity is {self.severity!r}; expected one of "
                f"{', '.join(SEVERITIES)} or None"
            )


@frozen
class Policy:
    """What an escalation follows to its end.

    Attributes:
        levels: in the order of their times.
        repeats: how many times it begins again after the last level.
        pause: seconds between the last level and the next beginning.
    """

    levels: tuple[Level, ...]
    repeats: int
    pause: float

    def due(self, step: int) -> float | None:
        """Seconds since the beginning at which a step is due; None after the last."""
        cycle, index = divmod(step, len(self.levels))
        if cycle > self.repeats:
            return None
        return cycle * (self.levels[-1].after + self.pause) + self.levels[index].after

    def level(self, step: int) -> tuple[int, Level]:
        """The level of a step, as bad as those before it, and its number from 1."""
        index = step % len(self.levels)
        level = self.levels[index]
        severities = (each.severity for each in self.levels[: step + 1])
        worst = max(filter(None, severities), key=rank, default=None)
        return index + 1, evolve(level, severity=worst)


class SavedLevel(msgspec.Struct):
    """A level of a policy that somebody follows."""

    targets: list[str]
    after: float
    severity: str | None


def raised(alert: Alert, level: Level, number: int, target: str) -> Alert:
    """The alert as a level tells it to one of its targets."""
    told = alert.copy()
    told.annotations |= {LEVEL: str(number), TARGET: target}
    if level.severity is not None and rank(level.severity) > rank(alert.severity):
        told.severity = level.severity
    return told


def rank(severity: str) -> int:
    """How bad it is; a word that nobody knows is the least."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1
