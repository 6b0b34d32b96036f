"""The kit for testing stages and pipelines, with any test framework or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .check_accumulators import check_accumulator
    from .check_sinks import check_sink
    from .check_sources import check_source
    from .check_workers import check_processor, check_sampler
    from .clock import ManualClock
    from .misbehaving import MisbehavingServer
    from .requests import ReceivedRequest
    from .running import Result, run, stage_context
    from .sinks import CollectingSink, FailingSink, HangingSink, SlowSink

__all__ = [
    "CollectingSink",
    "FailingSink",
    "HangingSink",
    "ManualClock",
    "MisbehavingServer",
    "ReceivedRequest",
    "Result",
    "SlowSink",
    "check_accumulator",
    "check_processor",
    "check_sampler",
    "check_sink",
    "check_source",
    "run",
    "stage_context",
]

MODULES: Final = {
    "CollectingSink": ".sinks",
    "FailingSink": ".sinks",
    "HangingSink": ".sinks",
    "ManualClock": ".clock",
    "MisbehavingServer": ".misbehaving",
    "ReceivedRequest": ".requests",
    "Result": ".running",
    "SlowSink": ".sinks",
    "check_accumulator": ".check_accumulators",
    "check_processor": ".check_workers",
    "check_sampler": ".check_workers",
    "check_sink": ".check_sinks",
    "check_source": ".check_sources",
    "run": ".running",
    "stage_context": ".running",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
