"""Sampling: whether a new operation is recorded, as ``OTEL_TRACES_SAMPLER`` says.

Law: the decision stands before anybody can see the operation, so that its parts and
other services are told the truth. Without a sampler all that begins here is recorded,
and the rest follows its parent.
"""

from __future__ import annotations

from attrs import evolve

from sluiceway.samplers import SpanStart

from .models import SAMPLED, FlextTrace
from .process import PROCESS
from .propagation import own_telemetry


def decided(trace: FlextTrace, *, is_remote: bool) -> FlextTrace:
    """The operation, with what the process's sampler has decided on it.

    Args:
        trace: the operation, as its parent would have it.
        is_remote: whether its parent is in another process.
    """
    backend = PROCESS.current  # to make a trace makes none
    head = (own_telemetry() if backend is None else backend.telemetry).head
    if head is None or (trace.parent_span_id and not head.asks):
        return trace
    start = SpanStart(
        trace.name,
        attributes=trace.context,
        trace_id=bytes.fromhex(trace.trace_id),
        parent_id=bytes.fromhex(trace.parent_span_id),
        parent_sampled=trace.is_sampled,
        parent_is_remote=is_remote,
        trace_state=trace.trace_state,
    )
    kept, state = head.decide(start)
    flags = trace.trace_flags & ~SAMPLED | SAMPLED * bool(kept)
    return evolve(trace, trace_flags=flags, trace_state=state)
