"""What a constructor cannot mean is refused where it stands, by its name."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextConfigurationError,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextObservabilityMasterFactory,
    FlextObservabilityMonitor,
    FlextResult,
    FlextTracingService,
)
from sluiceway.testing import CollectingSink

HAVE_A_BACKEND = (
    FlextAlertService,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityMasterFactory,
    FlextTracingService,
)
CONFIG = FlextObservabilityConfig()


def refused(make, *arguments, **named):
    with pytest.raises(FlextConfigurationError) as caught:
        make(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize("make", HAVE_A_BACKEND)
@pytest.mark.parametrize("given", [0, "http://localhost:4317", CONFIG])
def test_a_backend_that_is_none_is_named(make, given):
    told = refused(make, given)
    assert told.startswith("backend is ")
    assert told.endswith("expected a FlextBackend, or None for that of the process")


@pytest.mark.parametrize("given", [5, SimpleNamespace(backend=None), CONFIG])
def test_a_monitor_of_nothing_that_records_is_refused(given):
    told = refused(FlextObservabilityMonitor, given)
    assert re.fullmatch(r"source is .*; expected a FlextBackend, or a .*", told)


def test_a_monitor_takes_whatever_has_a_backend():
    backend = FlextBackend(CONFIG)
    for has_one in (FlextMetricsService(backend), SimpleNamespace(backend=backend)):
        assert FlextObservabilityMonitor(has_one).backend is backend


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"config": 5}, "config is 5; expected a FlextObservabilityConfig"),
        ({"config": {"a": 1}}, "config is a dict of 1; expected a FlextObserv"),
        ({"config": FlextResult.ok(CONFIG)}, "config is a FlextSuccess; expected"),
        ({"sinks": 5}, "sinks is 5; expected a mapping of signals to lists"),
        ({"sinks": {"traces": 5}}, "sinks['traces'] is 5; expected a list of sinks"),
        ({"sinks": {"traces": [5]}}, "sink is 5; expected a Sink"),
        ({"sinks": {"trace": [5]}}, "signal is 'trace'; expected one of traces"),
        ({"channels": 5}, "channels is 5; expected a mapping of names to sinks"),
        ({"policies": 5}, "policies is 5; expected a list of policies"),
    ],
    ids=str,
)
def test_an_argument_of_a_backend_is_named(arguments, told):
    assert refused(FlextBackend, **{"config": CONFIG, **arguments}).startswith(told)


@pytest.mark.parametrize("signal", [5, [], {}])
def test_a_signal_that_is_no_word_is_named(signal):
    backend = FlextBackend(CONFIG)
    assert refused(backend.add_sink, signal, 5).startswith("signal is ")


def test_a_sink_that_comes_after_the_first_start_is_refused_and_not_left_out():
    backend = FlextBackend(CONFIG)
    backend.add_sink("metrics", CollectingSink())
    backend.start()
    backend.stop()
    told = refused(backend.add_sink, "metrics", CollectingSink())
    assert told.startswith("sink is a CollectingSink; expected to be given before ")
