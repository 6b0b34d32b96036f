"""SpanStart: what a sampler at the head can know of a span, before it has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ..events import SpanKind


class SpanStart(NamedTuple):
    """A span that is about to start.

    Attributes:
        name: the span's.
        kind: the span's.
        attributes: those that it starts with.
        trace_id: 16 bytes, the last 7 of them random.
        parent_id: 8 bytes; empty for the root of a trace.
        parent_sampled: what was decided on its parent.
        parent_is_remote: whether the parent is in another process.
        trace_state: the trace's, as its parent has it.
    """

    name: str
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Any] = {}
    trace_id: bytes = bytes(16)
    parent_id: bytes = b""
    parent_sampled: bool = False
    parent_is_remote: bool = False
    trace_state: str = ""


class ChoosingSampler(Protocol):
    """Leaves the decision to one of several samplers."""

    @property
    def choices(self) -> tuple[Any, ...]:
        """Every sampler that it may choose."""
        ...

    def choose(self, start: SpanStart) -> Any:
        """The one of ``choices`` that decides on this span; does no I/O."""
        ...
