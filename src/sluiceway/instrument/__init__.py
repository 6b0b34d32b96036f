"""How an application makes events: spans, metrics and logs by one ``Telemetry``.

Loads OpenTelemetry's API, whose Tracer, Span and Meter these are; never its SDK.
"""

from .aggregations import (
    HistogramAggregation,
    LastValueAggregation,
    SumAggregation,
)
from .exponential import ExponentialAggregation
from .head import HeadSampler
from .limits import SpanLimits
from .log_handler import LogHandler, stamp_trace
from .log_limits import LogLimits
from .logger import Logger, LoggerProvider
from .meter import Meter
from .span import LiveSpan
from .structlog import StructlogProcessor
from .telemetry import Telemetry
from .tracer import Tracer
from .views import DropAggregation, View

__all__ = [
    "DropAggregation",
    "ExponentialAggregation",
    "HeadSampler",
    "HistogramAggregation",
    "LastValueAggregation",
    "LiveSpan",
    "LogHandler",
    "LogLimits",
    "Logger",
    "LoggerProvider",
    "Meter",
    "SpanLimits",
    "StructlogProcessor",
    "SumAggregation",
    "Telemetry",
    "Tracer",
    "View",
    "stamp_trace",
]
