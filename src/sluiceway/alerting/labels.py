"""What tells alerts apart, and which alerts something is about.

Law: pure. Besides its labels an alert has ``alertname`` and ``severity``; a label that
it has not is an empty text. Source: Alertmanager, ``docs/configuration.md``,
"matcher".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..events import Alert
from .matching import Match, test_of

Labels = Mapping[str, str]
Identity = tuple[str, tuple[tuple[str, str], ...]]
Matches = Callable[[Labels], bool]


def labels_of(alert: Alert) -> dict[str, str]:
    """All labels of an alert, its name and severity among them."""
    return {"severity": alert.severity, **alert.labels, "alertname": alert.name}


def identity_of(alert: Alert) -> Identity:
    """What tells an alert from others: its name and its labels that say something."""
    present = ((key, value) for key, value in alert.labels.items() if value)
    return alert.name, tuple(sorted(present))


def check_alerts(events: Iterable[Any], who: str) -> None:
    """Refuse what is no alert.

    Args:
        events: what a stage was given.
        who: the stage, for the error.

    Raises:
        TypeError: one of them is something else.
    """
    for event in events:
        if not isinstance(event, Alert):
            raise TypeError(f"{who} takes alerts, not {type(event).__name__}")


def label_matcher(setting: str, wanted: Any) -> Matches:
    """The test of labels: each must be as it is wanted.

    Args:
        setting: whose it is, for an error.
        wanted: values by label, with signs as in ``"=~ eu-.*"``, or lists of such.

    Raises:
        ConfigurationError: it is no table, or a value can match nothing.
    """
    if not isinstance(wanted, Mapping):
        raise ConfigurationError(f"{setting} is {wanted!r}; expected a table of labels")
    tests: list[tuple[str, Match]] = [
        (label, test_of(f"{setting}[{label!r}]", value))
        for label, value in wanted.items()
    ]
    return lambda labels: all(test(labels.get(label, "")) for label, test in tests)
