"""The FLEXT observability foundation: metrics, tracing, alerts and health.

Every operation returns a ``FlextResult``. All of a process goes into one pipeline of
sluiceway's, on a thread of its own. Import names from here only.
"""

from __future__ import annotations

from . import compat
from .alert_book import FlextAlertEvent
from .alerts import FlextAlertService
from .api import (
    flext_create_alert,
    flext_create_health_check,
    flext_create_metric,
    flext_create_trace,
)
from .backend import FlextBackend
from .channels import FlextChannel
from .config import FlextObservabilityConfig
from .domain import FlextDomainService
from .escalation import FlextEscalationLevel, FlextEscalationPolicy
from .exceptions import (
    FlextConfigurationError,
    FlextObservabilityError,
    FlextUnwrapError,
    FlextValidationError,
)
from .factories import (
    FlextObservabilityMasterFactory,
    get_global_factory,
    reset_global_factory,
)
from .health import FlextHealthService
from .loggers import FlextLogger, get_logger
from .metrics import FlextMetricsService
from .models import FlextAlert, FlextHealthCheck, FlextMetric, FlextTrace
from .monitoring import (
    FlextMonitorReport,
    FlextObservabilityMonitor,
    flext_monitor_function,
)
from .plugins import FlextObservabilityPlugin, FlextPluginRegistry
from .propagation import (
    FlextTraceContext,
    flext_extract_context,
    flext_grpc_metadata,
    flext_inject_context,
)
from .protocols import (
    FlextAlertProtocol,
    FlextHealthProtocol,
    FlextMetricsProtocol,
    FlextTracingProtocol,
)
from .result import FlextFailure, FlextResult, FlextSuccess
from .tracing import FlextTracingService

__version__ = "0.1.0"

__all__ = [
    "FlextAlert",
    "FlextAlertEvent",
    "FlextAlertProtocol",
    "FlextAlertService",
    "FlextBackend",
    "FlextChannel",
    "FlextConfigurationError",
    "FlextDomainService",
    "FlextEscalationLevel",
    "FlextEscalationPolicy",
    "FlextFailure",
    "FlextHealthCheck",
    "FlextHealthProtocol",
    "FlextHealthService",
    "FlextLogger",
    "FlextMetric",
    "FlextMetricsProtocol",
    "FlextMetricsService",
    "FlextMonitorReport",
    "FlextObservabilityConfig",
    "FlextObservabilityError",
    "FlextObservabilityMasterFactory",
    "FlextObservabilityMonitor",
    "FlextObservabilityPlugin",
    "FlextPluginRegistry",
    "FlextResult",
    "FlextSuccess",
    "FlextTrace",
    "FlextTraceContext",
    "FlextTracingProtocol",
    "FlextTracingService",
    "FlextUnwrapError",
    "FlextValidationError",
    "compat",
    "flext_create_alert",
    "flext_create_health_check",
    "flext_create_metric",
    "flext_create_trace",
    "flext_extract_context",
    "flext_grpc_metadata",
    "flext_inject_context",
    "flext_monitor_function",
    "get_global_factory",
    "get_logger",
    "reset_global_factory",
]
