from __future__ import annotations

import pytest
from opentelemetry import trace

from sluiceway.errors import ConfigurationError
from sluiceway.instrument import HeadSampler, Telemetry
from sluiceway.notes import event_of
from sluiceway.samplers.probability import ProbabilitySampler


class ByName:
    def __init__(self):
        self.asked = []

    def should_sample(self, trace_id, parent_context, name, attributes=None):
        self.asked.append((trace_id, parent_context, name, attributes))
        return name != "health"


class Broken:
    def should_sample(self, *_):
        raise RuntimeError


def taken(telemetry):
    return [event_of(span) for span in telemetry.spans._buffer]


def test_a_quarter_of_all_traces_is_kept_and_says_so():
    telemetry = Telemetry("shop", sampler=ProbabilitySampler(0.25))
    tracer = telemetry.tracer("t")
    for _ in range(4000):
        with tracer.span("a"):
            pass
    kept = taken(telemetry)
    assert 850 < len(kept) < 1150
    for span in kept:
        assert span.trace_state == "ot=th:c"
        assert span.trace_id[9:] >= b"\xc0"
        assert span.flags == 0x103


@pytest.mark.parametrize(("probability", "count"), [(0, 0), (1, 50)])
def test_nothing_and_everything_are_probabilities_too(probability, count):
    telemetry = Telemetry("shop", sampler=ProbabilitySampler(probability))
    tracer = telemetry.tracer("t")
    for _ in range(50):
        tracer.start_span("a").end()
    assert len(taken(telemetry)) == count


def test_a_trace_is_whole_and_its_traceparent_tells_the_truth():
    telemetry = Telemetry("shop", sampler=ProbabilitySampler(0.5))
    tracer = telemetry.tracer("t")
    for _ in range(100):
        with tracer.span("outer") as outer, tracer.span("inner") as inner:
            assert inner.is_recording() == outer.is_recording()
            context = trace.get_current_span().get_span_context()
            assert context.trace_flags.sampled == outer.is_recording()
            wanted = "ot=th:8" if outer.is_recording() else ""
            assert context.trace_state.to_header() == wanted
            assert context.trace_id == outer.get_span_context().trace_id
    names = [span.name for span in taken(telemetry)]
    assert names.count("inner") == names.count("outer") > 0


def test_an_own_sampler_decides_on_roots_only():
    sampler = ByName()
    telemetry = Telemetry("shop", sampler=sampler)
    tracer = telemetry.tracer("t")
    with tracer.span("order", attributes={"a": 1}), tracer.span("health"):
        pass
    with tracer.span("health"):
        pass
    inner, root = taken(telemetry)
    assert [inner.name, root.name] == ["health", "order"]
    assert isinstance(sampler, HeadSampler)
    first, second = sampler.asked
    assert first[0] == int.from_bytes(root.trace_id, "big")
    assert first[1:] == (None, "order", {"a": 1})
    assert second[1:] == (None, "health", None)


def test_a_samplers_bug_costs_no_trace_and_is_said_once(caplog):
    telemetry = Telemetry("shop", sampler=Broken())
    for _ in range(3):
        telemetry.tracer("t").start_span("a").end()
    assert len(taken(telemetry)) == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("wrong", [0.25, "always", object()])
def test_what_cannot_decide_at_the_head_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"Telemetry\.sampler"):
        Telemetry("shop", sampler=wrong)
