"""FlextTracingService: what starts ends once, by its ids, and becomes a span."""

from __future__ import annotations

import asyncio
import threading

import attrs
import pytest

from flext_observability import (
    FlextBackend,
    FlextObservabilityConfig,
    FlextTrace,
    FlextTracingService,
    flext_create_trace,
    get_global_factory,
    reset_global_factory,
)
from flext_observability.open_traces import OpenTraces
from flext_observability.operations import Operations
from sluiceway import Inlet
from sluiceway.events import StatusCode
from sluiceway.testing import CollectingSink


class Waited(CollectingSink):
    """Tells when it has been given a number of spans."""

    def __init__(self, number=1):
        super().__init__()
        self.number = number
        self.reached = threading.Event()

    async def write(self, events):
        await super().write(events)
        if len(self.events) >= self.number:
            self.reached.set()


class Traces:
    """A backend and what arrives from it."""

    def __init__(self, **config):
        self.sink = Waited()
        self.backend = FlextBackend(
            FlextObservabilityConfig(service_name="shop", **config),
            sinks={"traces": [self.sink]},
        )
        self.service = FlextTracingService(self.backend)

    def spans(self):
        assert self.backend.flush().is_success
        return self.sink.events

    def stopped(self):
        assert self.backend.stop().unwrap().drained
        ledger = self.backend.ledger()
        assert ledger.balanced
        assert ledger.lost == 0
        return self.sink.events


@pytest.fixture
def traces():
    traces = Traces()
    yield traces
    traces.backend.stop()


@pytest.fixture
def service(traces):
    return traces.service


def run(coroutine):
    return asyncio.run(coroutine)


def trace_of(name="checkout", **options):
    return flext_create_trace(name, f"shop.{name}", **options).unwrap()


def test_an_operation_that_was_completed_becomes_a_span(traces, service):
    context = {"cart": {"items": [1, 2.5, None, {"deep": True}]}, "user": "ann"}
    trace = flext_create_trace("checkout", "shop.checkout", context).unwrap()
    started = run(service.start_trace(trace)).unwrap()
    assert started.started_at is not None
    ended = run(service.complete_trace(trace)).unwrap()
    assert (ended.status, ended.trace_id) == ("completed", trace.trace_id)
    assert ended.duration >= 0
    (span,) = traces.spans()
    assert (span.name, span.status_code) == ("checkout", StatusCode.OK)
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id) == (
        trace.trace_id,
        trace.span_id,
        b"",
    )
    assert span.attributes == {**context, "flext.operation": "shop.checkout"}
    assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert span.scope.name == "flext_observability"
    assert span.resource.attributes["service.name"] == "shop"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("no money", "no money"),
        (ValueError("no money"), "ValueError: no money"),
        ("", "unspecified error"),
    ],
)
def test_an_operation_that_failed_tells_why(traces, service, error, told):
    trace = trace_of()
    service.start(trace)
    ended = run(service.error_trace(trace, error)).unwrap()
    assert (ended.status, ended.error) == ("error", told)
    (span,) = traces.spans()
    assert (span.status_code, span.status_message) == (StatusCode.ERROR, told)


def test_a_part_has_its_parents_trace_and_does_not_stand_in_for_it(traces, service):
    parent = trace_of("checkout")
    child = trace_of("pay", parent=parent)
    assert (child.trace_id, child.parent_span_id) == (parent.trace_id, parent.span_id)
    for trace in (parent, child):
        assert service.start(trace).is_success
    assert service.complete(parent).is_success
    assert service.error(child, "late").is_success
    by_name = {span.name: span for span in traces.spans()}
    assert by_name["checkout"].status_code is StatusCode.OK
    assert by_name["pay"].status_code is StatusCode.ERROR
    assert by_name["pay"].parent_span_id == by_name["checkout"].span_id


def test_only_the_ids_of_what_is_given_are_looked_at(traces, service):
    trace = trace_of()
    service.start(trace)
    other = attrs.evolve(trace, name="other", status="error", context={"a": 1})
    assert service.complete(other).unwrap().name == "checkout"
    assert traces.spans()[0].name == "checkout"


def test_what_is_done_to_a_context_later_changes_no_span(traces, service):
    trace = flext_create_trace("a", "b", {"list": [1]}).unwrap()
    started = service.start(trace).unwrap()
    for each in (trace, started):
        each.context["list"].append(2)
        each.context["late"] = 1
    ended = service.complete(trace).unwrap()
    ended.context["list"].append(3)
    assert traces.spans()[0].attributes["list"] == [1]
    assert "late" not in traces.spans()[0].attributes


def test_a_context_is_kept_within_the_limits_of_spans(traces, service):
    trace = trace_of(context={f"k{number}": number for number in range(200)})
    assert run(service.start_trace(trace)).flat_map(service.complete).is_success
    (span,) = traces.spans()
    assert len(span.attributes) == 128
    assert span.attributes["flext.operation"] == trace.operation
    assert span.attributes["k126"] == 126
    assert span.dropped_attributes_count == 73


def test_the_limits_of_spans_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    traces = Traces()
    trace = trace_of(context={"a": "long text", "b": 1})
    assert run(traces.service.start_trace(trace)).is_success
    assert run(traces.service.complete_trace(trace)).is_success
    (span,) = traces.spans()
    traces.stopped()
    assert span.attributes == {"flext.operation": trace.operation[:3], "a": "lon"}


def test_a_name_gives_the_id_of_a_new_trace(traces, service):
    trace_id = run(service.start_trace("shop_monitoring")).unwrap()
    assert len(trace_id) == 32
    assert run(service.complete_trace(trace_id.upper())).unwrap().trace_id == trace_id
    (span,) = traces.spans()
    assert span.trace_id.hex() == trace_id
    assert span.attributes == {"flext.operation": "shop_monitoring"}


def test_a_trace_id_names_the_oldest_open_operation_and_a_span_id_its_own(service):
    first = trace_of("first")
    second, third = (trace_of(name, parent=first) for name in ("second", "third"))
    for trace in (first, second, third):
        service.start(trace)
    assert service.complete(second.span_id).unwrap().name == "second"
    assert service.complete(first.trace_id).unwrap().name == "first"
    assert service.complete(first.trace_id).unwrap().name == "third"
    assert "was completed already" in service.complete(first.trace_id).error


def test_services_that_are_made_for_one_call_share_what_runs(traces):
    trace = trace_of()
    FlextTracingService(traces.backend).start(trace)
    assert FlextTracingService(traces.backend).complete(trace).is_success


@pytest.mark.parametrize(
    ("steps", "told", "code"),
    [
        (["start", "start"], "runs already", "already_started"),
        (["complete"], "was never started, or ended long ago", "not_open"),
        (["start", "complete", "complete"], "was completed already", "not_open"),
        (["start", "error", "complete"], "was ended with an error already", "not_open"),
        (["start", "complete", "start"], "was completed already", "already_started"),
    ],
)
def test_what_comes_in_a_wrong_order_is_refused_and_told(service, steps, told, code):
    trace = trace_of()
    calls = {
        "start": service.start,
        "complete": service.complete,
        "error": lambda trace: service.error(trace, "x"),
    }
    *before, last = [calls[step](trace) for step in steps]
    assert all(result.is_success for result in before)
    assert told in last.error
    assert last.error_code == code


@pytest.mark.parametrize("wrong", ["", "abc", None, 3, "x" * 32, "0" * 32, b"a" * 16])
def test_what_names_no_operation_is_refused(service, wrong):
    for result in (service.complete(wrong), service.error(wrong, "x")):
        assert result.error_code == "validation"
        assert result.error.startswith("trace is ")


@pytest.mark.parametrize("wrong", ["", " ", None, 3])
def test_what_cannot_be_started_is_refused(service, wrong):
    result = run(service.start_trace(wrong))
    assert result.error.startswith("name is ")


def test_only_what_runs_can_be_started_and_only_a_text_is_an_error(service):
    ended = FlextTrace("a", "b", status="completed")
    assert "status is 'completed'" in service.start(ended).error
    assert "error is 5; expected text" in service.error(trace_of(), 5).error


def test_the_oldest_operation_gives_way_to_a_new_one_as_unfinished():
    traces = Traces(open_traces=2)
    first, second, third = (trace_of(name) for name in "abc")
    for trace in (first, second, third):
        assert traces.service.start(trace).is_success
    assert [span.name for span in traces.spans()] == ["a"]
    told = traces.service.complete(first)
    assert "was ended as unfinished already" in told.error
    assert traces.service.complete(second).is_success
    assert [span.name for span in traces.stopped()] == ["a", "b", "c"]
    span = traces.sink.events[0]
    assert span.attributes["flext.unfinished"] == "there were too many"
    assert span.status_code is StatusCode.UNSET


def test_an_operation_that_takes_too_long_is_ended_by_itself():
    traces = Traces(trace_timeout=0.01)
    traces.service.start("forgotten")
    assert traces.sink.reached.wait(30)
    (span,) = traces.stopped()
    assert span.attributes["flext.unfinished"] == "it took too long"
    assert span.end_time_unix_nano - span.start_time_unix_nano >= 10_000_000


def test_what_runs_when_the_backend_stops_is_not_lost():
    traces = Traces()
    trace = trace_of()
    traces.service.start(trace)
    traces.service.start("other")
    assert {span.name for span in traces.stopped()} == {"checkout", "other"}
    unfinished = {span.attributes["flext.unfinished"] for span in traces.sink.events}
    assert unfinished == {"the backend was stopped"}
    assert traces.service.start("late").error_code == "not_running"
    assert traces.backend.start().is_success
    assert "ended as unfinished" in traces.service.complete(trace).error
    again = traces.service.start("again").unwrap()
    assert traces.service.complete(again).is_success
    assert len(traces.stopped()) == 3


def test_a_full_queue_is_told_and_counted(traces):
    inlet = Inlet(capacity=1)
    operations = Operations(
        traces.backend.telemetry, inlet.emit_nowait, OpenTraces(10, 10.0)
    )
    keys = [operations.start(trace_of()).unwrap() for _ in range(2)]
    first, second = [
        operations.end((trace.trace_id, trace.span_id), "completed") for trace in keys
    ]
    assert first.is_success
    assert second.error_code == "queue_full"
    assert "ended and is lost" in second.error
    assert inlet.refused() == {"queue_full": 1}


def test_a_trace_that_is_not_sampled_goes_on_and_is_not_recorded(traces, service):
    parent = f"00-{'a' * 32}-{'b' * 16}-00"
    trace = trace_of(parent=parent)
    assert not trace.is_sampled
    assert service.start(trace).is_success
    assert service.complete(trace).unwrap().status == "completed"
    assert traces.spans() == []


def test_a_second_event_loop_goes_on_where_the_first_one_left_off(traces, service):
    trace_id = run(service.start_trace("across")).unwrap()
    assert run(service.complete_trace(trace_id)).is_success
    assert run(
        service.complete_trace(run(service.start_trace("b")).unwrap())
    ).is_success
    assert [span.name for span in traces.spans()] == ["across", "b"]


def test_many_threads_end_each_of_their_operations_once(traces, service):
    errors = []

    def work():
        for _ in range(100):
            trace = trace_of()
            results = [service.start(trace), service.complete(trace)]
            errors.extend(r.error for r in results if r.is_failure)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({span.span_id for span in traces.spans()}) == 800


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"parent": "00-x"}, "parent: traceparent is '00-x'"),
        ({"parent": f"ff-{'a' * 32}-{'b' * 16}-01"}, "parent: traceparent is"),
        ({"parent": f"00-{'0' * 32}-{'b' * 16}-01"}, "parent: traceparent is"),
        ({"parent": 5}, "parent is 5; expected a FlextTrace"),
        ({"trace_id": "x"}, "trace_id is 'x'"),
        ({"parant": None}, "did you mean 'parent'?"),
        (
            {"parent": f"00-{'a' * 32}-{'b' * 16}-01", "trace_id": "c" * 32},
            "which the parent has",
        ),
    ],
)
def test_a_parent_that_cannot_be_meant_is_refused(options, told):
    assert told in flext_create_trace("a", "b", **options).error


@pytest.fixture
def sampled_by(monkeypatch):
    """Sets the variables of a sampler, for a backend of the process made afresh."""

    def set_variables(name, argument=""):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
        reset_global_factory()
        assert get_global_factory().backend is not None

    yield set_variables
    monkeypatch.undo()
    reset_global_factory()


def test_the_sampler_of_the_environment_decides_on_what_begins_here(sampled_by):
    sampled_by("parentbased_traceidratio", "0.5")
    roots = [trace_of() for _ in range(200)]
    for root in roots:
        randomness = int(root.trace_id[-14:], 16)
        assert root.is_sampled == (randomness >= 1 << 55)
        assert root.trace_state == ("ot=th:8" if root.is_sampled else "")
        part = trace_of("pay", parent=root)
        assert (part.is_sampled, part.trace_state) == (
            root.is_sampled,
            root.trace_state,
        )
    assert {root.is_sampled for root in roots} == {True, False}


@pytest.mark.parametrize(
    ("sampler", "kept"),
    [
        ("always_off", [False, False, False]),
        ("parentbased_always_off", [False, True, False]),
        ("always_on", [True, True, True]),
        ("parentbased_always_on", [True, True, False]),
    ],
)
def test_what_has_a_parent_follows_it_if_the_sampler_does(sampled_by, sampler, kept):
    sampled_by(sampler)
    parents = [None, *(f"00-{'a' * 32}-{'b' * 16}-0{flag}" for flag in (1, 0))]
    traces = [trace_of(parent=parent) for parent in parents]
    assert [trace.is_sampled for trace in traces] == kept


def test_what_is_not_sampled_is_not_told_when_a_backend_stops():
    traces = Traces()
    trace = trace_of(parent=f"00-{'a' * 32}-{'b' * 16}-00")
    assert traces.service.start(trace).is_success
    assert traces.stopped() == []
    late = traces.backend.operations.start(trace_of())
    assert late.error_code == "not_running"


def test_a_new_trace_says_that_its_id_is_random_and_a_given_one_does_not():
    assert trace_of().trace_flags == 3
    assert trace_of(trace_id="a" * 32).trace_flags == 1
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    assert trace_of(parent=parent, trace_id="A" * 32).trace_id == "a" * 32
    assert trace_of(parent=None).parent_span_id == ""
