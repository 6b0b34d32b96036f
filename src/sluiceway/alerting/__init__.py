"""Alerts made of telemetry: rules as stages, and what becomes of alerts.

Pure state machines that are told the time; the engine drives them as accumulators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .escalation import Escalation, target_of
    from .flapping import FlapDamper
    from .labels import label_matcher, labels_of
    from .muting import Inhibition, Silence, Silences
    from .notifier import Notifier
    from .policy import Level
    from .rules import AbsenceRule, ChangeRule, RateRule, RatioRule, ThresholdRule

__all__ = [
    "AbsenceRule",
    "ChangeRule",
    "Escalation",
    "FlapDamper",
    "Inhibition",
    "Level",
    "Notifier",
    "RateRule",
    "RatioRule",
    "Silence",
    "Silences",
    "ThresholdRule",
    "label_matcher",
    "labels_of",
    "target_of",
]

MODULES: Final = {
    **dict.fromkeys(__all__, ".rules"),
    "Escalation": ".escalation",
    "FlapDamper": ".flapping",
    "Inhibition": ".muting",
    "Level": ".policy",
    "Notifier": ".notifier",
    "Silence": ".muting",
    "Silences": ".muting",
    "label_matcher": ".labels",
    "labels_of": ".labels",
    "target_of": ".escalation",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
