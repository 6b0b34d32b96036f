"""sluiceway: an asyncio-native event pipeline for telemetry.

Sources, processors, samplers and sinks, connected by bounded queues; every event is
accounted for. The batteries are in ``sluiceway.sources``, ``.processors``,
``.samplers`` and ``.sinks``, the instruments in ``sluiceway.instrument``.
"""

from __future__ import annotations

from .batch import Batch
from .batching import BatchBy
from .chains import Chain, best_effort, merge, route
from .clock import Clock, SystemClock
from .decorators import processor, sampler, sink, source
from .delivery import Delivery, DeliveryStatus, Outcome
from .errors import (
    ConfigurationError,
    DeliveryError,
    GraphError,
    PartialError,
    PermanentError,
    PipelineFailedError,
    PipelineStateError,
    SluicewayError,
    SupersededError,
    TimeoutExceededError,
    TransientError,
)
from .events import (
    Alert,
    HealthCheck,
    LogRecord,
    MetricPoint,
    Resource,
    Scope,
    Span,
)
from .inlet import Inlet
from .latencies import Latency
from .ledger import Ledger, StageLedger
from .pipeline import Pipeline
from .reports import PipelineHealth, PipelineState, StageStatistics, StopReport
from .settings import Queue, Retry
from .stages import (
    Accumulator,
    Batches,
    Processed,
    Processor,
    Sampler,
    Send,
    Sink,
    Source,
    StageContext,
)

__version__ = "0.1.0"

__all__ = [
    "Accumulator",
    "Alert",
    "Batch",
    "BatchBy",
    "Batches",
    "Chain",
    "Clock",
    "ConfigurationError",
    "Delivery",
    "DeliveryError",
    "DeliveryStatus",
    "GraphError",
    "HealthCheck",
    "Inlet",
    "Latency",
    "Ledger",
    "LogRecord",
    "MetricPoint",
    "Outcome",
    "PartialError",
    "PermanentError",
    "Pipeline",
    "PipelineFailedError",
    "PipelineHealth",
    "PipelineState",
    "PipelineStateError",
    "Processed",
    "Processor",
    "Queue",
    "Resource",
    "Retry",
    "Sampler",
    "Scope",
    "Send",
    "Sink",
    "SluicewayError",
    "Source",
    "Span",
    "StageContext",
    "StageLedger",
    "StageStatistics",
    "StopReport",
    "SupersededError",
    "SystemClock",
    "TimeoutExceededError",
    "TransientError",
    "best_effort",
    "merge",
    "processor",
    "route",
    "sampler",
    "sink",
    "source",
]
