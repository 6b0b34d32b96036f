"""What a health check may be told when it is registered, and how it is told wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict, TypeVar

from attrs import evolve

from sluiceway import ConfigurationError
from sluiceway.health import Check

from . import validation
from .creating import attempted
from .exceptions import FlextValidationError
from .health_functions import guarded
from .result import FlextResult

Made = TypeVar("Made")

OURS: Final = {"recoveries": "successes"}  # our word and a Check's
ONLY_WHEN_ASKED: Final = 86_400.0  # seconds: what a Check without turns is told


class HealthOptions(TypedDict, total=False):
    """What a health check may be told.

    Attributes:
        timeout: seconds for one run; default 5, or the interval if that is less.
        interval: seconds from the start of a run to that of the next; default 30. None
            runs it only when somebody asks, and until then nothing is known of it.
        failures: failed runs in a row that make it unhealthy; default 1.
        recoveries: runs without a failure in a row that make it healthy; default 1.
        critical: whether all is unhealthy when this is, or only degraded; default True.
        depends_on: the names of checks without which this one cannot succeed: while
            one of them is unhealthy, this one is unknown. They may come later.
    """

    timeout: float
    interval: float | None
    failures: int
    recoveries: int
    critical: bool
    depends_on: Sequence[str]


OPTIONS: Final = tuple(HealthOptions.__annotations__)


def check_of(
    name: str, function: Callable[[], Any], options: Mapping[str, Any]
) -> FlextResult[Check]:
    """A check, or a failure that tells what it cannot mean."""
    return usable(lambda: made_check(name, function, options))


def made_check(
    name: str, function: Callable[[], Any], options: Mapping[str, Any]
) -> Check:
    """The same.

    Raises:
        FlextValidationError: there is no such option, or the name is none.
        ConfigurationError: the check would not take it.
    """
    for option in options:
        if option not in OPTIONS:
            expected = f"one of {', '.join(OPTIONS)}"
            raise FlextValidationError("option", option, expected, OPTIONS)
    given = {OURS.get(option, option): value for option, value in options.items()}
    if "interval" in given and given["interval"] is None:
        given["interval"] = ONLY_WHEN_ASKED
    check = Check(validation.text("name", name), function, **{"failures": 1, **given})
    return evolve(check, function=guarded(function))


def usable(make: Callable[[], Made]) -> FlextResult[Made]:
    """What ``make`` returns, or a failure, whatever a user's object does."""
    try:
        return attempted(make)
    except ConfigurationError as error:
        return FlextResult.fail(in_our_words(str(error)), "validation")
    except Exception as error:  # noqa: BLE001 - a user's object may do anything
        kind = type(error).__name__
        return FlextResult.fail(f"the check cannot be used: {kind}", "validation")


def in_our_words(text: str) -> str:
    """What a Check says of its fields, for those who know our options."""
    text = text.removeprefix("Check.")
    for ours, theirs in OURS.items():
        if text.startswith(f"{theirs} is"):
            return f"{ours}{text.removeprefix(theirs)}"
    return text
