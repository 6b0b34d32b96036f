from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sluiceway.errors import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.instrument.propagation import (
    BaggagePropagator,
    TraceContextPropagator,
)
from sluiceway.instrument.trace_state import TraceState
from sluiceway.notes import event_of

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def environment(monkeypatch):
    """Sets OTEL_PROPAGATORS."""
    monkeypatch.delenv("OTEL_PROPAGATORS", raising=False)
    return lambda text: monkeypatch.setenv("OTEL_PROPAGATORS", text)


@pytest.fixture
def telemetry(environment):
    return Telemetry("shop")


def span_context(context):
    return trace.get_current_span(context).get_span_context()


def service(telemetry, headers):
    """The headers of a request that a service makes for one with ``headers``."""
    context = telemetry.propagator.extract(headers)
    sent = {}
    with telemetry.tracer("t").span("work", parent=context):
        telemetry.propagator.inject(sent)
    return sent


def test_the_propagator_is_the_apis(telemetry):
    assert isinstance(telemetry.propagator, TextMapPropagator)
    assert telemetry.propagator.fields == {"traceparent", "tracestate", "baggage"}


def test_a_trace_goes_on_with_another_parent_and_all_that_others_wrote(telemetry):
    sent = service(telemetry, {"traceparent": PARENT, "tracestate": "1a=x,b@c@d=y"})
    version, trace_id, span_id, flags = sent["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "01")
    (span,) = (event_of(notes) for notes in telemetry.spans._buffer)
    assert span_id == span.span_id.hex() != SPAN
    assert span.parent_span_id.hex() == SPAN
    assert sent["tracestate"] == span.trace_state == "1a=x,b@c@d=y"
    assert span.flags & 0x300 == 0x300


def test_without_a_trace_a_new_one_begins_whose_id_is_random(telemetry):
    sent = service(telemetry, {})
    assert sent["traceparent"].endswith("-03")
    assert "tracestate" not in sent


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": [PARENT, PARENT.replace("12", "13")]},
        {"traceparent": [PARENT, PARENT]},
        {"traceparent": f"{PARENT},{PARENT}"},
        {"traceparent": PARENT.upper().replace("00-1", "00-A")},
        {"traceparent": f"ff{PARENT[2:]}"},
        {"traceparent": ""},
        {"traceparent": []},
        {"traceparent": [None]},
        {"traceparent": 7},
        {"trace-parent": PARENT},
        {"tracestate": "foo=1"},
    ],
)
def test_a_bad_header_begins_a_new_trace_without_the_others_state(telemetry, headers):
    sent = service(telemetry, {"tracestate": "foo=1", **headers})
    assert sent["traceparent"][3:35] != TRACE
    assert "tracestate" not in sent


@pytest.mark.parametrize("state", ["foo =1", "foo=1,foo", "@a=1", "a=1\x00", ["", ""]])
def test_a_bad_tracestate_is_dropped_and_the_trace_goes_on(telemetry, state):
    sent = service(telemetry, {"traceparent": PARENT, "tracestate": state})
    assert sent["traceparent"][3:35] == TRACE
    assert "tracestate" not in sent


def test_several_tracestate_headers_are_one(telemetry):
    headers = {"traceparent": PARENT, "tracestate": ["a=1,b=2", "", "c=3", "a=4"]}
    assert service(telemetry, headers)["tracestate"] == "a=1,b=2,c=3"


@pytest.mark.parametrize(("came", "goes"), [("ff", "03"), ("08", "00"), ("02", "02")])
def test_the_random_flag_is_passed_on_and_unknown_ones_are_not(telemetry, came, goes):
    sent = service(telemetry, {"traceparent": f"00-{TRACE}-{SPAN}-{came}"})
    assert sent["traceparent"][-2:] == goes


def test_an_extracted_parent_is_remote_and_records_nothing(telemetry):
    context = telemetry.propagator.extract({"traceparent": PARENT})
    assert span_context(context).is_remote
    assert not trace.get_current_span(context).is_recording()


def test_extraction_starts_from_the_callers_context_and_changes_none(telemetry):
    before = Context({"own": 1})
    after = telemetry.propagator.extract({"traceparent": PARENT}, before)
    assert after["own"] == 1
    assert before == {"own": 1}
    assert telemetry.propagator.extract({}, before) is before
    assert telemetry.propagator.extract({}) == Context()
    assert not get_current()


def test_a_span_of_somebody_else_is_told_too(telemetry):
    foreign = SpanContext(
        7,
        9,
        is_remote=True,
        trace_flags=TraceFlags(1),
        trace_state=TraceState({"a": "b"}),
    )
    context = trace.set_span_in_context(NonRecordingSpan(foreign))
    sent = {}
    telemetry.propagator.inject(sent, context)
    assert sent == {"traceparent": f"00-{7:032x}-{9:016x}-01", "tracestate": "a=b"}


def test_where_no_span_is_current_nothing_is_told(telemetry):
    sent = {}
    telemetry.propagator.inject(sent, Context())
    telemetry.propagator.inject(sent, trace.set_span_in_context(trace.INVALID_SPAN))
    assert sent == {}


def test_a_trace_that_is_not_sampled_is_told_as_such(telemetry):
    sent = service(telemetry, {"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert sent["traceparent"][3:35] == TRACE
    assert sent["traceparent"].endswith("-00")
    assert not telemetry.spans._buffer


def test_baggage_comes_in_is_read_by_the_api_and_goes_out(telemetry):
    context = telemetry.propagator.extract({"baggage": ["a=DF%2028;ttl=5", "b=x+y"]})
    assert baggage.get_baggage("a", context) == "DF 28"
    assert baggage.get_baggage("b", context) == "x+y"
    context = baggage.set_baggage("c", 7, context)
    sent = {}
    telemetry.propagator.inject(sent, context)
    assert sent == {"baggage": "a=DF%2028;ttl=5,b=x%2By,c=7"}


def test_baggage_joins_what_the_context_holds(telemetry):
    context = baggage.set_baggage("own", "1", baggage.set_baggage("a", "old"))
    context = telemetry.propagator.extract({"baggage": "a=new,b=2"}, context)
    assert {**baggage.get_all(context)} == {"own": "1", "a": "new", "b": "2"}


def test_baggage_is_never_made_an_attribute(telemetry):
    context = telemetry.propagator.extract({"traceparent": PARENT, "baggage": "a=1"})
    telemetry.tracer("t").start_span("s", context).end()
    (span,) = (event_of(notes) for notes in telemetry.spans._buffer)
    assert span.attributes == {}


def test_baggage_that_cannot_be_told_is_named_once(telemetry, caplog):
    context = baggage.set_baggage("my key", "secret", baggage.set_baggage("a", "1"))
    for _ in range(2):
        sent = {}
        telemetry.propagator.inject(sent, context)
        assert sent == {"baggage": "a=1"}
    (record,) = caplog.records
    assert "my key" in record.getMessage()
    assert "secret" not in record.getMessage()


class BytesGetter(Getter):
    """One that gives what it has, as ASGI has it."""

    def get(self, carrier, key):
        return carrier.get(key.encode())

    def keys(self, carrier):
        return list(carrier)


def test_headers_may_be_bytes_and_one_alone(telemetry):
    carrier = {b"traceparent": PARENT.encode(), b"baggage": [b"a=1", b"b=\xe9"]}
    context = telemetry.propagator.extract(carrier, getter=BytesGetter())
    assert span_context(context).trace_id == int(TRACE, 16)
    assert {**baggage.get_all(context)} == {"a": "1"}


@given(
    st.dictionaries(
        st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text()
    )
)
def test_no_text_whatever_raises(headers):
    propagator = Telemetry("shop", propagators=["tracecontext", "baggage"]).propagator
    sent = {}
    propagator.inject(sent, propagator.extract(headers))
    assert set(sent) <= {"baggage"}


level_1_keys = st.from_regex(r"[a-z][a-z0-9_\-*/]{0,9}", fullmatch=True)
state_values = st.from_regex(r"[!-+\--<>-~]{1,9}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9!#$&'*.^_`|~-]{1,9}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
ids = st.tuples(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1))


@given(ids, st.integers(0, 3), st.dictionaries(level_1_keys, state_values, max_size=9))
def test_the_apis_own_propagator_reads_and_writes_the_same_trace(span, flags, members):
    ours, theirs = TraceContextPropagator(), TraceContextTextMapPropagator()
    state = TraceState(members)
    context = trace.set_span_in_context(
        NonRecordingSpan(SpanContext(*span, True, TraceFlags(flags), state))
    )
    sent, expected = {}, {}
    ours.inject(sent, context)
    theirs.inject(expected, context)
    assert sent == expected
    mine, peer = (span_context(each.extract(sent)) for each in (ours, theirs))
    assert mine == peer
    assert mine.trace_state.to_header() == peer.trace_state.to_header()


@given(st.dictionaries(names, texts, max_size=9))
def test_the_apis_own_propagator_reads_the_same_baggage(members):
    context = Context()
    for name, value in members.items():
        context = baggage.set_baggage(name, value, context)
    sent = {}
    BaggagePropagator().inject(sent, context)
    read = W3CBaggagePropagator().extract(sent, Context())
    assert {name: value.strip() for name, value in members.items()} == {
        **baggage.get_all(read)
    }


def test_the_environment_chooses_propagators(environment):
    environment("baggage")
    assert Telemetry("shop").propagator.fields == {"baggage"}
    environment(" TraceContext , tracecontext,")
    assert len(Telemetry("shop").propagator.propagators) == 1
    environment("")
    assert len(Telemetry("shop").propagator.fields) == 3


def test_none_passes_nothing_on_and_still_gives_a_context(environment):
    environment("none")
    propagator = Telemetry("shop").propagator
    assert propagator.extract({"traceparent": PARENT}) == Context()
    assert propagator.fields == set()
    assert repr(propagator) == "<Propagators none>"


def test_a_propagator_of_an_installed_package_can_be_named(environment):
    environment("b3multi,baggage")
    telemetry = Telemetry("shop")
    headers = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}
    sent = service(telemetry, headers)
    assert sent["x-b3-traceid"] == TRACE
    assert "baggage" in telemetry.propagator.fields


@pytest.mark.parametrize(
    ("text", "wrong", "hint"),
    [
        ("tracecontex,baggage", "tracecontex", "did you mean 'tracecontext'?"),
        ("jaeger,baggage", "jaeger", "install the package"),
    ],
)
def test_what_nobody_provides_is_named_and_left_out(
    environment, caplog, text, wrong, hint
):
    environment(text)
    assert Telemetry("shop").propagator.fields == {"baggage"}
    assert f"OTEL_PROPAGATORS is {wrong!r}" in caplog.text
    assert hint in caplog.text


def test_where_nothing_right_is_named_the_default_is_used(environment, caplog):
    environment("foo")
    assert len(Telemetry("shop").propagator.fields) == 3
    assert "'foo'" in caplog.text


def test_code_wins_over_the_environment(environment):
    environment("none")
    own = Telemetry("shop").propagator
    telemetry = Telemetry("shop", propagators=["baggage", own])
    assert telemetry.propagator.fields == {"baggage"}
    assert telemetry.propagator.propagators[1] is own
    assert Telemetry("shop", propagators="tracecontext").propagator.fields == {
        "traceparent",
        "tracestate",
    }


def test_each_propagator_works_alone():
    tracecontext = Telemetry("shop", propagators=["tracecontext"]).propagator
    baggages = Telemetry("shop", propagators=["baggage"]).propagator
    headers = {"traceparent": PARENT, "baggage": "a=1"}
    (alone,), (other,) = tracecontext.propagators, baggages.propagators
    assert span_context(alone.extract(headers)).trace_id == int(TRACE, 16)
    assert {**baggage.get_all(other.extract(headers))} == {"a": "1"}
    assert other.extract({}) == Context()


def test_a_propagator_that_does_not_load_is_named_and_left_out(
    environment, caplog, tmp_path, monkeypatch
):
    package = tmp_path / "broken-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: broken\nVersion: 1.0\n")
    points = "[opentelemetry_propagator]\nbroken = no_such_module:Propagator\n"
    (package / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    environment("broken,baggage")
    assert Telemetry("shop").propagator.fields == {"baggage"}
    assert "'broken' does not load" in caplog.text


@pytest.mark.parametrize("wrong", ["tracecontex", 7, object()])
def test_what_is_no_propagator_is_refused_in_code(wrong):
    with pytest.raises(ConfigurationError, match=r"Telemetry\.propagators"):
        Telemetry("shop", propagators=["baggage", wrong])
    with pytest.raises(ConfigurationError, match=r"Telemetry\.propagators"):
        Telemetry("shop", propagators=wrong)


def test_a_trace_state_is_the_apis_and_never_changes():
    state = TraceState.from_header(["a=1,b=2"])
    assert isinstance(state, trace.TraceState)
    assert state.add("c", "3").to_header() == "c=3,a=1,b=2"
    assert state.add("a", "3") is state
    assert state.update("b", "3").to_header() == "b=3,a=1"
    assert state.update("A", "3") is state
    assert state.delete("a").to_header() == "b=2"
    assert state.delete("x").to_header() == "a=1,b=2"
    assert state.to_header() == "a=1,b=2"
    assert list(state.items()) == [("a", "1"), ("b", "2")]
    assert (list(state.keys()), list(state.values())) == (["a", "b"], ["1", "2"])
    assert "a" in state
    assert [*state] == ["a", "b"]
    assert (len(state), state["b"], state.get("c")) == (2, "2", None)
    assert state == {"a": "1", "b": "2"}
    full = TraceState({f"k{i}": "1" for i in range(32)})
    assert full.add("x", "1") is full
    assert len(full.update("k5", "2")) == 32
    assert "k5" in repr(full)
