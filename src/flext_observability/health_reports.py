"""What health checks found, as entities: one check's, and that of all together.

Law: whatever a check tells, an entity comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sluiceway.health import CheckReport, HealthReport, Outcome

from .exceptions import PASSWORD_IN_URL
from .models import FlextHealthCheck, now

LONGEST: Final = 4000  # characters of a message
OVERALL: Final = "overall"
HEALTHY: Final = "healthy"
UNTELLABLE: Final = {"error": "what the check told cannot be kept"}
LATEST_NS: Final = 2**63 - 1  # of the timestamps that exporters can write


def found(
    name: str, outcome: Outcome, seconds: float, time_ns: int
) -> FlextHealthCheck:
    """What one run of a check found."""
    return entity(
        name,
        outcome.status.value,
        outcome.details,
        outcome.message,
        duration=max(0.0, seconds),
        checked_at=moment(time_ns),
    )


def entity(
    name: str, status: str, details: Mapping[str, Any], message: str, **rest: Any
) -> FlextHealthCheck:
    """A health check whose details are kept if they can be."""
    line = message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…"
    try:
        return FlextHealthCheck(name, status, {**details}, line, **rest)
    except Exception:  # noqa: BLE001 - a user's object may do anything
        return FlextHealthCheck(name, status, UNTELLABLE, line, **rest)


def moment(time_ns: int) -> datetime:
    """A time of the wall's clock."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def nanoseconds(time: datetime) -> int:
    """A time as exporters can write it: since the epoch, and not in some far future."""
    return min(max(0, int(time.timestamp() * 1e9)), LATEST_NS)


def without_passwords(text: str) -> str:
    """The text, without what addresses in it hold of user and password."""
    return PASSWORD_IN_URL.sub("***@", text)


def overall(
    report: HealthReport, missing: Mapping[str, Sequence[str]]
) -> FlextHealthCheck:
    """How all checks stand, with each of them among the details.

    Args:
        report: their states.
        missing: what some depend on that is no check.
    """
    checks = {
        name: {**told(check), **({"missing": [*gone]} if gone else {})}
        for name, check in report.checks.items()
        for gone in [missing.get(name, ())]
    }
    details = {"ready": report.ready, "checks": checks}
    return entity(OVERALL, report.status.value, details, why(report))


def told(check: CheckReport) -> dict[str, Any]:
    """How one check stands."""
    known: dict[str, Any] = {
        "status": check.status.value,
        "message": check.message,
        "critical": check.critical,
        "duration": check.duration,
        "details": inner(check),
    }
    if check.time_unix_nano:
        known["checked_at"] = moment(check.time_unix_nano).isoformat()
        known["since"] = moment(check.since_unix_nano).isoformat()
    if check.because_of:
        known["because_of"] = [*check.because_of]
    return known


def inner(check: CheckReport) -> Any:
    """What a check told besides, if there is room for it within that of all."""
    place = {"checks": {check.name: {"details": check.details}}}
    kept = entity(check.name, HEALTHY, place, "").details
    return kept["checks"][check.name]["details"] if "checks" in kept else UNTELLABLE


def why(report: HealthReport) -> str:
    """Which checks are not healthy, in a few words; nothing if all are."""
    return ", ".join(
        f"{check.name} is {check.status.value}"
        + (f" (because of {', '.join(check.because_of)})" if check.because_of else "")
        for check in report.checks.values()
        if check.status.value != HEALTHY
    )


def unanswered(name: str, why: str) -> FlextHealthCheck:
    """What is said of a check that did not answer: nothing is known."""
    return entity(name, "unknown", {}, why, checked_at=now())
