"""How checks stand, as JSON for an operator's page.

Law: pure; nothing that a check tells keeps the others from being shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from .webhook import rfc3339

if TYPE_CHECKING:
    from ..health.reports import CheckReport, HealthReport

UNWRITABLE: Final = {"error": "what the check told cannot be written as JSON"}


def health_object(report: HealthReport, *, details: bool) -> dict[str, Any]:
    """What JSON is made of: all together, and each check by its name.

    Args:
        report: how the checks stand.
        details: tell durations, details and the texts of exceptions, too.
    """
    checks = {
        name: {**check_object(check), **(details_of(check) if details else {})}
        for name, check in report.checks.items()
    }
    return {"health": report.status.value, "checks": checks}


def check_object(check: CheckReport) -> dict[str, Any]:
    """What everybody may know of a check; what it raised is named, not quoted."""
    told: dict[str, Any] = {
        "status": check.status.value,
        "critical": check.critical,
        "since": rfc3339(check.since_unix_nano),
    }
    if check.summary:
        told["message"] = check.summary
    return told


def details_of(check: CheckReport) -> dict[str, Any]:
    """What else there is to know."""
    return {
        "message": check.message,
        "checked_at": rfc3339(check.time_unix_nano),
        "duration": check.duration,
        "details": written(check.details),
    }


def written(value: Any) -> msgspec.Raw:
    """Any value as JSON; what JSON does not have, as the text of it."""
    try:
        return msgspec.Raw(msgspec.json.encode(value, enc_hook=repr))
    except Exception:  # noqa: BLE001 - whatever a user's object does
        return msgspec.Raw(msgspec.json.encode(UNWRITABLE))
