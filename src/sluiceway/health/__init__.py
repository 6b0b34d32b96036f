"""Health checks: what they are, what is believed of them, and what follows from it.

Each name loads its module when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from ..sources.health import HealthSource
    from ..sources.health_runs import CheckRuns, run_check
    from ..sources.probes import HttpCheck, TcpCheck
    from .alerts import HealthAlerts
    from .board import HealthBoard, Recorded
    from .checks import Check
    from .metrics import HealthMetrics
    from .outcomes import Ending, Outcome, answered, overdue, raised, timed_out
    from .pipelines import PipelineCheck, pipeline_check
    from .reports import CheckReport, HealthReport, aggregate

__all__ = [
    "Check",
    "CheckReport",
    "CheckRuns",
    "Ending",
    "HealthAlerts",
    "HealthBoard",
    "HealthMetrics",
    "HealthReport",
    "HealthSource",
    "HttpCheck",
    "Outcome",
    "PipelineCheck",
    "Recorded",
    "TcpCheck",
    "aggregate",
    "answered",
    "overdue",
    "pipeline_check",
    "raised",
    "run_check",
    "timed_out",
]

MODULES: Final = {
    "Check": ".checks",
    "CheckReport": ".reports",
    "CheckRuns": "..sources.health_runs",
    "Ending": ".outcomes",
    "HealthAlerts": ".alerts",
    "HealthBoard": ".board",
    "HealthMetrics": ".metrics",
    "HealthReport": ".reports",
    "HealthSource": "..sources.health",
    "HttpCheck": "..sources.probes",
    "Outcome": ".outcomes",
    "PipelineCheck": ".pipelines",
    "Recorded": ".board",
    "TcpCheck": "..sources.probes",
    "aggregate": ".reports",
    "answered": ".outcomes",
    "overdue": ".outcomes",
    "pipeline_check": ".pipelines",
    "raised": ".outcomes",
    "run_check": "..sources.health_runs",
    "timed_out": ".outcomes",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
