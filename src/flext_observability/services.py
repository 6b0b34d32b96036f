"""The services: one for each concern, each made without arguments.

Law: an operation returns a ``FlextResult`` and raises nothing; services made without a
backend share that of the process, so that one that is made for a call loses nothing.
"""

from __future__ import annotations

from .alerts import FlextAlertService
from .health import FlextHealthService
from .metrics import FlextMetricsService
from .tracing import FlextTracingService

__all__ = [
    "FlextAlertService",
    "FlextHealthService",
    "FlextMetricsService",
    "FlextTracingService",
]
