"""What the admin endpoint and its client say to each other, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class AlertState(msgspec.Struct):
    """An alert that fires, or is about to.

    Attributes:
        status: ``pending``, ``firing`` or ``acknowledged``.
        silenced: whether nobody is told of it now.
        starts_at: seconds since the epoch.
        stages: the stages that know it.
    """

    name: str
    severity: str
    status: str
    labels: dict[str, str]
    message: str
    silenced: bool
    starts_at: float
    stages: list[str]


class SilenceState(msgspec.Struct):
    """A silence; times are seconds since the epoch, None for open ends."""

    matching: dict[str, Any]
    starts_at: float | None = None
    ends_at: float | None = None
    comment: str = ""
    author: str = ""


class Selection(msgspec.Struct):
    """Which alerts are meant, by their labels."""

    matching: dict[str, Any]


class Count(msgspec.Struct):
    """How many alerts or silences it concerned."""

    count: int


class Refusal(msgspec.Struct):
    """Why nothing was done."""

    error: str
