"""Pattern: what the spans of a decorated function are made like.

Law: it is what the span was when it became a decorator; what happens to that span
later, or that it ends, changes nothing for the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .span import LiveSpan

if TYPE_CHECKING:
    from .span import CurrentSpan

LiveSpanType = TypeVar("LiveSpanType", bound=LiveSpan)


class Pattern:
    """Makes spans with the arguments that one was made with.

    Args:
        span: that one.
    """

    __slots__ = ("_arguments", "_dropped", "_on_error", "_tracer")

    def __init__(self, span: CurrentSpan) -> None:
        self._tracer = span._tracer
        attributes = {**span.attributes}
        self._arguments = span._name, attributes, span._kind, *span._given
        self._on_error = span.on_error
        details = getattr(span, "_details", None)  # an ended span has none
        self._dropped = details.dropped_attributes if details else 0

    def another(self, kind: type[LiveSpanType]) -> LiveSpanType:
        """A new span of the class ``kind``."""
        make: type[LiveSpanType] = self._tracer.span_type(kind)
        span = make().prepare(self._tracer, *self._arguments)
        if self._on_error is not LiveSpan.on_error:
            span.on_error = self._on_error
        if self._dropped:
            span._more().dropped_attributes = self._dropped
        return span
