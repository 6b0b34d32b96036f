"""An attribute has a name: one without is left out, and counted where it can be."""

from __future__ import annotations

from opentelemetry.trace import Link, SpanContext

from sluiceway import Resource
from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of

NAMELESS = {"": "lost", "kept": 1}
KEPT = {"kept": 1}


def span_of(work, **started):
    telemetry = Telemetry("shop")
    with telemetry.tracer("tests").span("a", **started) as span:
        work(span)
    return event_of(telemetry.spans._buffer[0])


def attributes_and_dropped(event):
    return event.attributes, event.dropped_attributes_count


def test_a_span_counts_it_as_dropped_however_it_came():
    started = span_of(lambda span: None, attributes=NAMELESS)
    one = span_of(lambda span: span.set_attribute("", "lost"), attributes=KEPT)
    several = span_of(lambda span: span.set_attributes(NAMELESS))
    odd = span_of(lambda span: None, attributes={"": object(), "kept": 1})
    for event in (started, one, several, odd):
        assert attributes_and_dropped(event) == (KEPT, 1)


def test_events_and_links_of_a_span_count_theirs():
    link = Link(SpanContext(1, 1, is_remote=True), NAMELESS)
    span = span_of(lambda span: span.add_event("e", NAMELESS), links=[link])
    assert attributes_and_dropped(span) == ({}, 0)
    assert attributes_and_dropped(span.events[0]) == (KEPT, 1)
    assert attributes_and_dropped(span.links[0]) == (KEPT, 1)


def test_a_log_record_counts_it():
    telemetry = Telemetry("shop")
    telemetry.logger_provider.get_logger("tests").emit(body="b", attributes=NAMELESS)
    assert attributes_and_dropped(telemetry.logs._buffer[0]) == (KEPT, 1)


def test_points_belong_to_the_series_without_it():
    telemetry = Telemetry("shop")
    counter = telemetry.meter("tests").counter("c")
    counter.add(1, NAMELESS)
    counter.add(2, KEPT)
    counter.bind(NAMELESS).add(4)
    [point] = telemetry.collect()
    assert (point.attributes, point.value) == (KEPT, 7)


def test_resources_and_scopes_are_without_it():
    assert "" not in Telemetry("shop", resource=NAMELESS).resource.attributes
    given = Telemetry("shop", resource=Resource(NAMELESS))
    assert given.resource.attributes["kept"] == 1
    assert "" not in given.resource.attributes
    assert given.tracer("tests", attributes=NAMELESS).scope.attributes == KEPT
