"""Endpoints: the sinks that a configuration asks for."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from sluiceway import Sink
from sluiceway.sinks import AlertmanagerSink, OtlpSink, PushgatewaySink

from .addresses import GRPC, is_one_receiver, protocol_of
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
    found["alerts"] += [channel.sink() for channel in config.channels]
    return found


def add_otlp(
    config: FlextObservabilityConfig, found: dict[str, list[Sink[Any]]]
) -> None:
    """The one sink of the signals that go to the OTLP endpoint."""
    wanted = {"traces": config.otlp_traces, "metrics": config.otlp_metrics}
    if config.otlp_endpoint and any(wanted.values()):
        sink = otlp_sink("otlp", config.otlp_endpoint, config)
        for signal in [signal for signal, is_wanted in wanted.items() if is_wanted]:
            found[signal].append(sink)


def add_jaeger(
    config: FlextObservabilityConfig, found: dict[str, list[Sink[Any]]]
) -> None:
    """A sink of traces alone, unless they go to that address already."""
    url, known = config.jaeger_endpoint, config.otlp_endpoint
    is_told = bool(known) and config.otlp_traces and is_one_receiver(url, known)
    if url and not is_told:
        bare = FlextObservabilityConfig()  # what is secret is for the OTLP endpoint
        found["traces"].append(otlp_sink("jaeger", url, bare))


def otlp_sink(name: str, url: str, config: FlextObservabilityConfig) -> OtlpSink:
    """A sink by the protocol that is told, or that the address means.

    Raises:
        FlextConfigurationError: that is gRPC, and grpcio is missing.
    """
    protocol: Any = config.otlp_protocol or protocol_of(url)
    if protocol == GRPC and find_spec("grpc") is None:
        raise FlextConfigurationError(f"{name}_endpoint", url, NEEDS_GRPC)
    return OtlpSink(url, protocol=protocol, headers=config.otlp_headers, name=name)
