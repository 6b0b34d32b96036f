"""Sampling at the head: whether a trace that starts here is recorded.

Law: a span follows its parent unless a ``ParentBasedSampler`` says otherwise, so that a
trace is whole and the propagated ``traceparent`` tells the truth. A sampler's bug costs
no trace. Source: OpenTelemetry specification, ``trace/sdk.md`` (ParentBased) and
``trace/tracestate-probability-sampling.md``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from inspect import signature
from logging import getLogger
from typing import Any, Protocol, runtime_checkable

from opentelemetry.trace import SpanContext, TraceFlags

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ConfigurationError
from ..fork import follow_forks
from ..formats.tracestate import (
    FULL,
    consistent_trace_state,
    randomness_of,
    read_ot,
    trace_state_with_threshold,
)
from ..samplers.always import AlwaysOffSampler, AlwaysOnSampler
from ..samplers.parent_based import ParentBasedSampler
from ..samplers.rate_limit import RateLimitSampler
from ..samplers.start import ChoosingSampler, SpanStart
from .deciding import defer, leave_out
from .identity import KNOWN, REMOTE
from .span import LiveSpan
from .trace_state import TraceState

Decision = tuple[bool, str]  # whether to record, and the tracestate from here on
Attributes = Mapping[str, Any]


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
        """Whether to record a span; never blocks.

        Args:
            trace_id: 128 bits, the lower 56 of them uniformly random.
            parent_context: None, since a span with a parent follows it; but the
                parent's where a ``ParentBasedSampler`` leaves such spans to this one.
            name: the span's name.
            attributes: those that the span starts with.
        """
        ...


class Asking:
    """What asks once, and keeps the trace where that fails.

    Args:
        ask: called with whatever ``answer`` is called with.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._complained = False

    def answer(self, *question: Any) -> Any:
        """The answer, or True where there is none."""
        try:
            return self._ask(*question)
        except Exception:
            if not self._complained:
                self._complained = True
                getLogger(__name__).exception("a head sampler failed; spans are kept")
            return True


class Head:
    """Asks a sampler; its bug costs no trace.

    Args:
        sampler: the object to ask.
    """

    asks = 0
    question = staticmethod(defer)

    def __init__(self, sampler: HeadSampler) -> None:
        self._asking = Asking(sampler.should_sample)
        self._complained = False

    def keeps(
        self,
        trace_id: bytes,
        name: str,
        attributes: Attributes | None,
        parent: SpanContext | None = None,
    ) -> bool:
        """Whether to record the trace that starts with this span."""
        whole = int.from_bytes(trace_id, "big")
        answer = self._asking.answer(whole, parent, name, attributes)
        return answer if isinstance(answer, bool) else self._understood(answer)

    def _understood(self, answer: Any) -> bool:
        """What an answer may mean that is no bool; None, as of no return, keeps."""
        if not self._complained:
            self._complained = True
            getLogger(__name__).warning(
                "a head sampler answered %.200r; expected True or False", answer
            )
        try:
            return answer is None or bool(answer)
        except Exception:  # noqa: BLE001 - an answer may be anything
            return True

    def decide(self, start: SpanStart) -> Decision:
        """Whether to record this span, whose parent may be anywhere."""
        parent = parent_of(start)
        kept = self.keeps(start.trace_id, start.name, start.attributes, parent)
        return kept, consistent_trace_state(start.trace_state, start.trace_id, kept)


class RateHead:
    """Keeps so many traces a second.

    Args:
        sampler: a ``RateLimitSampler``.
        clock: tells it the time.
    """

    asks = 0
    question = staticmethod(defer)

    def __init__(self, sampler: Any, clock: Clock) -> None:
        self._sample, self._clock = sampler.sample, clock
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """A thread that the child does not have may have held the lock.

        Spans start in every thread, and in signal handlers and finalizers too: one that
        comes in between may be given a token more.
        """
        self._lock = threading.RLock()

    def keeps(
        self,
        trace_id: bytes,  # noqa: ARG002 - as Head
        name: str,  # noqa: ARG002
        attributes: Attributes | None,  # noqa: ARG002
    ) -> bool:
        """Whether the bucket has a token left."""
        with self._lock:
            return bool(self._sample([None], self._clock.now()))

    def decide(self, start: SpanStart) -> Decision:
        """Whether the bucket has a token left for this span."""
        kept = self.keeps(start.trace_id, start.name, start.attributes)
        return kept, consistent_trace_state(start.trace_state, start.trace_id, kept)


class ThresholdHead:
    """Keeps what a consistent probability threshold keeps, and says so in ``ot=th``.

    Args:
        threshold: 56 bits; ``2**56`` keeps nothing.
    """

    asks = 0

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        # bytes are compared faster than made a number of; no seven reach eight of 0xff
        self._least = threshold.to_bytes(7, "big") if threshold < FULL else b"\xff" * 8
        self._trace_state = self._state_of("")

    def _state_of(self, trace_state: str) -> str:
        return trace_state_with_threshold(trace_state, self._threshold)

    def question(self, span: LiveSpan) -> None:
        """Decide on the root of a trace, now: the answer is always the same."""
        trace_id, span_id, flags, _ = span.identity
        if trace_id[9:] >= self._least:
            span.identity = (trace_id, span_id, flags, self._trace_state)
        else:
            leave_out(span)

    def decide(self, start: SpanStart) -> Decision:
        """The same for a trace that may bring its own randomness."""
        state = start.trace_state
        _, randomness = read_ot(state)
        if randomness is None:
            randomness = randomness_of(start.trace_id)
        if randomness >= self._threshold:
            return True, self._state_of(state)
        return False, trace_state_with_threshold(state, None) if state else ""


class FixedHead:
    """Decides all spans alike.

    Args:
        kept: how.
    """

    asks = 0

    def __init__(self, *, kept: bool) -> None:
        self._kept = kept

    def question(self, span: LiveSpan) -> None:
        """What was decided for all."""
        if not self._kept:
            leave_out(span)

    def decide(self, start: SpanStart) -> Decision:
        """What was decided for all."""
        state = start.trace_state
        return self._kept, consistent_trace_state(state, start.trace_id, self._kept)


Leaf = Head | FixedHead | RateHead | ThresholdHead


class ChoosingHead:
    """Asks a sampler which of its samplers is to decide.

    Args:
        sampler: the one that chooses.
        clock: for those that depend on time.

    Attributes:
        asks: the flags of parents whose children it is asked about, beside roots.
    """

    question = staticmethod(defer)

    def __init__(self, sampler: ChoosingSampler, clock: Clock) -> None:
        follows_local_parents = (
            isinstance(sampler, ParentBasedSampler) and sampler.follows_local_parents
        )
        self.asks = REMOTE if follows_local_parents else KNOWN
        self._asking = Asking(sampler.choose)
        self._heads = {id(s): any_head_of(s, clock) for s in sampler.choices}

    def decide(self, start: SpanStart) -> Decision:
        """What the chosen one decides."""
        chosen = self._heads.get(id(self._asking.answer(start)))
        if chosen is None:
            return True, start.trace_state
        return chosen.decide(start)


def parent_of(start: SpanStart) -> SpanContext | None:
    """The parent in the API's form."""
    if not start.parent_id:
        return None
    return SpanContext(
        int.from_bytes(start.trace_id, "big"),
        int.from_bytes(start.parent_id, "big"),
        is_remote=start.parent_is_remote,
        trace_flags=TraceFlags(start.parent_sampled),
        trace_state=TraceState.from_header([start.trace_state]),
    )


def head_of(sampler: Any, clock: Clock = SYSTEM_CLOCK) -> Leaf | ChoosingHead | None:
    """What a tracer asks; None records what begins here and follows the rest.

    A head that does not choose is asked about the roots of traces only.

    Raises:
        ConfigurationError: ``sampler`` can not decide at the head.
    """
    if sampler is None:
        return None
    if isinstance(sampler, ParentBasedSampler) and sampler.follows_parents:
        return head_of(sampler.root, clock)
    head = any_head_of(sampler, clock)
    if isinstance(head, ChoosingHead) and not isinstance(sampler, ParentBasedSampler):
        return ChoosingHead(ParentBasedSampler(sampler), clock)
    return head


def any_head_of(sampler: Any, clock: Clock) -> Leaf | ChoosingHead:
    """What asks this sampler, about whatever span.

    Raises:
        ConfigurationError: ``sampler`` can not decide at the head.
    """
    if isinstance(sampler, AlwaysOnSampler | AlwaysOffSampler):
        return FixedHead(kept=isinstance(sampler, AlwaysOnSampler))
    if callable(getattr(sampler, "should_sample", None)):
        refuse_foreign(sampler)
        return Head(sampler)
    if callable(getattr(sampler, "choose", None)):
        return ChoosingHead(sampler, clock)
    if isinstance(sampler, RateLimitSampler):
        return RateHead(sampler, clock)
    threshold = getattr(sampler, "threshold", None)
    if isinstance(threshold, int) and 0 <= threshold <= FULL:
        return ThresholdHead(threshold)
    raise ConfigurationError(
        f"Telemetry.sampler is {sampler!r}; expected a sampler out of "
        "sluiceway.samplers, or an object with "
        "should_sample(trace_id, parent_context, name, attributes)"
    )


def refuse_foreign(sampler: Any) -> None:
    """Refuse a sampler of OpenTelemetry's SDK, which is asked and answers otherwise.

    Raises:
        ConfigurationError: it is one, by what its ``should_sample`` takes first.
    """
    try:
        parameters = [*signature(sampler.should_sample).parameters]
    except (TypeError, ValueError):  # a callable that tells nothing of itself
        return
    if callable(getattr(sampler, "get_description", None)) and parameters[:2] == [
        "parent_context",
        "trace_id",
    ]:
        raise ConfigurationError(
            f"Telemetry.sampler is {sampler!r}, a sampler of OpenTelemetry's SDK; "
            "expected one out of sluiceway.samplers, such as "
            "ParentBasedSampler(ProbabilitySampler(0.25)) or AlwaysOffSampler()"
        )
