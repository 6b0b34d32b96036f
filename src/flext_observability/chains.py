"""Chains: the pipeline of a backend, from what records to where it goes.

Law: a signal that nobody wants ends in a sink whose name says so. Of several sinks a
dead one sheds what it has no room for, and keeps nothing from the others.
"""

from __future__ import annotations

from typing import Any, Final

from sluiceway import Pipeline, Sink, best_effort, merge, sink
from sluiceway.health import HealthAlerts, HealthMetrics
from sluiceway.sinks import PrometheusSink
from sluiceway.sources import PipelineMetricsSource
from sluiceway.web import Pages

from .alert_learning import AlertLearner
from .backend import NAME, PAGE, FlextBackend
from .endpoints import sinks_of
from .pages import PageServer
from .unfinished import Unfinished

OF_HEALTH: Final = {"source": "health"}  # labels of the alerts of health checks


def pipeline_of(backend: FlextBackend) -> tuple[Pipeline, PageServer | None]:
    """The pipeline, and what serves its pages, if the configuration asks for them.

    Raises:
        ConfigurationError: a sink cannot be made so.
        FlextConfigurationError: an endpoint needs what is not installed.
    """
    config, telemetry = backend.config, backend.telemetry
    given = sinks_of(config)
    to = {name: [*given[name], *backend.sinks[name]] for name in given}
    page = PrometheusSink(port=None, live=telemetry, name=PAGE)
    to["metrics"].append(page)
    channels = backend.alert_desk.chains()
    ends = {name: apart(sinks) for name, sinks in to.items()}
    if channels:  # they take whatever comes at once, and need shed nothing
        ends["alerts"].append(sink(name="channels")(backend.alert_desk.channels.heard))
    ends["alerts"] = wanted(ends["alerts"], "no_channel")
    server = None
    if config.http_port is not None:
        server = PageServer(config.http_host, config.http_port)
    served = [server] if server else []
    pipeline = Pipeline(
        *([own_metrics(backend) >> ends["metrics"]] if config.own_metrics else []),
        merge(telemetry.spans, backend.traces, Unfinished(backend.operations))
        >> wanted(ends["traces"], "no_endpoint"),
        telemetry.metrics >> ends["metrics"],
        backend.alerts >> ends["alerts"],
        *channels,
        merge(backend.health, backend.checks.turns, *served)
        >> health_ends(backend, ends),
        name=NAME,
        drain_timeout=config.drain_timeout,
    )
    if server:
        server.show(Pages(pipeline, page, health=backend.checks))
    return pipeline, server


def apart(sinks: list[Sink[Any]]) -> list[Any]:
    """Sinks that do not wait for one another."""
    return [best_effort(each) for each in sinks] if len(sinks) > 1 else [*sinks]


def health_ends(backend: FlextBackend, to: dict[str, list[Any]]) -> list[Any]:
    """Results of health checks are metrics, and alerts where they change."""
    metrics = HealthMetrics(resource=backend.telemetry.resource) >> to["metrics"]
    alerts = HealthAlerts(labels=OF_HEALTH) >> AlertLearner(backend.alert_desk)
    return [metrics, *to["health"], alerts >> to["alerts"]]


def wanted(sinks: list[Any], otherwise: str) -> list[Any]:
    """The sinks, or one of this name where there is none."""
    return sinks or [sink(name=otherwise)(nothing)]


def nothing(events: list[Any]) -> None:
    """Where a signal ends for which no endpoint is configured."""


def own_metrics(backend: FlextBackend) -> PipelineMetricsSource:
    """What becomes of the events, told as metrics."""
    return PipelineMetricsSource(
        backend.config.export_interval,
        resource=backend.telemetry.resource,
        name="own_metrics",
    )
