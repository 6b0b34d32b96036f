"""OpenTelemetry's globals can be set once in a process: each test is a program."""

from __future__ import annotations

import os

import pytest
from programs import run_program

START = """
import logging, sys
from opentelemetry import _logs, metrics, trace
from sluiceway.instrument import Telemetry
from sluiceway.notes import event_of

lines = []
handler = logging.Handler()
handler.emit = lambda line: lines.append(line.getMessage())
logging.getLogger().addHandler(handler)

def names(telemetry):
    return [event_of(span).name for span in telemetry.spans._buffer]
"""


def run(program, **variables):
    return run_program(START + program, **variables)


def test_the_apis_functions_give_ours_once_installed():
    told = run(
        """
from opentelemetry import propagate
telemetry = Telemetry("shop")
print(telemetry.install(), telemetry.install(), lines)
print(trace.get_tracer_provider() is telemetry.tracer_provider)
print(metrics.get_meter_provider() is telemetry.meter_provider)
print(_logs.get_logger_provider() is telemetry.logger_provider)
print(propagate.get_global_textmap() is telemetry.propagator)
with trace.get_tracer("lib", "1").start_as_current_span("a"):
    with telemetry.tracer("own").span("b") as b:
        metrics.get_meter("lib").create_counter("c").add(2)
    _logs.get_logger("lib").emit(body="line")
b, a = [event_of(span) for span in telemetry.spans._buffer]
print(b.parent_span_id == a.span_id, b.trace_id == a.trace_id, a.scope.name)
print([(point.name, point.value) for point in telemetry.collect()])
print([(record.body, record.span_id == a.span_id) for record in telemetry.logs._buffer])
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""
    )
    assert told.splitlines() == [
        "True True []",
        "True",
        "True",
        "True",
        "True",
        "True True lib",
        "[('c', 2)]",
        "[('line', True)]",
        "[]",
    ]


def test_what_was_asked_for_before_works_after():
    told = run(
        """
tracer = trace.get_tracer("early")
counter = metrics.get_meter("early").create_counter("c")
tracer.start_span("lost").end()
telemetry = Telemetry("shop")
telemetry.install()
tracer.start_span("kept").end()
counter.add(3)
print(names(telemetry), [point.value for point in telemetry.collect()])
"""
    )
    assert told == "['kept'] [3]"


def test_a_second_telemetry_is_told_who_was_first():
    told = run(
        """
first, second = Telemetry("first"), Telemetry("second", propagators=["baggage"])
print(first.install(), second.install(), second.install(), first.install())
trace.get_tracer("lib").start_span("a").end()
print(names(first), names(second))
from opentelemetry import propagate
print(propagate.get_global_textmap() is first.propagator)
print([line for line in lines if "<Telemetry second>" in line][0])
"""
    )
    answers, spans, propagator, warning = told.splitlines()
    assert answers == "True False False True"
    assert spans == "['a'] []"
    assert propagator == "True"
    assert "<TracerProvider of <Telemetry first>>" in warning
    assert "<MeterProvider of <Telemetry first>>" in warning
    assert "<LoggerProvider of <Telemetry first>>" in warning


def test_a_provider_of_somebody_else_stays_and_is_named():
    told = run(
        """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry import propagate
before = propagate.get_global_textmap()
trace.set_tracer_provider(TracerProvider())
telemetry = Telemetry("shop")
print(telemetry.install())
print(metrics.get_meter_provider() is telemetry.meter_provider)
print(propagate.get_global_textmap() is before)
print(lines[-1])
"""
    )
    installed, meter, propagator, warning = told.splitlines()
    assert (installed, meter, propagator) == ("False", "True", "True")
    assert "opentelemetry.sdk.trace.TracerProvider already" in warning
    assert "MeterProvider" not in warning


def test_code_wins_over_providers_that_the_environment_names():
    told = run(
        """
telemetry = Telemetry("shop")
print(telemetry.install(), trace.get_tracer_provider() is telemetry.tracer_provider)
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
""",
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
        OTEL_PYTHON_METER_PROVIDER="sdk_meter_provider",
    )
    assert told.splitlines() == ["True True", "[]"]


def test_switched_off_traces_pass_through_and_nothing_is_told():
    told = run(
        """
telemetry = Telemetry("shop")
print(telemetry.install())
from opentelemetry import propagate
headers, sent = {"traceparent": f"00-{5:032x}-{9:016x}-01"}, {}
with trace.get_tracer("lib").start_as_current_span("a", propagate.extract(headers)):
    propagate.inject(sent)
metrics.get_meter("lib").create_counter("c").add(1)
_logs.get_logger("lib").emit(body="line")
telemetry.logger_provider.get_logger("lib").emit(body="line")
print(sent == headers, names(telemetry), telemetry.collect(), lines)
ours = telemetry.meter_provider
print([*telemetry.logs._buffer], metrics.get_meter_provider() is not ours)
""",
        OTEL_SDK_DISABLED="true",
    )
    assert told.splitlines() == ["True", "True [] [] []", "[] True"]


@pytest.mark.parametrize("text", ["nonsense,baggage", "nonsense"])
def test_a_propagator_that_nobody_provides_does_not_stop_the_program(text):
    told = run(
        """
import os
telemetry = Telemetry("shop")
print(telemetry.install(), "baggage" in telemetry.propagator.fields)
from opentelemetry import propagate
print(propagate.get_global_textmap() is telemetry.propagator)
print(os.environ["OTEL_PROPAGATORS"], ["nonsense" in line for line in lines])
""",
        OTEL_PROPAGATORS=text,
    )
    assert told.splitlines() == ["True True", "True", f"{text} [True]"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_with_what_was_installed():
    told = run(
        """
import os
telemetry = Telemetry("shop")
telemetry.install()
trace.get_tracer("lib").start_span("parent's").end()
if os.fork() == 0:
    trace.get_tracer("lib").start_span("child's").end()
    print(telemetry.install(), names(telemetry), flush=True)
    os._exit(0)
os.wait()
print(names(telemetry))
"""
    )
    assert told.splitlines() == ['True ["child\'s"]', '["parent\'s"]']
