"""ProbabilitySampler: keep a share of all traces, the same ones everywhere.

Law: a trace is kept where its randomness reaches the threshold, so that two samplers
agree without talking to each other; a threshold is only ever raised. Source:
OpenTelemetry specification, ``trace/tracestate-probability-sampling.md``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from attrs import Attribute, define, field, setters

from ..errors import ConfigurationError, PartialError, PermanentError
from ..events import Alert, HealthCheck, LogRecord, MetricPoint
from ..formats.otlp_protobuf import EncodedPoint, EncodedRecord, EncodedSpan
from ..formats.tracestate import (
    FULL,
    format_threshold,
    parse_randomness,
    parse_threshold,
    probability_of,
    randomness_of,
    read_ot,
    threshold_of,
    trace_state_with_threshold,
)
from ..settings import Bounds, number, one_of
from ..stages import Sampler

__all__ = ["ProbabilitySampler", "trace_state_with_threshold"]

T = TypeVar("T")
Mode = Literal["equalizing", "proportional"]

SMALLEST = 1 / FULL
TRACELESS = (LogRecord, MetricPoint, Alert, HealthCheck, EncodedPoint, EncodedRecord)


def encodable(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a probability that a threshold can tell."""
    number(0, 1)(owner, attribute, value)
    if 0 < value < SMALLEST:
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; "
            f"expected 0 or a number from 2**-56 to 1"
        )


@define(eq=False, slots=False)
class ProbabilitySampler(Sampler[T]):
    """Keeps a share of all traces, whole, and writes the share into what it keeps.

    A span carries its threshold as ``ot=th:…`` in ``trace_state``; a log record with
    a ``trace_id`` is kept with its trace and carries the attribute
    ``sampling.threshold``. What belongs to no trace (metric points, alerts, health
    checks, log records outside a trace) passes, since leaving it out would not be
    sampling but loss. An object of another type without ``trace_id`` is rejected with
    a ``PermanentError`` that names its type.

    It takes telemetry that is not decoded (``OtlpSource(decode=False)``), of which it
    reads the trace id and the tracestate, and sets the latter.

    Args:
        probability: the share to keep: 0, or 2**-56 to 1. As a threshold it is
            rounded to 4 hex digits, not counting leading f's.
        mode: what to do with what was sampled before. ``"equalizing"`` (default)
            brings everything down to this probability, ``"proportional"`` keeps this
            share of what comes.
        name: its name in the graph.

    Attributes:
        threshold: the 56-bit threshold; a head sampler reads it.

    Raises:
        ConfigurationError: a probability or mode that means nothing.
    """

    probability: Annotated[float, Bounds(0, 1)] = field(
        validator=encodable, on_setattr=setters.frozen
    )
    mode: Mode = field(
        default="equalizing",
        kw_only=True,
        validator=one_of(Mode),
        on_setattr=setters.frozen,
    )
    name: str | None = field(default=None, kw_only=True)
    threshold: int = field(init=False, repr=False)

    stateful = False
    mutates = True
    takes_encoded = True

    def __attrs_post_init__(self) -> None:
        self.threshold = threshold_of(self.probability)
        if self.threshold < FULL:
            self._first_state = trace_state_with_threshold("", self.threshold)

    def sample(self, events: list[T], now: float) -> list[T]:  # noqa: ARG002
        """The events whose traces are kept, and those that belong to no trace.

        Raises:
            PartialError: some events cannot be sampled; the others were.
        """
        kept: list[T] = []
        failed: dict[int, Exception] = {}
        for index, event in enumerate(events):
            try:
                if self._keeps(event):
                    kept.append(event)
            except Exception as error:  # noqa: BLE001 - a bad event costs itself only
                failed[index] = error
        if failed:
            raise PartialError(failed, kept)
        return kept

    def _keeps(self, event: Any) -> bool:
        if isinstance(event, EncodedSpan):
            return self._keeps_encoded(event)
        trace_id = getattr(event, "trace_id", None)
        if not trace_id:
            return passes(event)
        if not hasattr(event, "trace_state"):
            return self._keeps_record(event, trace_id)
        state = self._state_if_kept(trace_id, event.trace_state)
        if state is None:
            return False
        event.trace_state = state
        return True

    def _keeps_encoded(self, span: EncodedSpan) -> bool:
        trace_id, before = span.trace()
        if not trace_id:
            return passes(span)
        state = self._state_if_kept(trace_id, before)
        if state is None:
            return False
        if state != before:
            span.set_trace_state(state)
        return True

    def _state_if_kept(self, trace_id: bytes, state: str) -> str | None:
        """The tracestate of a span that is kept; None for one that is not."""
        if not state:
            kept = randomness_of(trace_id) >= self.threshold
            return self._first_state if kept else None
        before, randomness = read_ot(state)
        if randomness is None:
            randomness = randomness_of(trace_id)
        threshold = self._effective(before)
        if threshold != before:
            if randomness < threshold:
                return None
            return trace_state_with_threshold(state, threshold)
        return state

    def _keeps_record(self, record: Any, trace_id: bytes) -> bool:
        """The same rule, with attributes in the place of a tracestate."""
        attributes = record.attributes
        before = parse_threshold(str(attributes.get("sampling.threshold", "")))
        randomness = parse_randomness(str(attributes.get("sampling.randomness", "")))
        if randomness is None:
            randomness = randomness_of(trace_id)
        threshold = self._effective(before)
        if threshold != before:
            if randomness < threshold:
                return False
            attributes["sampling.threshold"] = format_threshold(threshold)
        return True

    def _effective(self, before: int | None) -> int:
        """The threshold after this sampler; never below the one before it."""
        if before is None:
            return self.threshold
        if self.mode == "equalizing" or self.threshold in {0, FULL}:
            return max(before, self.threshold)
        share = self.probability * probability_of(before)
        return max(before, threshold_of(max(share, SMALLEST)))


def passes(event: Any) -> bool:
    """True for what belongs to no trace; what should belong to one is refused."""
    if isinstance(event, TRACELESS):
        return True
    raise PermanentError(
        f"a {type(event).__name__} has no trace_id to sample by", reason="no_trace_id"
    )
