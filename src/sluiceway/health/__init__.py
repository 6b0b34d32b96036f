"""Health checks: what they are, what is believed of them, and what follows from it.

Each name loads its module when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from ..sources.health import HealthSource
    from .board import HealthBoard, Recorded
    from .checks import Check
    from .outcomes import Ending, Outcome
    from .reports import CheckReport, HealthReport, aggregate

__all__ = [
    "Check",
    "CheckReport",
    "Ending",
    "HealthBoard",
    "HealthReport",
    "HealthSource",
    "Outcome",
    "Recorded",
    "aggregate",
]

MODULES: Final = {
    "Check": ".checks",
    "CheckReport": ".reports",
    "Ending": ".outcomes",
    "HealthBoard": ".board",
    "HealthReport": ".reports",
    "HealthSource": "..sources.health",
    "Outcome": ".outcomes",
    "Recorded": ".board",
    "aggregate": ".reports",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
