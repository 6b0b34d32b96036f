"""Endpoints: the sinks that a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from sluiceway import Sink
from sluiceway.sinks import AlertmanagerSink, OtlpSink, PushgatewaySink

from .addresses import GRPC, Otlp, is_one_receiver, of_all
from .config import FlextObservabilityConfig
from .exceptions import FlextConfigurationError

NEEDS_GRPC: Final = (
    "an address of OTLP over HTTP, such as http://localhost:4318, as grpcio is not "
    "installed; for gRPC: pip install 'sluiceway[flext]'"
)


def sinks_of(config: FlextObservabilityConfig) -> dict[str, list[Sink[Any]]]:
    """The sinks of each signal.

    Raises:
        ConfigurationError: a sink cannot be made so.
        FlextConfigurationError: gRPC is asked for, and grpcio is missing.
    """
    found: dict[str, list[Sink[Any]]] = {
        "traces": [],
        "metrics": [],
        "alerts": [],
        "health": [],
    }
    if not config.disabled:
        add_otlp(config, found)
        add_jaeger(config, found)
    if config.pushgateway_url and not config.disabled:
        found["metrics"].append(PushgatewaySink(config.pushgateway_url, name="push"))
    if config.alertmanager_url:
        alertmanager = AlertmanagerSink(config.alertmanager_url, name="alertmanager")
        found["alerts"].append(alertmanager)
    return found


def add_otlp(
    config: FlextObservabilityConfig, found: dict[str, list[Sink[Any]]]
) -> None:
    """A sink for each signal, or one for both where they go to the same place."""
    traces = config.otlp_of("traces") if config.otlp_traces else None
    metrics = config.otlp_of("metrics") if config.otlp_metrics else None
    if traces is not None and traces == metrics:
        sink = otlp_sink("otlp", traces, config.otlp_headers)
        found["traces"].append(sink)
        found["metrics"].append(sink)
        return
    for signal, to in (("traces", traces), ("metrics", metrics)):
        if to is not None:
            sink = otlp_sink(f"otlp_{signal}", to, config.otlp_headers)
            found[signal].append(sink)


def add_jaeger(
    config: FlextObservabilityConfig, found: dict[str, list[Sink[Any]]]
) -> None:
    """A sink of traces alone, unless they go to that address already."""
    url = config.jaeger_endpoint
    known = config.otlp_of("traces") if config.otlp_traces else None
    if url and (known is None or not is_one_receiver(url, known.url)):
        no_headers: dict[str, str] = {}  # what is secret is for the OTLP endpoint
        found["traces"].append(otlp_sink("jaeger", of_all(url, ""), no_headers))


def otlp_sink(name: str, to: Otlp, headers: Mapping[str, str]) -> OtlpSink:
    """A sink by the protocol that is told, or that the address means.

    Raises:
        FlextConfigurationError: that is gRPC, and grpcio is missing.
    """
    protocol: Any = to.protocol
    if protocol == GRPC and find_spec("grpc") is None:
        raise FlextConfigurationError(f"{name}_endpoint", to.url, NEEDS_GRPC)
    return OtlpSink(to.url, protocol=protocol, headers=headers, name=name)
