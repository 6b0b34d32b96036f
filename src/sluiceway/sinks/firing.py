"""What an Alertmanager must be told again, and again.

Law: pure; it is told the time. An alert that fires is told until it is resolved, and
that it is resolved is told for a while. Source: Prometheus, ``rules/alerting.go``.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import frozen

from ..events import Alert, AlertStatus
from ..formats.alertmanager import Posted, ending, posted

Key = tuple[str, frozenset[tuple[str, str]]]
BILLION: Final = 1_000_000_000
RESOLVED_FOR_NS: Final = 15 * 60 * BILLION  # how long a resolved alert is told
MOST: Final = 10_000  # alerts that are remembered


@frozen
class Known:
    """An alert that was told.

    Attributes:
        told: as it was told last.
        until_ns: when it is forgotten; None while it fires.
    """

    told: Posted
    until_ns: int | None


class FiringAlerts:
    """The alerts to tell again.

    Args:
        lasting_ns: how long after it was told an alert still fires by itself.
        most: alerts to remember; those that were told first are forgotten first.
    """

    def __init__(self, lasting_ns: int, most: int = MOST) -> None:
        self._lasting_ns = lasting_ns
        self._most = most
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._ended: OrderedDict[Key, Posted] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<FiringAlerts {self.firing} of {len(self)}>"

    @property
    def firing(self) -> int:
        """How many of them fire."""
        return sum(known.until_ns is None for known in self._known.values())

    def begin(self, alert: Alert, now_ns: int) -> tuple[Posted, Posted | None]:
        """What to tell of an alert; until ``done`` nothing is told of it again.

        Returns:
            The alert; and the end of what it was before, where its labels have changed
            (its severity is one), since these are another alert to Alertmanager.
        """
        told = posted(alert, now_ns, self._lasting_ns)
        key = key_of(alert)
        before = self._known.pop(key, None)
        if before is not None and before.told["labels"] != told["labels"]:
            self._ended[key] = ending(before.told, now_ns)
            if len(self._ended) > self._most:
                self._ended.popitem(last=False)
        return told, self._ended.get(key)

    def done(self, alert: Alert, told: Posted, now_ns: int) -> None:
        """It was told: from now on it is told again."""
        key = key_of(alert)
        resolved = alert.status is AlertStatus.RESOLVED
        until = now_ns + RESOLVED_FOR_NS if resolved else None
        self._ended.pop(key, None)
        self._known[key] = Known(told, until)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
            self.forgotten += 1

    def due(self, now_ns: int) -> list[Posted]:
        """What to tell again now."""
        gone = [
            key
            for key, known in self._known.items()
            if known.until_ns is not None and known.until_ns <= now_ns
        ]
        for key in gone:
            del self._known[key]
        ends = now_ns + self._lasting_ns
        return [
            ending(known.told, ends) if known.until_ns is None else known.told
            for known in self._known.values()
        ]


def key_of(alert: Alert) -> Key:
    """What tells an alert from others: its name and labels."""
    return alert.name, frozenset(alert.labels.items())
