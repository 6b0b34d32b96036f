"""Alerts made of telemetry: rules as stages, and what becomes of alerts.

Pure state machines that are told the time; the engine drives them as accumulators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .muting import Inhibition, Silence
    from .notifier import Notifier
    from .rules import AbsenceRule, ChangeRule, RateRule, RatioRule, ThresholdRule

__all__ = [
    "AbsenceRule",
    "ChangeRule",
    "Inhibition",
    "Notifier",
    "RateRule",
    "RatioRule",
    "Silence",
    "ThresholdRule",
]

MODULES: Final = {
    **dict.fromkeys(__all__, ".rules"),
    "Inhibition": ".muting",
    "Notifier": ".notifier",
    "Silence": ".muting",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
