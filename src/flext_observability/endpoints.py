"""Endpoints: the sinks that a configuration asks for."""

from __future__ import annotations

from typing import Any

from sluiceway import Sink
from sluiceway.sinks import AlertmanagerSink, OtlpSink, PushgatewaySink

from .config import FlextObservabilityConfig


def sinks_of(config: FlextObservabilityConfig) -> dict[str, list[Sink[Any]]]:
    """The sinks of each signal.

    Raises:
        ConfigurationError: a sink cannot be made so.
    """
    found: dict[str, list[Sink[Any]]] = {
        "traces": [],
        "metrics": [],
        "alerts": [],
        "health": [],
    }
    if config.otlp_endpoint:
        otlp = OtlpSink(config.otlp_endpoint, name="otlp")
        found["traces"].append(otlp)
        found["metrics"].append(otlp)
    if config.pushgateway_url:
        found["metrics"].append(PushgatewaySink(config.pushgateway_url, name="push"))
    if config.alertmanager_url:
        alertmanager = AlertmanagerSink(config.alertmanager_url, name="alertmanager")
        found["alerts"].append(alertmanager)
    return found
