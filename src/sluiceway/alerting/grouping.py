"""A group of alerts that are told together, and when there is something to tell.

Law: pure, told the time. Source: Alertmanager, ``dispatch/`` and the table of
``notify/`` ("needsUpdate").
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import define, field

from ..events import Alert, AlertStatus
from .labels import Identity, Labels, labels_of

Identities = frozenset[Identity]
NOBODY: Identities = frozenset()


@define
class Told:
    """What was told of a group last.

    Attributes:
        firing: which alerts fire, as far as it was told; of one that is muted since
            then its end is told all the same.
        resolved: which had been resolved.
        at: when.
        acknowledged: of which of those that fire it was told that somebody knows.
    """

    firing: Identities
    resolved: Identities
    at: float
    acknowledged: Identities = NOBODY


def must_tell(
    told: Told | None,
    firing: Identities,
    resolved: Identities,
    now: float,
    repeat_interval: float,
) -> bool:
    """Whether what is the case now is to be told, by what was told last.

    Args:
        told: None if nothing was.
        firing: the alerts that fire.
        resolved: those that have been resolved, if these are told at all.
        now: seconds.
        repeat_interval: seconds after which what fires is told again.
    """
    if told is None:
        return bool(firing)
    if not firing <= told.firing:
        return True
    if not firing:
        return bool(told.firing and resolved)
    if not resolved <= told.resolved:
        return True
    return now - told.at >= repeat_interval


@define(eq=False)
class Group:
    """The alerts of one set of labels that they share.

    Args:
        due: when it is looked at next.

    Attributes:
        alerts: all of them by identity, as they are now.
        told: what was told last.
        waits: whether it has not been looked at yet.
    """

    due: float
    alerts: dict[Identity, Alert] = field(factory=dict)
    told: Told | None = None
    waits: bool = True

    def leave(self, identity: Identity) -> None:
        """Forget an alert that goes to another group, since its severity has changed.

        It is not told to be over: whoever knows it by its labels would believe that.
        """
        del self.alerts[identity]
        if self.told is not None:
            self.told.firing -= {identity}
            self.told.acknowledged -= {identity}

    def tell(
        self,
        now: float,
        mutes: Callable[[Labels], bool],
        *,
        repeat_interval: float,
        send_resolved: bool,
    ) -> list[Alert]:
        """What is to be told now, and forget what is over.

        Args:
            now: seconds.
            mutes: whether nobody is to be told of an alert.
            repeat_interval: seconds after which what fires is told again.
            send_resolved: whether it is told what has been resolved.
        """
        over = self._with(AlertStatus.RESOLVED)
        taken_on = self._with(AlertStatus.ACKNOWLEDGED)
        firing = frozenset(
            identity
            for identity, alert in self.alerts.items()
            if identity not in over and not mutes(labels_of(alert))
        )
        before = self.told or Told(NOBODY, NOBODY, now)
        known = before.firing
        resolved = known & over if send_resolved else NOBODY
        again = repeat_interval if firing - taken_on else math.inf
        news = (taken_on & firing & known) - before.acknowledged
        tells = must_tell(self.told, firing, resolved, now, again) or bool(news)
        both = firing | resolved
        told = [a.copy() for i, a in self.alerts.items() if tells and i in both]
        if tells:
            heard = (before.acknowledged | firing) & taken_on
            self.told = Told((known | firing) - over, resolved, now, heard)
        elif self.told is not None:
            self.told.firing, self.told.acknowledged = (
                known - over,
                before.acknowledged & taken_on,
            )
        for identity in over:
            del self.alerts[identity]
        return told

    def _with(self, status: AlertStatus) -> Identities:
        return frozenset(i for i, a in self.alerts.items() if a.status is status)
