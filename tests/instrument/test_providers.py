from __future__ import annotations

import pytest
from opentelemetry import metrics, trace
from opentelemetry.propagate import get_global_textmap

from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of
from sluiceway.samplers import ProbabilitySampler


@pytest.fixture
def telemetry():
    return Telemetry("shop")


def ended(telemetry):
    return [event_of(span) for span in telemetry.spans._buffer]


def test_the_providers_are_the_apis_and_give_our_tracers_and_meters(telemetry):
    tracers, meters = telemetry.tracer_provider, telemetry.meter_provider
    assert isinstance(tracers, trace.TracerProvider)
    assert isinstance(meters, metrics.MeterProvider)
    assert tracers.get_tracer("cart", "1.0") is telemetry.tracer("cart", "1.0")
    assert meters.get_meter("cart", "1.0") is telemetry.meter("cart", "1.0")
    assert tracers is telemetry.tracer_provider
    assert "shop" in repr(tracers)
    assert "shop" in repr(meters)


def test_the_scope_holds_all_that_the_instrumentation_says_of_itself(telemetry):
    told = ("cart", "1.0", "https://schema", {"team": "a"})
    telemetry.tracer_provider.get_tracer(*told).start_span("s").end()
    telemetry.meter_provider.get_meter(*told).create_counter("c").add(1)
    (span,), (point,) = ended(telemetry), telemetry.collect()
    for scope in (span.scope, point.scope):
        assert (scope.name, scope.version) == ("cart", "1.0")
        assert scope.schema_url == "https://schema"
        assert scope.attributes == {"team": "a"}


@pytest.mark.parametrize(
    "other",
    [("b",), ("a", "2"), ("a", "1", "s"), ("a", "1", None, {"x": 1})],
)
def test_other_arguments_make_another_tracer_and_meter(telemetry, other):
    tracers, meters = telemetry.tracer_provider, telemetry.meter_provider
    assert tracers.get_tracer("a", "1") is not tracers.get_tracer(*other)
    assert meters.get_meter("a", "1") is not meters.get_meter(*other)


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_name_that_is_none_is_said_and_works_as_empty(telemetry, caplog, name):
    span = telemetry.tracer_provider.get_tracer(name).start_span("s")
    span.end()
    telemetry.meter_provider.get_meter(name).create_counter("c").add(1)
    (event,), (point,) = ended(telemetry), telemetry.collect()
    assert event.scope.name == point.scope.name == ""
    told = [record.getMessage() for record in caplog.records]
    assert [f"is {name!r}" in line for line in told] == [True, True]


def test_attributes_of_a_scope_hold_no_object_of_the_application(telemetry):
    tracer = telemetry.tracer_provider.get_tracer(
        "a", None, None, {1: {2}, "b": object}
    )
    assert tracer.scope.attributes == {"1": [2], "b": "<class 'object'>"}


def test_a_telemetry_leaves_the_apis_globals_alone_until_it_is_installed():
    before = trace.get_tracer_provider(), get_global_textmap()
    assert Telemetry("shop").tracer_provider is not before[0]
    assert (trace.get_tracer_provider(), get_global_textmap()) == before


def test_what_instrumentations_count_on_beyond_the_api_is_there(telemetry):
    provider = telemetry.tracer_provider
    assert provider.resource is telemetry.resource
    tracer = provider.get_tracer("lib")
    given = {"a": 1}
    for make in (tracer.start_span, tracer.start_as_current_span):
        with make("s", kind=trace.SpanKind.SERVER, attributes=given) as span:
            span.update_name("t")
            span.set_attribute("b", 2)
            assert span.kind is trace.SpanKind.SERVER
            assert span.name == "t"
            assert span.attributes == {"a": 1, "b": 2}
        assert span.attributes == {}
    with tracer.start_as_current_span("s", end_on_exit=False) as span:
        assert span.kind is trace.SpanKind.INTERNAL


@pytest.mark.parametrize("sampler", [None, ProbabilitySampler(1.0)])
def test_a_trace_begins_below_a_library_that_is_left_out(sampler):
    telemetry = Telemetry("shop", sampler=sampler)
    telemetry.tracer_provider.leave_out("lib")
    library = telemetry.tracer_provider.get_tracer("lib")
    tracer = telemetry.tracer("app")
    with library.start_as_current_span("s"), tracer.span("root"), tracer.span("child"):
        pass
    child, root = ended(telemetry)
    assert any(root.trace_id)
    assert root.parent_span_id == b""
    assert (child.trace_id, child.parent_span_id) == (root.trace_id, root.span_id)


def test_a_library_that_is_left_out_passes_the_trace_above_it_on(telemetry):
    telemetry.tracer_provider.leave_out("lib")
    library = telemetry.tracer_provider.get_tracer("lib")
    tracer = telemetry.tracer("app")
    with tracer.span("root"), library.start_as_current_span("s"), tracer.span("child"):
        pass
    child, root = ended(telemetry)
    assert (child.trace_id, child.parent_span_id) == (root.trace_id, root.span_id)
