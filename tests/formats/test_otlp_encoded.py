"""Telemetry that is not decoded: split into items, and joined again."""

from __future__ import annotations

import random

import pytest
from drawn_events import batches, points, records, spans
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from otlp_samples import mutated, sample_points, sample_records, sample_spans

from sluiceway.events import LogRecord, Resource, Scope, Span
from sluiceway.formats.otlp_protobuf import (
    ENCODED,
    EncodedPoint,
    EncodedRecord,
    EncodedSpan,
    MalformedError,
    decode_encoded,
    decode_logs,
    decode_metrics,
    decode_traces,
    encode_logs,
    encode_metrics,
    encode_traces,
    join_encoded,
    split_logs,
    split_metrics,
    split_traces,
)
from sluiceway.samplers import ProbabilitySampler

SIGNALS = {
    "traces": (encode_traces, split_traces, decode_traces, EncodedSpan, sample_spans),
    "metrics": (
        encode_metrics,
        split_metrics,
        decode_metrics,
        EncodedPoint,
        sample_points,
    ),
    "logs": (encode_logs, split_logs, decode_logs, EncodedRecord, sample_records),
}
signals = pytest.mark.parametrize("signal", SIGNALS)


@given(
    st.one_of(
        st.tuples(st.just("traces"), batches(spans)),
        st.tuples(st.just("metrics"), batches(points)),
        st.tuples(st.just("logs"), batches(records)),
    )
)
def test_split_and_joined_again_a_request_says_the_same(drawn):
    signal, events = drawn
    encode, split, decode, kind, _ = SIGNALS[signal]
    body = encode(events)
    items = split(body)
    assert {*map(type, items)} <= {kind}
    assert len(items) == len(decode(body)) == len(events)
    assert repr(decode(join_encoded(items))) == repr(decode(body))


@signals
def test_each_item_can_go_its_own_way(signal):
    encode, split, decode, _, samples = SIGNALS[signal]
    body = encode(samples())
    items, events = split(body), decode(body)
    assert [decode(join_encoded([item])) for item in items] == [[e] for e in events]
    assert decode(join_encoded(items[::-1])) == events[::-1]


@signals
def test_requests_merge_by_being_joined_and_share_what_surrounds_them(
    signal,
):
    encode, split, decode, _, samples = SIGNALS[signal]
    body = encode(samples())
    merged = join_encoded(split(body) + split(body))
    assert decode(merged) == decode(body) * 2
    assert len(merged) < 2 * len(body)


def test_two_scopes_of_a_resource_stay_under_one_resource():
    resource = Resource({"service.name": "shop"})
    events = [
        Span(
            name=name,
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            resource=resource,
            scope=Scope(name),
        )
        for name in ("a", "b")
    ]
    body = encode_traces(events)
    assert join_encoded(split_traces(body)) == body
    groups = ExportTraceServiceRequest.FromString(body).resource_spans
    assert [len(group.scope_spans) for group in groups] == [2]


@signals
def test_mutated_requests_are_split_or_malformed_and_what_is_split_joins_again(signal):
    encode, split, _, _, samples = SIGNALS[signal]
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    body = encode(samples())
    taken = refused = 0
    for number in range(10_000):
        mutation = mutated(body, chance)
        try:
            items = split(mutation)
        except MalformedError:
            refused += 1
            continue
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {mutation.hex()}")
            raise
        taken += 1
        assert split(join_encoded(items)) == items, mutation.hex()
    assert taken > 100
    assert refused > 100


@signals
def test_what_can_be_decoded_can_be_split_into_as_many_items(signal):
    encode, split, decode, _, samples = SIGNALS[signal]
    chance = random.Random(11)
    body = encode(samples())
    for _ in range(3_000):
        mutation = mutated(body, chance)
        try:
            events = decode(mutation)
        except MalformedError:
            continue
        items = split(mutation)
        assert len(items) == len(events), mutation.hex()
        again = encode(decode(join_encoded(items)))
        assert again == encode(events), mutation.hex()


@signals
def test_every_truncation_is_malformed_or_ends_between_two_fields(signal):
    encode, split, decode, _, samples = SIGNALS[signal]
    body = encode(samples())
    for end in range(len(body)):
        try:
            items = split(body[:end])
        except MalformedError:
            continue
        assert decode(join_encoded(items)) == decode(body[:end])


def test_a_million_items_are_the_most():
    many = b"\x12\x00" * 1_000_001
    scope = b"\x12" + varint(len(many)) + many
    body = b"\x0a" + varint(len(scope)) + scope
    with pytest.raises(MalformedError, match="at most 1000000 parts"):
        split_traces(body)


def varint(number):
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def test_a_wrong_resource_is_refused_since_it_would_spoil_its_neighbours_request():
    with pytest.raises(MalformedError):
        split_traces(b"\x0a\x04\x0a\x02\x0a\x05")


@signals
def test_its_size_is_its_bytes_its_copy_is_its_own_and_its_repr_shows_nothing(signal):
    encode, split, _, kind, samples = SIGNALS[signal]
    item = split(encode(samples()))[0]
    assert item.size() == len(item.data)
    copy = item.copy()
    assert copy == item
    assert copy is not item
    assert repr(item) == f"<{kind.__name__} of {len(item.data)} bytes>"
    assert kind in ENCODED


# Sampling what is not decoded.

PROBABILITIES = st.sampled_from([0, 0.01, 0.25, 0.5, 0.9, 1])
STATES = st.sampled_from(
    ["", "ot=th:8", "ot=th:c;rv:abcdefabcdefab", "a=1,ot=zz:9,b=2", "a=1", "ot=th:xyz"]
)


@given(
    PROBABILITIES,
    st.sampled_from(["equalizing", "proportional"]),
    st.lists(st.tuples(spans, STATES), min_size=1, max_size=4),
)
def test_an_encoded_span_is_sampled_as_the_decoded_one(probability, mode, drawn):
    events = [event for event, _ in drawn]
    for event, state in drawn:
        event.trace_id = event.trace_id or b"t" * 16
        event.trace_state = state
    sampler = ProbabilitySampler(probability, mode=mode)
    kept = sampler.sample(split_traces(encode_traces(events)), 0.0)
    expected = sampler.sample(decode_traces(encode_traces(events)), 0.0)
    assert encode_traces(decode_traces(join_encoded(kept))) == encode_traces(expected)


@given(
    PROBABILITIES,
    st.lists(
        st.tuples(records, st.sampled_from([{}, {"sampling.threshold": "8"}])),
        min_size=1,
        max_size=4,
    ),
)
def test_an_encoded_record_is_sampled_as_the_decoded_one(probability, drawn):
    events = [event for event, _ in drawn]
    for event, added in drawn:
        event.attributes |= added
    sampler = ProbabilitySampler(probability)
    kept = sampler.sample(split_logs(encode_logs(events)), 0.0)
    expected = sampler.sample(decode_logs(encode_logs(events)), 0.0)
    assert [as_sets(r) for r in decode_logs(join_encoded(kept))] == [
        as_sets(r) for r in expected
    ]


def as_sets(record):
    """A record's text without the order of its attributes."""
    pairs = sorted((key, repr(value)) for key, value in record.attributes.items())
    return pairs, repr(record.body), record.trace_id, record.span_id


def test_points_and_records_outside_a_trace_pass_a_sampler():
    sampler = ProbabilitySampler(0)
    items = split_metrics(encode_metrics(sample_points()))
    items += split_logs(encode_logs([LogRecord(body="b")]))
    assert sampler.sample(items, 0.0) == items


def test_the_tracestate_that_is_set_is_the_one_that_counts():
    event = Span(
        name="s", trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="a=1,ot=th:0"
    )
    (item,) = split_traces(encode_traces([event]))
    item.set_trace_state("ot=th:c")
    assert item.trace() == (b"t" * 16, "ot=th:c")
    (span,) = decode_encoded([item])
    assert span.trace_state == "ot=th:c"
    request = ExportTraceServiceRequest.FromString(join_encoded([item]))
    (theirs,) = request.resource_spans[0].scope_spans[0].spans
    assert theirs.trace_state == "ot=th:c"


@pytest.mark.parametrize("trace_id", [b"", b"t" * 15])
def test_a_span_in_an_unusual_form_is_read_field_by_field(trace_id):
    fields = b"\x12\x08" + b"s" * 8 + b"\x0a" + bytes([len(trace_id)]) + trace_id
    (item,) = split_traces(request_of(fields))
    if trace_id:
        with pytest.raises(MalformedError, match="an id of 16 bytes"):
            item.trace()
    else:
        assert item.trace() == (b"", "")


def request_of(span):
    scope = b"\x12" + bytes([len(span)]) + span
    group = b"\x12" + bytes([len(scope)]) + scope
    return b"\x0a" + bytes([len(group)]) + group
