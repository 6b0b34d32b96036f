"""Sampling at the head: whether a trace that starts here is recorded.

Law: only roots are decided here; a span follows its parent, so that a trace is whole
and the propagated ``traceparent`` tells the truth. Source: OpenTelemetry specification,
``trace/sdk.md`` (ParentBased) and ``trace/tracestate-probability-sampling.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import getLogger
from typing import Any, Protocol, runtime_checkable

from opentelemetry.trace import SpanContext

from ..errors import ConfigurationError

FULL = 1 << 56  # a threshold that no randomness reaches


@runtime_checkable
class HeadSampler(Protocol):
    """Decides on a trace when its first span starts."""

    def should_sample(
        self,
        trace_id: int,
        parent_context: SpanContext | None,
        name: str,
        attributes: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether to record the trace of a root span; never blocks.

        Args:
            trace_id: 128 bits, the lower 56 of them uniformly random.
            parent_context: None, since a span with a parent follows it.
            name: the root span's name.
            attributes: those that the root span starts with.
        """
        ...


class Head:
    """Asks a sampler; its bug costs no trace.

    Args:
        sampler: the object to ask.
    """

    trace_state = ""

    def __init__(self, sampler: HeadSampler) -> None:
        self._sampler = sampler
        self._complained = False

    def keeps(
        self, trace_id: bytes, name: str, attributes: Mapping[str, Any] | None
    ) -> bool:
        """Whether to record the trace that starts with this span."""
        whole = int.from_bytes(trace_id, "big")
        try:
            return bool(self._sampler.should_sample(whole, None, name, attributes))
        except Exception:
            if not self._complained:
                self._complained = True
                getLogger(__name__).exception("a head sampler failed; spans are kept")
            return True


class ThresholdHead:
    """Keeps what a consistent probability threshold keeps, and says so in ``ot=th``.

    Args:
        threshold: 56 bits; ``2**56`` keeps nothing.
    """

    def __init__(self, threshold: int) -> None:
        # here, since an application without this sampler does not need its module
        from ..formats.tracestate import trace_state_with_threshold  # noqa: PLC0415

        self._threshold = threshold
        self.trace_state = (
            trace_state_with_threshold("", threshold) if threshold < FULL else ""
        )

    def keeps(
        self,
        trace_id: bytes,
        name: str,  # noqa: ARG002 - as Head
        attributes: Mapping[str, Any] | None,  # noqa: ARG002 - as Head
    ) -> bool:
        """Whether the trace's randomness reaches the threshold."""
        return int.from_bytes(trace_id[9:], "big") >= self._threshold


def head_of(sampler: Any) -> Head | ThresholdHead | None:
    """What a tracer asks at roots; None records them all.

    Raises:
        ConfigurationError: ``sampler`` can not decide at the head.
    """
    if sampler is None:
        return None
    if callable(getattr(sampler, "should_sample", None)):
        return Head(sampler)
    threshold = getattr(sampler, "threshold", None)
    if isinstance(threshold, int) and 0 <= threshold <= FULL:
        return ThresholdHead(threshold)
    raise ConfigurationError(
        f"Telemetry.sampler is {sampler!r}; expected a ProbabilitySampler or an object "
        "with should_sample(trace_id, parent_context, name, attributes)"
    )
