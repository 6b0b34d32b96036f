"""Events of every shape that OTLP has a form for, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sluiceway.events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    Link,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    StatusCode,
    Summary,
    Temporality,
)

uint32 = st.integers(0, 2**32 - 1) | st.just(0)
uint64 = st.integers(0, 2**64 - 1) | st.just(0)
sint32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    "é", min_size=60, max_size=150
)
floats = st.floats(allow_nan=True)
scalars = st.one_of(
    st.none(), st.booleans(), int64, st.integers(-2, 300), floats, words, st.binary()
)
any_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
    ),
    max_leaves=6,
)
attributes = st.dictionaries(words, any_values, max_size=4)
trace_ids = st.just(b"") | st.binary(min_size=16, max_size=16)
span_ids = st.just(b"") | st.binary(min_size=8, max_size=8)

resource_pool = st.lists(
    st.builds(Resource, attributes, words, uint32), min_size=1, max_size=2
)
scope_pool = st.lists(
    st.builds(Scope, words, words, attributes, words, uint32), min_size=1, max_size=2
)

spans = st.builds(
    Span,
    name=words,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=span_ids,
    start_time_unix_nano=uint64,
    end_time_unix_nano=uint64,
    attributes=attributes,
    kind=st.sampled_from(SpanKind) | st.sampled_from([77, 200, -1]),
    status_code=st.sampled_from(StatusCode) | st.just(9),
    status_message=words,
    events=st.lists(
        st.builds(SpanEvent, words, uint64, attributes, uint32), max_size=2
    ),
    links=st.lists(
        st.builds(Link, trace_ids, span_ids, words, attributes, uint32, uint32),
        max_size=2,
    ),
    trace_state=words,
    flags=uint32,
    dropped_attributes_count=uint32,
    dropped_events_count=uint32,
    dropped_links_count=uint32,
)

records = st.builds(
    LogRecord,
    time_unix_nano=uint64,
    observed_time_unix_nano=uint64,
    severity_number=st.integers(0, 24),
    severity_text=words,
    body=any_values,
    attributes=attributes,
    trace_id=trace_ids,
    span_id=span_ids,
    flags=uint32,
    event_name=words,
    dropped_attributes_count=uint32,
)

numbers = int64 | floats
maybe = st.none() | floats
histograms = st.builds(
    Histogram, uint64, maybe, st.lists(uint64), st.lists(floats), maybe, maybe
)
exponential_buckets = st.builds(ExponentialBuckets, sint32, st.lists(uint64))
exponentials = st.builds(
    ExponentialHistogram,
    uint64,
    maybe,
    sint32,
    uint64,
    exponential_buckets,
    exponential_buckets,
    maybe,
    maybe,
    floats,
)
summaries = st.builds(
    Summary, uint64, floats, st.lists(st.tuples(floats, floats), max_size=3)
)
VALUES = {
    MetricKind.GAUGE: numbers,
    MetricKind.SUM: numbers,
    MetricKind.HISTOGRAM: histograms,
    MetricKind.EXPONENTIAL_HISTOGRAM: exponentials,
    MetricKind.SUMMARY: summaries,
}
PLAIN = {MetricKind.GAUGE, MetricKind.SUMMARY}  # without a temporality


def points_of(kind: MetricKind) -> st.SearchStrategy[MetricPoint]:
    exemplars = st.builds(Exemplar, numbers, uint64, trace_ids, span_ids, attributes)
    return st.builds(
        MetricPoint,
        name=st.sampled_from(["a", "b", ""]),
        value=VALUES[kind],
        kind=st.just(kind),
        unit=st.sampled_from(["", "s"]),
        description=st.sampled_from(["", "what it is"]),
        attributes=attributes,
        time_unix_nano=uint64,
        start_time_unix_nano=uint64,
        temporality=(
            st.just(Temporality.CUMULATIVE)
            if kind in PLAIN
            else st.sampled_from(Temporality)
        ),
        is_monotonic=st.booleans() if kind is MetricKind.SUM else st.just(False),
        exemplars=(
            st.just([])
            if kind is MetricKind.SUMMARY
            else st.lists(exemplars, max_size=2)
        ),
        flags=uint32.map(lambda flags: flags & ~1),
        metadata=st.just({}) | attributes,
    )


points = st.sampled_from(MetricKind).flatmap(points_of)


@st.composite
def batches(draw: Any, events: st.SearchStrategy[Any]) -> list[Any]:
    """Events of a few resources and scopes, mixed."""
    known_resources, known_scopes = draw(resource_pool), draw(scope_pool)
    batch = draw(st.lists(events, max_size=4))
    for event in batch:
        event.resource = draw(st.sampled_from(known_resources))
        event.scope = draw(st.sampled_from(known_scopes))
    return batch
