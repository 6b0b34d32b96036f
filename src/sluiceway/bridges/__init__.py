"""For those who keep OpenTelemetry's SDK: its exporters, feeding a pipeline.

The only part of sluiceway that imports the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .logs import LogBridge
    from .metrics import MetricBridge
    from .spans import SpanBridge

__all__ = ["LogBridge", "MetricBridge", "SpanBridge"]

MODULES: Final = {
    "LogBridge": ".logs",
    "MetricBridge": ".metrics",
    "SpanBridge": ".spans",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
