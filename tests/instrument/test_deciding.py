from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from sluiceway.errors import ConfigurationError
from sluiceway.events import SpanKind
from sluiceway.instrument import Telemetry
from sluiceway.instrument.trace_state import TraceState
from sluiceway.notes import event_of
from sluiceway.samplers import (
    AlwaysOffSampler,
    AlwaysOnSampler,
    ParentBasedSampler,
    ProbabilitySampler,
    RateLimitSampler,
    Rule,
    RuleSampler,
)
from sluiceway.testing import ManualClock

ON, OFF = AlwaysOnSampler(), AlwaysOffSampler()
CASES = {
    "root": None,
    "remote_parent_sampled": (True, 1),
    "remote_parent_not_sampled": (True, 0),
    "local_parent_sampled": (False, 1),
    "local_parent_not_sampled": (False, 0),
}
DEFAULTS = [True, True, False, True, False]


def taken(telemetry):
    return [event_of(span) for span in telemetry.spans._buffer]


def parent(is_remote, flags, state="", trace_id=5):
    return SpanContext(
        trace_id, 9, is_remote, TraceFlags(flags), TraceState.from_header([state])
    )


def recorded(telemetry, case, form):
    """Whether a span with such a parent is recorded, by each way to start one."""
    tracer = telemetry.tracer("t")
    above = None if CASES[case] is None else parent(*CASES[case])
    context = above and trace.set_span_in_context(NonRecordingSpan(above))
    if form == "span":
        with tracer.span("s", parent=above) as span:
            return span.is_recording()
    if form == "decorated":

        @tracer.span("s", parent=above)
        def work():
            return trace.get_current_span().is_recording()

        return work()
    if form == "start_span":
        with tracer.start_span("s", context) as span:
            return span.is_recording()
    end = form == "start_as_current_span"
    with tracer.start_as_current_span("s", context, end_on_exit=end) as span:
        told = span.is_recording()
    span.end()
    return told


FORMS = ["span", "decorated", "start_span", "start_as_current_span", "open"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_each_of_the_five_cases_has_a_sampler_of_its_own(case, form):
    default = DEFAULTS[[*CASES].index(case)]
    assert recorded(Telemetry("shop"), case, form) is default
    for answer in (True, False):
        sampler = ParentBasedSampler(**{case: ON if answer else OFF})
        telemetry = Telemetry("shop", sampler=sampler)
        assert recorded(telemetry, case, form) is answer
        assert len(taken(telemetry)) == answer
        for other, expected in zip(CASES, DEFAULTS, strict=True):
            if other != case:
                assert recorded(telemetry, other, form) is expected


def test_what_is_decided_is_what_is_told_and_what_children_see():
    telemetry = Telemetry("shop", sampler=ParentBasedSampler.for_all(ON))
    tracer = telemetry.tracer("t")
    sent = {}
    with tracer.span("a", parent=parent(True, 0)) as outer, tracer.span("b") as inner:
        telemetry.propagator.inject(sent)
    assert sent["traceparent"].endswith("-01")
    b, a = taken(telemetry)
    assert b.parent_span_id == a.span_id
    assert (a.flags, b.flags) == (0x301, 0x101)
    assert outer.get_span_context().trace_flags == TraceFlags(1)
    assert inner.get_span_context().trace_id == 5


def test_a_local_decision_holds_for_decorated_functions_of_every_kind():
    sampler = ParentBasedSampler(local_parent_sampled=OFF)
    telemetry = Telemetry("shop", sampler=sampler)
    tracer = telemetry.tracer("t")

    @tracer.span("generator")
    def generate():
        yield trace.get_current_span().is_recording()

    @tracer.span("coroutine")
    async def wait():
        return trace.get_current_span().is_recording()

    with tracer.span("root"):
        assert list(generate()) == [False]
        assert asyncio.run(wait()) is False
        assert trace.get_current_span().is_recording()
    assert [span.name for span in taken(telemetry)] == ["root"]


def test_rules_look_at_name_kind_and_attributes_of_roots():
    sampler = RuleSampler(
        [
            Rule(OFF, name="GET /health*"),
            Rule(ON, attributes={"debug": True}),
            Rule(OFF, kind="client"),
        ],
        otherwise=ON,
    )
    telemetry = Telemetry("shop", sampler=sampler)
    tracer = telemetry.tracer("t")
    tracer.start_span("GET /healthz", kind=trace.SpanKind.SERVER).end()
    tracer.start_span("a", kind=trace.SpanKind.CLIENT).end()
    tracer.start_span("b", kind=trace.SpanKind.CLIENT, attributes={"debug": True}).end()
    with tracer.span("c"), tracer.span("d", kind=SpanKind.CLIENT):
        pass
    with tracer.span("GET /health"), tracer.span("e"):
        pass
    with tracer.span("f", kind=SpanKind.CLIENT, parent=parent(True, 1)):
        pass
    assert [span.name for span in taken(telemetry)] == ["b", "d", "c", "f"]


def test_rules_may_choose_a_probability_or_a_rate():
    clock = ManualClock()
    sampler = RuleSampler(
        [Rule(ProbabilitySampler(0.5), name="half"), Rule(RateLimitSampler(2, 2))],
    )
    telemetry = Telemetry("shop", sampler=sampler, clock=clock)
    tracer = telemetry.tracer("t")
    for _ in range(400):
        tracer.start_span("half").end()
        tracer.start_span("rare").end()
    names = [span.name for span in taken(telemetry)]
    assert names.count("rare") == 2
    assert 140 < names.count("half") < 260
    states = {span.name: span.trace_state for span in taken(telemetry)}
    assert states == {"half": "ot=th:8", "rare": ""}


def test_a_rate_is_kept_at_the_head_by_the_clock_of_the_telemetry():
    clock = ManualClock()
    telemetry = Telemetry("shop", sampler=RateLimitSampler(10, burst=5), clock=clock)
    tracer = telemetry.tracer("t")

    def start(count):
        for _ in range(count):
            with tracer.span("root"), tracer.span("child"):
                pass
        return len(telemetry.spans._buffer)

    assert start(50) == 10
    asyncio.run(clock.advance(0.3))
    assert start(50) == 16


def test_a_rate_holds_when_spans_start_in_many_threads():
    sampler = RateLimitSampler(0, burst=100)
    telemetry = Telemetry("shop", sampler=sampler)
    tracer = telemetry.tracer("t")

    def work():
        for _ in range(200):
            tracer.start_span("s").end()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken(telemetry)) == 100


class Recording:
    """A sampler of the application that remembers the parents it was asked about."""

    def __init__(self):
        self.parents = []

    def should_sample(self, trace_id, parent_context, name, attributes=None):
        self.parents.append(parent_context)
        return True


def test_an_own_sampler_gets_the_parent_where_it_decides_on_such_spans():
    sampler = Recording()
    telemetry = Telemetry("shop", sampler=ParentBasedSampler.for_all(sampler))
    above = parent(True, 1, "a=b")
    with telemetry.tracer("t").span("s", parent=above):
        pass
    telemetry.tracer("t").start_span("s").end()
    told, root = sampler.parents
    assert root is None
    assert told == above
    assert told.is_remote
    assert told.trace_state.to_header() == "a=b"


@pytest.mark.parametrize(
    ("state", "trace_id", "kept", "goes"),
    [
        ("a=b", 0xC << 52, True, "ot=th:c,a=b"),
        ("a=b", 0xB << 52, False, "a=b"),
        ("ot=th:8,a=b", 0xC << 52, True, "ot=th:c,a=b"),
        ("ot=th:8,a=b", 0xB << 52, False, "a=b"),
        ("ot=rv:c0000000000000", 1, True, "ot=th:c;rv:c0000000000000"),
        ("ot=rv:b0000000000000", 0xC << 52, False, "ot=rv:b0000000000000"),
    ],
)
def test_a_probability_may_decide_on_traces_from_elsewhere(state, trace_id, kept, goes):
    sampler = ParentBasedSampler.for_all(ProbabilitySampler(0.25))
    telemetry = Telemetry("shop", sampler=sampler)
    sent = {}
    with telemetry.tracer("t").span("s", parent=parent(True, 1, state, trace_id)) as s:
        telemetry.propagator.inject(sent)
        assert s.is_recording() is kept
    assert sent["tracestate"] == goes


@pytest.mark.parametrize("sampler", [None, ParentBasedSampler.for_all(ON)])
def test_a_threshold_that_is_not_true_is_not_passed_on(sampler):
    telemetry = Telemetry("shop", sampler=sampler)
    with telemetry.tracer("t").span("s", parent=parent(True, 1, "ot=th:c,a=b")):
        pass
    (span,) = taken(telemetry)
    assert span.trace_state == "a=b"


class Broken:
    choices = (OFF,)

    def choose(self, start):
        raise RuntimeError


def test_a_choosing_samplers_bug_costs_no_trace_and_is_said_once(caplog):
    telemetry = Telemetry("shop", sampler=Broken())
    for _ in range(3):
        telemetry.tracer("t").start_span("a").end()
    assert len(taken(telemetry)) == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ParentBasedSampler(0.5),
        ParentBasedSampler(remote_parent_sampled="always_on"),
        RuleSampler([Rule("never")]),
        RuleSampler([], otherwise=None),
    ],
)
def test_what_cannot_decide_is_refused_wherever_it_stands(wrong):
    with pytest.raises(ConfigurationError, match=r"Telemetry\.sampler"):
        Telemetry("shop", sampler=wrong)
