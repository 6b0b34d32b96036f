"""A span holds so much and no more; what is beyond is counted as dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import Link, SpanContext, TraceFlags

from sluiceway.instrument import SpanLimits, Telemetry
from sluiceway.notes import event_of


def context(number):
    return SpanContext(number, number, is_remote=True, trace_flags=TraceFlags(1))


def finished(limits, work, **started):
    """The event of one span on which ``work`` was done."""
    telemetry = Telemetry("shop", limits=limits)
    with telemetry.tracer("tests").span("a", **started) as span:
        work(span)
    return event_of(telemetry.spans._buffer[0])


def nothing(span):
    pass


def numbered(count):
    return {f"key {number}": number for number in range(count)}


def test_the_first_attributes_stay_and_the_others_are_counted():
    def work(span):
        span.set_attribute("late", 1)
        span.set_attributes({"later": 2, "key 0": "changed"})

    event = finished(SpanLimits(attributes=3), work, attributes=numbered(5))
    assert event.attributes == {"key 0": "changed", "key 1": 1, "key 2": 2}
    assert event.dropped_attributes_count == 4


def test_an_attribute_that_is_there_may_change_at_the_limit():
    def work(span):
        span.set_attribute("key 1", "changed")

    event = finished(SpanLimits(attributes=2), work, attributes=numbered(2))
    assert event.attributes == {"key 0": 0, "key 1": "changed"}
    assert event.dropped_attributes_count == 0


def test_128_of_everything_stay_by_default():
    def work(span):
        for number in range(130):
            span.add_event("event", numbered(130))
            span.add_link(context(number + 1), numbered(129))

    event = finished(None, work, attributes=numbered(140))
    assert (len(event.attributes), event.dropped_attributes_count) == (128, 12)
    assert (len(event.events), event.dropped_events_count) == (128, 2)
    assert (len(event.links), event.dropped_links_count) == (128, 2)
    assert event.events[0].dropped_attributes_count == 2
    assert event.links[0].dropped_attributes_count == 1


def test_links_that_a_span_starts_with_are_limited_too():
    links = [Link(context(number), {"n": number}) for number in range(1, 5)]
    event = finished(SpanLimits(links=3, link_attributes=0), nothing, links=links)
    assert [link.span_id[-1] for link in event.links] == [1, 2, 3]
    assert event.dropped_links_count == 1
    assert [link.dropped_attributes_count for link in event.links] == [1, 1, 1]


def test_texts_are_shortened_wherever_they_stand():
    def work(span):
        span.set_attribute("text", "abcdef")
        span.set_attribute("list", ["abcdef", 7, ["abcdef"]])
        span.add_event("happened", {"text": "abcdef"})

    event = finished(
        SpanLimits(attribute_length=3), work, attributes={"first": "abcdef", "n": 12345}
    )
    assert event.attributes == {
        "first": "abc",
        "n": 12345,
        "text": "abc",
        "list": ["abc", 7, ["abc"]],
    }
    assert event.events[0].attributes == {"text": "abc"}
    assert event.dropped_attributes_count == 0


def test_an_exception_is_an_event_like_others():
    def work(span):
        for _ in range(3):
            span.record_exception(ValueError("x" * 100))

    limits = SpanLimits(events=2, attribute_length=10)
    event = finished(limits, work)
    assert [each.attributes["exception.message"] for each in event.events] == [
        "x" * 10
    ] * 2
    assert event.dropped_events_count == 1


def test_the_limits_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2")
    event = finished(None, nothing, attributes={"a": "long", "b": "long"})
    assert event.attributes == {"a": "lo"}
    assert event.dropped_attributes_count == 1


class Broken(dict):
    def values(self):
        raise RuntimeError("broken")

    def items(self):
        raise RuntimeError("broken")

    def keys(self):
        raise RuntimeError("broken")


def knot():
    one, other = {}, {}
    one.update({str(n): other for n in range(50)})
    other.update({str(n): one for n in range(50)})
    return one


@pytest.mark.parametrize("value", [Broken(a=1), knot()], ids=["broken", "knot"])
def test_a_value_that_cannot_be_read_is_told_as_text_and_raises_nothing(value):
    def work(span):
        span.set_attribute("late", value)
        span.add_event("event", {"value": value})
        span.set_attributes({"last": value})

    event = finished(None, work, attributes={"first": value})
    kept = [event.attributes[key] for key in ("first", "late", "last")]
    assert all(isinstance(each, str) for each in kept)
    assert isinstance(event.events[0].attributes["value"], str)


@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers()), max_size=20),
)
def test_whatever_is_set_the_first_keys_stay_and_hold_the_latest_values(most, settings):
    def work(span):
        for key, value in settings:
            span.set_attribute(key, value)

    event = finished(SpanLimits(attributes=most), work)
    expected = {}
    dropped = 0
    for key, value in settings:
        if key in expected or len(expected) < most:
            expected[key] = value
        else:
            dropped += 1
    assert event.attributes == expected
    assert event.dropped_attributes_count == dropped
