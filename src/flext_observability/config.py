"""FlextObservabilityConfig: where telemetry goes, and how much is kept.

Law: arguments win over the environment, and that over a file; what is wrong is refused
and named, what cannot be followed is said, and nothing that is named is ignored.
"""

from __future__ import annotations

from attrs import field, frozen

from . import validation
from .fields import by, unless_empty, with_checks


@frozen(kw_only=True, field_transformer=with_checks)
class FlextObservabilityConfig:
    """Where telemetry goes, and how much is kept.

    Args:
        service_name: of the resource; by default as OpenTelemetry's variables say.
        environment: of the resource, ``deployment.environment.name``; ``""`` for none.
        otlp_endpoint: where traces and metrics are sent by OTLP; ``""`` for nowhere.
        pushgateway_url: where metrics are pushed; ``""`` for nowhere.
        alertmanager_url: where alerts are sent; ``""`` for nowhere.
        export_interval: seconds between two exports of metrics; default 15.
        drain_timeout: seconds that an end of the program waits for endpoints; default
            5.
        series_limit: series of one metric; what is beyond is added up in one; default
            2,000.
        open_traces: traces that run; the oldest is ended for a new one; default 10,000.
        trace_timeout: seconds after which a trace that nobody ends is ended; default
            3,600.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    service_name: str = field(default="", metadata=by(validation.any_text))
    environment: str = field(default="", metadata=by(validation.any_text))
    otlp_endpoint: str = field(default="", metadata=unless_empty(validation.url))
    pushgateway_url: str = field(default="", metadata=unless_empty(validation.url))
    alertmanager_url: str = field(default="", metadata=unless_empty(validation.url))
    export_interval: float = field(default=15.0, metadata=by(validation.above_zero))
    drain_timeout: float = field(default=5.0, metadata=by(validation.at_least_zero))
    series_limit: int = field(default=2000, metadata=by(validation.some))
    open_traces: int = field(default=10_000, metadata=by(validation.some))
    trace_timeout: float = field(default=3600.0, metadata=by(validation.above_zero))
