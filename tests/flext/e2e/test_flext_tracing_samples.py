"""The document's samples of tracing, watched functions and the factory, unchanged."""

import asyncio

import pytest
from document_samples import names_of
from programs import run_program

from flext_observability import FlextBackend, FlextObservabilityConfig
from flext_observability.backend import PROCESS
from flext_observability.compat import install, uninstall
from sluiceway.events import StatusCode
from sluiceway.testing import CollectingSink


@pytest.fixture(autouse=True)
def flext_core_can_be_imported():
    install().unwrap()
    yield
    uninstall()


@pytest.fixture
def recorded():
    """The spans that the process's backend has sent, once it is called."""
    sink = CollectingSink()
    backend = FlextBackend(
        FlextObservabilityConfig(export_interval=3600.0), sinks={"traces": [sink]}
    )
    before = PROCESS.use(backend)

    def sent():
        backend.flush().unwrap()
        return {span.name: span for span in sink.events}

    yield sent
    PROCESS.use(before)
    backend.stop().unwrap()


@pytest.fixture
def service():
    return names_of("tracing_pattern")["EnterpriseObservabilityService"]("shop")


def test_the_tracing_pattern_completes_its_trace(recorded, service):
    data = {"operation": "buy", "cart": {"items": [1, 2]}}
    answer = asyncio.run(service.process_monitored_operation(data)).unwrap()
    assert answer["success"]
    spans = recorded()
    call, trace = spans["service_processing"], spans["process_operation"]
    assert trace.trace_id.hex() == answer["trace_id"]
    assert trace.status_code is StatusCode.OK
    assert trace.attributes == {**data, "flext.operation": "shop.process_operation"}
    assert trace.parent_span_id == call.span_id
    assert call.status_code is StatusCode.UNSET


def test_the_tracing_pattern_ends_its_trace_with_the_error(recorded, service):
    async def break_down(data):
        raise ValueError("no money")

    service._process_business_logic = break_down
    result = asyncio.run(service.process_monitored_operation({}))
    assert result.error == "Monitored operation failed: no money"
    spans = recorded()
    trace, call = spans["process_operation"], spans["service_processing"]
    assert (trace.status_code, trace.status_message) == (StatusCode.ERROR, "no money")
    assert (call.status_code, call.status_message) == (StatusCode.ERROR, result.error)


def test_the_direct_integration_records_and_is_watched(recorded):
    operation = names_of("direct_integration")["monitored_business_operation"]
    assert asyncio.run(operation({"a": 1})).unwrap() == {"done": {"a": 1}}
    assert recorded()["critical_business_operation"].status_code is StatusCode.UNSET
    names = PROCESS.current.instruments.names()
    assert names == ["operation_start", "operation_success"]


FACTORY = """
from flext_observability import FlextObservabilityMasterFactory, get_global_factory
from flext_observability import flext_create_metric, flext_create_trace
factory = get_global_factory()
metric_result = flext_create_metric('test_metric', 1.0, 'count')
trace_result = flext_create_trace('test_trace', 'test_operation')
print('✅ Observability factory functionality validated')
assert factory.record_metric(metric_result.unwrap()).is_success
assert factory.start_trace(trace_result.unwrap()).is_success
assert factory.complete_trace(trace_result.unwrap()).is_success
"""

DECORATOR = """
from flext_observability import flext_monitor_function
@flext_monitor_function('test_function')
def test_func():
    return 'monitored'
print('✅ Monitoring decorators validated')
assert test_func() == 'monitored'
"""


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (FACTORY, "✅ Observability factory functionality validated"),
        (DECORATOR, "✅ Monitoring decorators validated"),
    ],
)
def test_the_smoke_scripts_print_their_check_mark_and_what_they_made_works(
    program, told
):
    assert run_program(program, PYTHONUTF8="1") == told
