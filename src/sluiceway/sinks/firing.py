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
class Resolved:
    """An alert that was told to be over.

    Attributes:
        told: as it was told.
        until_ns: when it is forgotten.
    """

    told: Posted
    until_ns: int


class FiringAlerts:
    """The alerts to tell again.

    Args:
        lasting_ns: how long after it was told an alert still fires by itself.
        most: alerts to remember; those that are over are forgotten first, then those
            that were told first.

    Attributes:
        forgotten: how many that fire are not told again, since there are too many.
    """

    def __init__(self, lasting_ns: int, most: int = MOST) -> None:
        self._lasting_ns = lasting_ns
        self._most = most
        self._firing: OrderedDict[Key, Posted] = OrderedDict()
        self._resolved: OrderedDict[Key, Resolved] = OrderedDict()
        self._ended: OrderedDict[Key, Posted] = OrderedDict()
        self._begun: OrderedDict[Key, int] = OrderedDict()  # of those that do not say
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._firing) + len(self._resolved)

    def __repr__(self) -> str:
        return f"<FiringAlerts {self.firing} of {len(self)}>"

    @property
    def firing(self) -> int:
        """How many of them fire."""
        return len(self._firing)

    def begin(self, alert: Alert, now_ns: int) -> tuple[Posted, Posted | None]:
        """What to tell of an alert; until ``done`` nothing is told of it again.

        Returns:
            The alert; and the end of what it was before, where its labels have changed
            (its severity is one), since these are another alert to Alertmanager.
        """
        key = key_of(alert)
        began_ns = alert.starts_at_unix_nano or self._began(key, now_ns)
        told = posted(alert, now_ns, self._lasting_ns, began_ns)
        over = self._resolved.pop(key, None)
        before = self._firing.pop(key, over.told if over is not None else None)
        if before is not None and before["labels"] != told["labels"]:
            self._ended[key] = ending(before, now_ns)
            if len(self._ended) > self._most:
                self._ended.popitem(last=False)
        return told, self._ended.get(key)

    def _began(self, key: Key, now_ns: int) -> int:
        """When an alert that does not say so was heard of first, at whichever try."""
        began_ns = self._begun.setdefault(key, now_ns)
        if len(self._begun) > self._most:
            self._begun.popitem(last=False)
        return began_ns

    def done(self, alert: Alert, told: Posted, now_ns: int) -> None:
        """It was told: from now on it is told again."""
        key = key_of(alert)
        self._ended.pop(key, None)
        self._firing.pop(key, None)
        self._resolved.pop(key, None)
        if alert.status is AlertStatus.RESOLVED:
            self._resolved[key] = Resolved(told, now_ns + RESOLVED_FOR_NS)
            self._begun.pop(key, None)
        else:
            self._firing[key] = told
        if len(self) > self._most:
            self.forgotten += not self._resolved
            (self._resolved or self._firing).popitem(last=False)

    def due(self, now_ns: int) -> list[Posted]:
        """What to tell again now."""
        gone = [key for key, each in self._resolved.items() if each.until_ns <= now_ns]
        for key in gone:
            del self._resolved[key]
        ends = now_ns + self._lasting_ns
        firing = [ending(told, ends) for told in self._firing.values()]
        return firing + [each.told for each in self._resolved.values()]


def key_of(alert: Alert) -> Key:
    """What tells an alert from others: its name and labels."""
    return alert.name, frozenset(alert.labels.items())
