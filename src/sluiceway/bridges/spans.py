"""SpanBridge: the SDK's finished spans feed a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link as ApiLink

from ..events import Link, Span, SpanEvent, StatusCode
from ..instrument.identity import (
    KNOWN,
    REMOTE,
    W3C_FLAGS,
    identity_of,
    kind_of,
    link_of,
)
from ..instrument.logger import identifier
from ..instrument.values import plain_attributes
from .bridge import CAPACITY, Bridge


class SpanBridge(Bridge[Span], SpanExporter):
    """An SDK ``SpanExporter``, for its ``BatchSpanProcessor``.

    ``provider.add_span_processor(BatchSpanProcessor(bridge))`` and
    ``Pipeline(bridge.source >> ...)``.

    Args:
        name: of its source in the graph; default ``"sdk_spans"``.
        capacity: spans that wait for a pipeline; default 100,000.

    Raises:
        ConfigurationError: ``capacity`` is not a positive whole number.
    """

    def __init__(self, name: str = "sdk_spans", *, capacity: int = CAPACITY) -> None:
        super().__init__(name, capacity)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand the spans over; FAILURE if some were refused, which is counted."""
        taken = self._offer(spans, self._event_of)
        return SpanExportResult.SUCCESS if taken else SpanExportResult.FAILURE

    def _event_of(self, span: ReadableSpan) -> Span:
        context, parent = span.get_span_context(), span.parent
        if context is None:
            raise ValueError(f"span {span.name!r} has no context")
        trace_id, span_id, flags, trace_state = identity_of(context)
        remote = REMOTE if parent is not None and parent.is_remote else 0
        return Span(
            name=span.name,
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=identifier(parent.span_id, 8) if parent else b"",
            start_time_unix_nano=span.start_time or 0,
            end_time_unix_nano=span.end_time or 0,
            attributes=plain_attributes(span.attributes),
            kind=kind_of(span.kind),
            status_code=StatusCode(span.status.status_code.value),
            status_message=span.status.description or "",
            events=[event_of(event) for event in span.events],
            links=[link_with_losses(link) for link in span.links],
            trace_state=trace_state,
            flags=KNOWN | remote | flags & W3C_FLAGS,
            dropped_attributes_count=span.dropped_attributes,
            dropped_events_count=span.dropped_events,
            dropped_links_count=span.dropped_links,
            resource=self._resource_of(span.resource),
            scope=self._scope_of(span.instrumentation_scope),
        )


def event_of(event: SdkEvent) -> SpanEvent:
    """The SDK's event of a span as ours."""
    return SpanEvent(
        event.name,
        event.timestamp or 0,
        plain_attributes(event.attributes),
        event.dropped_attributes,
    )


def link_with_losses(given: ApiLink) -> Link:
    """The API's link as ours, with the attributes that the SDK has left out counted."""
    link = link_of(given) or Link(b"", b"")
    link.dropped_attributes_count = given.dropped_attributes
    return link
