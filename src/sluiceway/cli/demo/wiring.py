"""The demo's pipeline: what a reader would write in an application of their own."""

from __future__ import annotations

from ...decorators import processor
from ...events import Span
from ...instrument import Telemetry
from ...pipeline import Pipeline
from ...sinks.prometheus import PrometheusSink
from .ends import Ends
from .rules import ErrorRate


@processor
def hide_card(span: Span) -> Span:
    """No card number leaves the shop."""
    span.attributes.pop("card.number", None)
    return span


def make_pipeline(
    telemetry: Telemetry, ends: Ends, scrape: PrometheusSink, *, window: float
) -> Pipeline:
    """Spans, logs and metrics to where they are wanted, and alerts made of spans.

    Args:
        telemetry: the shop's.
        ends: the receivers.
        scrape: the page that Prometheus scrapes.
        window: seconds that the error-rate rule looks back.
    """
    otlp = ends.otlp.sink
    alerts = ErrorRate(window=window) >> ends.alerts.sink
    return Pipeline(
        telemetry.spans >> hide_card >> [otlp, alerts],
        telemetry.logs >> otlp,
        telemetry.metrics >> [ends.gateway.sink, scrape],
        name="shop",
        drain_timeout=4.0,
        resource=telemetry.resource,
    )
