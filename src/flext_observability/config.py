"""FlextObservabilityConfig: where telemetry goes, and how much is kept.

Law: arguments win over the environment, that over a file, and that over what is so by
default. What is wrong is refused and named, also where something else wins over it;
what cannot be followed is said, and nothing that is named is ignored.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from . import addresses, validation
from .addresses import Otlp
from .channels import FlextChannel, channels
from .creating import understood
from .environment import file_of, of_environment
from .escalation import FlextEscalationPolicy, policies
from .fields import by, several, unless_empty, with_checks
from .result import FlextResult
from .settings import Told, combined, of_arguments
from .toml_file import of_file


@frozen(kw_only=True, field_transformer=with_checks)
class FlextObservabilityConfig:
    """Where telemetry goes, and how much is kept.

    What is named after each is the variable that says it, where there is one.

    Args:
        service_name: of the resource (``OTEL_SERVICE_NAME``).
        environment: of the resource, ``deployment.environment.name``; ``""`` for none
            (``FLEXT_ENVIRONMENT``).
        resource_attributes: further ones (``OTEL_RESOURCE_ATTRIBUTES``).
        disabled: sends no traces and no metrics; alerts and health do not change
            (``OTEL_SDK_DISABLED``).
        log_level: of what this library itself logs, by name or number; ``""`` leaves
            it (``FLEXT_LOG_LEVEL``).
        otlp_endpoint: where traces and metrics are sent by OTLP; ``""`` for nowhere
            (``OTEL_EXPORTER_OTLP_ENDPOINT``).
        otlp_traces_endpoint: the whole address for traces, in place of the one above:
            it ends in ``/v1/traces``, or means gRPC
            (``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``).
        otlp_metrics_endpoint: the same for metrics
            (``OTEL_EXPORTER_OTLP_METRICS_ENDPOINT``).
        otlp_protocol: ``"grpc"``, ``"http/protobuf"`` or ``"http/json"``; by default
            gRPC for a bare port 4317, else ``"http/protobuf"``
            (``OTEL_EXPORTER_OTLP_PROTOCOL``).
        otlp_headers: further headers of OTLP requests, kept secret
            (``OTEL_EXPORTER_OTLP_HEADERS``).
        otlp_traces: whether traces go to the OTLP endpoint (``OTEL_TRACES_EXPORTER``:
            otlp or none).
        otlp_metrics: whether metrics go there, their sums cumulative; Jaeger takes none
            (``OTEL_METRICS_EXPORTER``: otlp or none).
        jaeger_endpoint: where traces are sent besides, by OTLP, as an agent's own
            protocol is gone (``JAEGER_AGENT_HOST`` and ``JAEGER_AGENT_PORT``:
            port 4317 of that host).
        pushgateway_url: where metrics are pushed; ``""`` for nowhere
            (``PROMETHEUS_PUSH_GATEWAY``).
        alertmanager_url: where alerts are sent; ``""`` for nowhere
            (``ALERTMANAGER_URL``).
        grafana_url: where people look; nothing is sent there, ``endpoints`` tells it
            (``GRAFANA_URL``).
        channels: who is told of alerts besides, a ``FlextChannel`` each;
            ``[[channels]]`` in TOML.
        policies: which channels are told of an alert when, a ``FlextEscalationPolicy``
            each; ``[[policies]]`` and ``[[policies.levels]]`` in TOML. Without one all
            channels are told at once.
        export_interval: seconds between two exports of metrics; default 15
            (``OTEL_METRIC_EXPORT_INTERVAL``, milliseconds).
        own_metrics: whether what becomes of the telemetry is told as metrics, too:
            ``sluiceway.stage.lost`` and its like; default False.
        drain_timeout: seconds that an end of the program waits for endpoints; default
            5.
        series_limit: series of one metric; what is beyond is added up in one; default
            2,000.
        open_traces: traces that run; the oldest is ended for a new one; default 10,000.
        trace_timeout: seconds after which a trace that nobody ends is ended; default
            3,600.
        http_port: where ``/healthz``, ``/readyz`` and ``/metrics`` are served; 0 picks
            a free port; None, the default, serves nothing (``FLEXT_HTTP_PORT``).
        http_host: the address to listen on; default ``"127.0.0.1"``, this machine only
            (``FLEXT_HTTP_HOST``).

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    service_name: str = field(default="", metadata=by(validation.any_text))
    environment: str = field(default="", metadata=by(validation.any_text))
    resource_attributes: dict[str, str] = field(
        factory=dict, metadata=by(validation.tags)
    )
    disabled: bool = field(default=False, metadata=by(addresses.flag))
    log_level: str = field(default="", metadata=unless_empty(addresses.log_level))
    otlp_endpoint: str = field(
        default="", repr=addresses.public, metadata=unless_empty(addresses.otlp_url)
    )
    otlp_traces_endpoint: str = field(
        default="", repr=addresses.public, metadata=unless_empty(validation.url)
    )
    otlp_metrics_endpoint: str = field(
        default="", repr=addresses.public, metadata=unless_empty(validation.url)
    )
    otlp_protocol: str = field(
        default="", metadata=unless_empty(addresses.otlp_protocol)
    )
    otlp_headers: dict[str, str] = field(
        factory=dict, repr=False, metadata=by(addresses.headers)
    )
    otlp_traces: bool = field(default=True, metadata=by(addresses.flag))
    otlp_metrics: bool = field(default=True, metadata=by(addresses.flag))
    jaeger_endpoint: str = field(
        default="", repr=addresses.public, metadata=unless_empty(addresses.otlp_url)
    )
    pushgateway_url: str = field(
        default="", repr=addresses.public, metadata=unless_empty(addresses.push_url)
    )
    alertmanager_url: str = field(
        default="", repr=addresses.public, metadata=unless_empty(validation.url)
    )
    grafana_url: str = field(
        default="", repr=addresses.public, metadata=unless_empty(validation.url)
    )
    channels: tuple[FlextChannel, ...] = field(
        default=(), metadata=several(channels, FlextChannel)
    )
    policies: tuple[FlextEscalationPolicy, ...] = field(
        default=(), metadata=several(policies, FlextEscalationPolicy)
    )
    export_interval: float = field(default=15.0, metadata=by(validation.above_zero))
    own_metrics: bool = field(default=False, metadata=by(addresses.flag))
    drain_timeout: float = field(default=5.0, metadata=by(validation.at_least_zero))
    series_limit: int = field(default=2000, metadata=by(validation.some))
    open_traces: int = field(default=10_000, metadata=by(validation.some))
    trace_timeout: float = field(default=3600.0, metadata=by(validation.above_zero))
    http_port: int | None = field(default=None, metadata=by(validation.port_or_none))
    http_host: str = field(default="127.0.0.1", metadata=by(validation.text))

    def __attrs_post_init__(self) -> None:
        # What an address means depends on the protocol; that it means something is
        # found out here.
        self.otlp_of("traces")
        self.otlp_of("metrics")

    def otlp_of(self, signal: Literal["traces", "metrics"]) -> Otlp | None:
        """Where a signal is sent by OTLP; None for nowhere."""
        name = f"otlp_{signal}_endpoint"
        own = getattr(self, name)
        if own:
            return addresses.of_signal(name, own, signal, self.otlp_protocol)
        if not self.otlp_endpoint:
            return None
        return addresses.of_all(self.otlp_endpoint, self.otlp_protocol)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None
    ) -> FlextResult[FlextObservabilityConfig]:
        """What the variables say, over the defaults; all that are wrong are told.

        ``FLEXT_OBSERVABILITY_CONFIG`` names a TOML file, over which the others win. An
        empty variable counts as unset.

        Args:
            environ: by default ``os.environ``.
        """
        return cls.load(environ=environ)

    @classmethod
    def from_toml(
        cls, path: str | os.PathLike[str]
    ) -> FlextResult[FlextObservabilityConfig]:
        """What a file says, over the defaults; all that is wrong is told by its line.

        Its keys are the arguments of this class. A text that is ``${NAME}``, and
        nothing else, means the variable of that name: keep secrets there.
        """
        told = understood(lambda: [of_file(cls, path, os.environ)])
        return told.flat_map(lambda all_: combined(cls, all_))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> FlextResult[FlextObservabilityConfig]:
        """What everybody says together: arguments > environment > file > defaults.

        Args:
            path: a TOML file; by default that of ``FLEXT_OBSERVABILITY_CONFIG``.
            environ: by default ``os.environ``; ``{}`` leaves it out.
            **arguments: of this class; None leaves one to the others.

        Returns:
            The configuration; or a failure that tells all that is wrong, a line for
            each, with the name of the variable or the line of the file.
        """
        told = understood(lambda: sources(cls, path, environ, arguments))
        return told.flat_map(lambda all_: combined(cls, all_))

    def endpoints(self) -> dict[str, str]:
        """Where others are, by their names; without users and passwords."""
        named = {
            "otlp": self.otlp_endpoint,
            "otlp_traces": self.otlp_traces_endpoint,
            "otlp_metrics": self.otlp_metrics_endpoint,
            "jaeger": self.jaeger_endpoint,
            "pushgateway": self.pushgateway_url,
            "alertmanager": self.alertmanager_url,
            "grafana": self.grafana_url,
        }
        return {name: addresses.without_user(url) for name, url in named.items() if url}


def sources(
    make: type[Any],
    path: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
    arguments: Mapping[str, Any],
) -> list[Told]:
    """What everybody says, from the weakest to the strongest."""
    variables = os.environ if environ is None else environ
    file = file_of(variables) if path is None else path
    told = [] if file is None else [of_file(make, file, variables)]
    return [*told, of_environment(variables), of_arguments(make, arguments)]
