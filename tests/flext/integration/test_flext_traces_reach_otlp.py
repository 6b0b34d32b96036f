"""Traces arrive at a real OTLP receiver, over loopback, from programs of all kinds."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from programs import run_program

from flext_observability import (
    FlextBackend,
    FlextObservabilityConfig,
    FlextTracingService,
    flext_create_trace,
    flext_extract_context,
    flext_grpc_metadata,
    flext_inject_context,
    flext_monitor_function,
    get_global_factory,
    reset_global_factory,
)
from flext_observability.process import PROCESS
from sluiceway import Pipeline, Span
from sluiceway.events import StatusCode
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink


class Receiver:
    """An OTLP receiver and what it has received."""

    def __init__(self):
        self.source = OtlpSource(port=0, ack="delivered")
        self.sink = CollectingSink()
        self.running = Pipeline(self.source >> self.sink, name="receiver").background()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.source.port}"

    def spans(self):
        return [each for each in self.sink.events if isinstance(each, Span)]

    def by_name(self):
        return {span.name: span for span in self.spans()}


@pytest.fixture
def receiver():
    receiver = Receiver()
    with receiver.running:
        yield receiver


def backend_to(receiver, name):
    return FlextBackend(
        FlextObservabilityConfig(service_name=name, otlp_endpoint=receiver.url)
    )


def stopped(*backends):
    for backend in backends:
        assert backend.stop().unwrap().drained
        assert backend.ledger().balanced
        assert backend.ledger().lost == 0


def run(coroutine):
    return asyncio.run(coroutine)


def test_an_operation_arrives_with_all_that_it_was_given(receiver):
    backend = backend_to(receiver, "shop")
    service = FlextTracingService(backend)
    context = {
        "user": "änn",
        "count": 3,
        "huge": 2**70,
        "ratio": 0.5,
        "nan": float("nan"),
        "paid": True,
        "nothing": None,
        "lines": [{"sku": "a", "prices": [1, 2.5]}, []],
        "object": object,
    }
    trace = flext_create_trace("checkout", "shop.checkout", context).unwrap()
    child = flext_create_trace("pay", "shop.pay", parent=trace).unwrap()
    for each in (trace, child):
        assert run(service.start_trace(each)).is_success
    assert run(service.error_trace(child, "no money")).is_success
    assert run(service.complete_trace(trace)).is_success
    stopped(backend)
    told = receiver.by_name()
    span, part = told["checkout"], told["pay"]
    assert span.trace_id.hex() == part.trace_id.hex() == trace.trace_id
    assert part.parent_span_id == span.span_id
    assert (span.status_code, part.status_code) == (StatusCode.OK, StatusCode.ERROR)
    assert part.status_message == "no money"
    assert span.scope.name == "flext_observability"
    assert span.resource.attributes["service.name"] == "shop"
    attributes = dict(span.attributes)
    assert str(attributes.pop("huge")) == str(2**70)
    assert attributes == {
        "flext.operation": "shop.checkout",
        "user": "änn",
        "count": 3,
        "ratio": 0.5,
        "nan": "nan",
        "paid": True,
        "nothing": None,
        "lines": [{"sku": "a", "prices": [1, 2.5]}, []],
        "object": "<class 'object'>",
    }


@pytest.mark.parametrize("how", ["headers", "metadata", "text"])
def test_a_trace_goes_on_in_another_service(receiver, how):
    shop, bank = backend_to(receiver, "shop"), backend_to(receiver, "bank")
    here, there = FlextTracingService(shop), FlextTracingService(bank)
    order = flext_create_trace("order", "shop.order").unwrap()
    here.start(order)
    headers = flext_inject_context(order, {}).unwrap()
    sent = {
        "headers": lambda: flext_extract_context(headers).unwrap(),
        "metadata": lambda: flext_extract_context(
            flext_grpc_metadata(order).unwrap()
        ).unwrap(),
        "text": lambda: headers["traceparent"],
    }
    pay = flext_create_trace("pay", "bank.pay", parent=sent[how]()).unwrap()
    there.start(pay)
    there.complete(pay)
    here.complete(order)
    stopped(shop, bank)
    told = receiver.by_name()
    assert told["pay"].trace_id == told["order"].trace_id
    assert told["pay"].parent_span_id == told["order"].span_id
    services = {s.resource.attributes["service.name"] for s in told.values()}
    assert services == {"shop", "bank"}


def test_watched_functions_and_traces_of_one_request_are_one_trace(receiver):
    reset_global_factory()
    PROCESS.use(backend_to(receiver, "shop"))

    @flext_monitor_function("request")
    async def request():
        service = FlextTracingService()
        trace_id = (await service.start_trace("work")).unwrap()
        return (await service.complete_trace(trace_id)).unwrap()

    for _ in range(2):  # a second event loop finds the pipeline alive
        work = run(request())
    backend = PROCESS.current
    assert get_global_factory().backend is backend
    reset_global_factory()
    assert backend.ledger().lost == 0
    spans = receiver.spans()
    assert sorted(span.name for span in spans) == ["request"] * 2 + ["work"] * 2
    parents = {span.span_id for span in spans if span.name == "request"}
    assert {s.parent_span_id for s in spans if s.name == "work"} == parents
    assert work.trace_id in {span.trace_id.hex() for span in spans}
    assert len({span.trace_id for span in spans}) == 2


LEFT_OPEN = """
    from flext_observability import get_global_factory

    factory = get_global_factory()
    trace_id = factory.start_trace("left open").unwrap()
    factory.complete_trace(factory.start_trace("ended").unwrap())
    print(trace_id)
"""


def test_a_program_that_ends_loses_no_operation_that_it_left_open(receiver):
    trace_id = run_program(LEFT_OPEN, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    told = receiver.by_name()
    assert told["left open"].trace_id.hex() == trace_id
    assert told["left open"].status_code is StatusCode.UNSET
    unfinished = told["left open"].attributes["flext.unfinished"]
    assert unfinished == "the backend was stopped"
    assert told["ended"].status_code is StatusCode.OK


FORKED = """
    import os, warnings
    from flext_observability import flext_monitor_function, get_global_factory

    @flext_monitor_function("watched")
    def watched(who):
        return factory.complete_trace(factory.start_trace(who).unwrap()).unwrap()

    # Python 3.12 warns of every fork beside a thread; here that is the point
    warnings.simplefilter("ignore", DeprecationWarning)
    factory = get_global_factory()
    shared = factory.start_trace("of the parent").unwrap()
    watched("before")
    assert factory.flush().is_success
    child = os.fork()
    if child == 0:
        told = factory.complete_trace(shared)
        watched("in the child")
        report = factory.backend.stop().unwrap()
        assert told.error_code == "not_open", told
        assert report.drained, report
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    watched("after")
    assert factory.complete_trace(shared).is_success
    assert factory.backend.stop().unwrap().drained
"""


def test_a_forked_child_records_its_own_and_leaves_the_parents_alone(receiver):
    run_program(FORKED, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    spans = receiver.spans()
    assert sorted(span.name for span in spans) == [
        *("after", "before", "in the child", "of the parent"),
        *["watched"] * 3,
    ]
    instances = {
        span.name: span.resource.attributes["service.instance.id"] for span in spans
    }
    assert instances["before"] == instances["of the parent"]
    assert instances["in the child"] != instances["before"]


DEAD = """
    import atexit, json
    from flext_observability import (
        FlextBackend, FlextObservabilityConfig, FlextObservabilityMonitor,
        FlextObservabilityMasterFactory, flext_monitor_function,
    )

    config = FlextObservabilityConfig(otlp_endpoint="{url}", drain_timeout=0.2)
    factory = FlextObservabilityMasterFactory(FlextBackend(config))
    monitor = FlextObservabilityMonitor(factory)
    atexit.register(lambda: print(json.dumps(monitor.report().as_dict())))

    @flext_monitor_function("watched", monitor=monitor)
    def watched():
        return factory.record_metric("orders", 1)

    assert watched().is_success
    assert factory.start_trace("left open").is_success
    trace = factory.start_trace("ended").unwrap()
    assert factory.complete_trace(trace).is_success
"""


@pytest.mark.parametrize("backlog", [None, 0])
def test_an_endpoint_that_is_dead_does_not_keep_a_program_from_ending(backlog):
    with socket.socket() as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        if backlog is not None:
            endpoint.listen(8)  # it takes connections and never answers
        url = f"http://127.0.0.1:{endpoint.getsockname()[1]}"
        report = json.loads(run_program(DEAD.format(url=url)))
    assert report["lost"] >= 4  # three operations and a metric
    assert report["open_traces"] == report["held"] == 0
    assert "otlp" in report["losses"]
    assert report["metrics"] == ["orders"]
