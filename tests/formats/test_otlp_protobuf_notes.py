"""A span's notes are written as the span that they stand for would be."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from sluiceway.events import Link, Resource, Scope, SpanEvent, SpanKind, StatusCode
from sluiceway.formats.otlp_protobuf import Encoder, decode_traces
from sluiceway.notes import Details, Provenance, are_notes, event_of

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    words,
    st.binary(max_size=8),
    st.lists(st.integers(0, 9), max_size=3),
)
attributes = st.dictionaries(words, values, max_size=4) | st.just({})
PROVENANCES = [
    Provenance(Resource(attributes={"service.name": name}), Scope(name=scope))
    for name, scope in (("shop", "a"), ("shop", "b"), ("till", "a"))
]


@st.composite
def details(draw):
    one = Details()
    one.events = draw(
        st.lists(st.builds(SpanEvent, words, st.integers(0, 2**60), attributes))
    )
    one.links = draw(st.lists(st.just(Link(b"t" * 16, b"s" * 8)), max_size=2))
    one.status_code = draw(st.sampled_from(StatusCode))
    one.status_message = draw(words)
    return one


notes = st.tuples(
    words,
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.just(b"") | st.binary(min_size=8, max_size=8),
    st.integers(0, 2**64 - 1) | st.sampled_from([-1, 2**64]),
    st.integers(0, 2**64 - 1),
    attributes,
    st.sampled_from([int(kind) for kind in SpanKind]),
    st.just("") | st.just("ot=th:8"),
    st.integers(0, 0x3FF),
    st.none() | details(),
    st.sampled_from(PROVENANCES),
)


def note(*, name="a", parent=b"", attributes=None):
    ids = b"t" * 16, b"s" * 8, parent
    return (name, *ids, 1, 2, attributes or {}, 1, "", 0, None, PROVENANCES[0])


def parsed(body):
    return ExportTraceServiceRequest.FromString(body)


@given(st.lists(notes, max_size=8))
def test_notes_are_written_as_their_spans(taken):
    encoder = Encoder()
    assert parsed(encoder.notes(taken)) == parsed(
        encoder.traces([event_of(one) for one in taken])
    )


@given(st.lists(notes, max_size=4), st.lists(notes, max_size=4))
def test_what_an_encoder_remembers_of_notes_changes_nothing(before, after):
    encoder = Encoder()
    encoder.notes(before)
    again = [*after, *before, *after]
    assert encoder.notes(again) == Encoder().notes(again)


def test_equal_values_of_different_types_are_kept_apart():
    encoder = Encoder()
    values = (1, True, 1.0, "1", b"1", [1], 0.0, -0.0, None, False, 0)
    for parent in (b"", b"p" * 8):
        for value in values * 2:
            taken = [note(attributes={"n": value}, parent=parent)]
            (span,) = decode_traces(encoder.notes(taken))
            assert repr(span.attributes) == repr({"n": value})


def test_the_form_of_a_span_is_that_of_its_parent_whatever_was_met_before():
    encoder = Encoder()
    taken = [note(parent=parent) for parent in (b"", b"p" * 8, b"", b"p" * 8)]
    decoded = decode_traces(encoder.notes(taken))
    assert [span.parent_span_id for span in decoded] == [b"", b"p" * 8, b"", b"p" * 8]


@given(st.lists(notes, min_size=1, max_size=3))
def test_a_decoder_reads_what_was_noted(taken):
    names = sorted(one[0] for one in taken)
    decoded = decode_traces(Encoder().notes(taken))
    assert sorted(span.name for span in decoded) == names


def test_only_tuples_that_end_in_a_provenance_are_notes():
    real = note()
    assert are_notes([real, real])
    for other in ((), tuple(range(12)), (1, 2), real[:-1], {}, "text", None, 7):
        assert not are_notes([other])
        assert not are_notes([real, other])
