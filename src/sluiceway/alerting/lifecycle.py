"""Pending, firing, resolved: the life of one alert.

Law: pure, told the time. An alert fires once its condition has held for ``for_``
seconds without a break, and resolves once it has not held for ``keep_firing_for``.
Source: Prometheus, "Alerting rules" (``for`` and ``keep_firing_for``).
"""

from __future__ import annotations

import enum

from attrs import define


class Phase(enum.Enum):
    """Where an alert stands.

    Attributes:
        INACTIVE: its condition does not hold.
        PENDING: it holds, but not for long enough.
        FIRING: it fires, or has just ceased to hold.
        ENDED: somebody has ended it, and its condition has held ever since.
    """

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    ENDED = "ended"


@define
class Lifecycle:
    """One alert's phase.

    Args:
        for_: seconds that the condition must hold before the alert fires.
        keep_firing_for: seconds that it goes on firing after the condition has ended.

    Attributes:
        phase: where it stands.
        since: when the phase began.
        broken_since: when the condition of a firing alert ceased to hold.
    """

    for_: float = 0.0
    keep_firing_for: float = 0.0
    phase: Phase = Phase.INACTIVE
    since: float = 0.0
    broken_since: float | None = None

    def step(self, *, holds: bool, now: float) -> bool:
        """Go on by what is the case now; whether it began or ceased to fire."""
        if self.phase is Phase.FIRING:
            return self._step_firing(holds=holds, now=now)
        if not holds:
            self.phase = Phase.INACTIVE
        if not holds or self.phase is Phase.ENDED:
            return False
        if self.phase is Phase.INACTIVE:
            self.phase, self.since = Phase.PENDING, now
        if now - self.since < self.for_:
            return False
        self.phase, self.since, self.broken_since = Phase.FIRING, now, None
        return True

    def _step_firing(self, *, holds: bool, now: float) -> bool:
        if holds:
            self.broken_since = None
            return False
        if self.broken_since is None:
            self.broken_since = now
        if now - self.broken_since < self.keep_firing_for:
            return False
        self.phase, self.since = Phase.INACTIVE, now
        return True
