"""Numbers as they are measured, and as events hold them."""

from __future__ import annotations

import math
import sys
from typing import Any

INFINITY = math.inf
LARGEST = sys.float_info.max
NUMBERS = frozenset({int, float})  # whose additions call nothing
MOST = 2**63 - 1  # that a whole number is in OTLP


def is_finite(amount: object) -> bool:
    """Whether it is a number that can be added up and fits a float."""
    try:
        return -LARGEST <= amount <= LARGEST  # type: ignore[operator]
    except (TypeError, ValueError):
        return False


def measured(amount: Any, low: float = -LARGEST) -> float | None:
    """A plain int or float of any number from ``low`` on; None of all else."""
    try:
        if not low <= amount <= LARGEST:
            return None
        return amount if type(amount) in NUMBERS else plain_number(amount)
    except Exception:  # noqa: BLE001 - a user's number may do anything
        return None


def plain_number(number: Any) -> float:
    """A plain int or float out of any kind of number."""
    return int(number) if isinstance(number, int) else float(number)


def as_float(number: float) -> float:
    """The number as a float, infinite if it is a whole number too large for one."""
    try:
        return float(number)
    except OverflowError:
        return INFINITY if number > 0 else -INFINITY


def event_number(number: float) -> float:
    """The number itself, or a float if it is a whole number that OTLP cannot say."""
    return (
        number if type(number) is float or -MOST <= number <= MOST else as_float(number)
    )
