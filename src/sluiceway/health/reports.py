"""What the checks say, one by one and together.

Law: frozen snapshots, made when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from ..events import Attributes, HealthCheck, HealthStatus, copy_value

BETTER_TO_WORSE: Final = (
    HealthStatus.HEALTHY,
    HealthStatus.DEGRADED,
    HealthStatus.UNKNOWN,
    HealthStatus.UNHEALTHY,
)
READY: Final = frozenset({HealthStatus.HEALTHY, HealthStatus.DEGRADED})


@frozen
class CheckReport:
    """How one check stands.

    Attributes:
        name: the check's.
        status: what is believed, dependencies considered.
        message: why, for a person; what the check raised is quoted.
        summary: the same with the class alone of what it raised.
        details: whatever else the latest run told.
        critical: whether all is unhealthy when this is, or only degraded.
        because_of: the unhealthy checks that keep this one from succeeding.
        since_unix_nano: when the status became what it is; 0 before the first result.
        time_unix_nano: when the latest result came; 0 before the first one.
        duration: seconds that the latest run took.
    """

    name: str
    status: HealthStatus
    message: str = ""
    summary: str = ""
    details: Attributes = field(factory=dict)
    critical: bool = True
    because_of: tuple[str, ...] = ()
    since_unix_nano: int = 0
    time_unix_nano: int = 0
    duration: float = 0.0

    def event(self) -> HealthCheck:
        """The same as an event."""
        return HealthCheck(
            name=self.name,
            status=self.status,
            message=self.message,
            details=copy_value(self.details),
            time_unix_nano=self.time_unix_nano,
            duration=self.duration,
            critical=self.critical,
        )


@frozen
class HealthReport:
    """How all checks stand.

    Attributes:
        status: the worst of the critical ones; degraded, if that is healthy and
            another one is not.
        checks: each of them by its name.
    """

    status: HealthStatus
    checks: Mapping[str, CheckReport]

    @property
    def ready(self) -> bool:
        """Whether work should be sent here: nothing critical is down or unknown."""
        return self.status in READY

    @property
    def trouble(self) -> str:
        """Which critical checks make it unready, in a few words; nothing if none do."""
        return ", ".join(
            f"{check.name} is {check.status.value}"
            for check in self.checks.values()
            if check.critical and check.status not in READY
        )

    def __str__(self) -> str:
        lines = [
            f"{check.name} is {check.status.value}"
            + (f" ({check.message})" if check.message else "")
            for check in self.checks.values()
        ]
        return "\n".join([self.status.value, *lines])


def aggregate(found: Iterable[tuple[HealthStatus, bool]]) -> HealthStatus:
    """What several checks mean together.

    From better to worse: healthy, degraded, unknown, unhealthy. The worst critical one
    decides; of the others the worst can do no more than degrade.

    Args:
        found: each check's status, and whether it is critical.
    """
    worst = 0
    for status, critical in found:
        rank = BETTER_TO_WORSE.index(status)
        worst = max(worst, rank if critical else min(rank, 1))
    return BETTER_TO_WORSE[worst]
