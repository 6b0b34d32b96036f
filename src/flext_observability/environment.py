"""What the variables of an environment say of the configuration.

Law: pure; an empty variable counts as unset, and nothing that is set is ignored
silently. Source: OpenTelemetry specification, ``configuration/sdk-environment-
variables.md``, ``protocol/exporter.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from . import addresses, validation
from .exceptions import FlextConfigurationError
from .settings import Setting, Told

SERVICE_NAME: Final = "service.name"
ENVIRONMENT: Final = "deployment.environment.name"
FROM_ATTRIBUTES: Final = {SERVICE_NAME: "service_name", ENVIRONMENT: "environment"}
RESOURCE_ATTRIBUTES: Final = "OTEL_RESOURCE_ATTRIBUTES"
OTLP: Final = "OTEL_EXPORTER_OTLP_"
OF_ONE_SIGNAL: Final = tuple(
    (f"{OTLP}{signal}_{word}", f"{OTLP}{word}")
    for signal in ("TRACES", "METRICS")
    for word in ("PROTOCOL", "HEADERS")
)
TEMPORALITY: Final = f"{OTLP}METRICS_TEMPORALITY_PREFERENCE"
CUMULATIVE: Final = "cumulative"
FILE: Final = "FLEXT_OBSERVABILITY_CONFIG"
JAEGER_HOST: Final = "JAEGER_AGENT_HOST"
JAEGER_PORT: Final = "JAEGER_AGENT_PORT"
AGENT_PORTS: Final = ("6831", "6832", "5775", "5778")


def of_environment(variables: Mapping[str, str]) -> Told:
    """What the variables say."""
    told = Told()
    texts = texts_of(variables, told)
    if RESOURCE_ATTRIBUTES in texts:
        take_attributes(told, texts[RESOURCE_ATTRIBUTES])
    for name, (field, read) in VARIABLES.items():
        if name in texts:
            told.take(partial(setting_of, name, texts[name], field, read))
    for name, general in OF_ONE_SIGNAL:
        if name in texts:
            told.problems.append(of_one_signal(name, texts[name], general))
    if texts.get(TEMPORALITY, CUMULATIVE).lower() != CUMULATIVE:
        told.problems.append(of_other_sums(texts[TEMPORALITY]))
    if JAEGER_HOST in texts or JAEGER_PORT in texts:
        told.take(partial(jaeger, texts))
    return told


def file_of(variables: Mapping[str, str]) -> str | None:
    """The TOML file that a variable names, if it does."""
    text = variables.get(FILE) if isinstance(variables, Mapping) else None
    return text.strip() or None if isinstance(text, str) else None


def texts_of(variables: Mapping[str, str], told: Told) -> dict[str, str]:
    """The texts of the variables that are set, without the space round them."""
    if not isinstance(variables, Mapping):
        expected = "a mapping of names to texts, such as os.environ"
        told.problems.append(
            str(FlextConfigurationError("environ", variables, expected))
        )
        return {}
    found = {name: variables[name] for name in KNOWN if name in variables}
    for name, text in found.items():
        if not isinstance(text, str):
            told.problems.append(str(FlextConfigurationError(name, text, "text")))
    texts = {
        name: text.strip() for name, text in found.items() if isinstance(text, str)
    }
    return {name: text for name, text in texts.items() if text}


def setting_of(
    name: str, text: str, field: str, read: Callable[[str, str], Any]
) -> tuple[str, Setting]:
    """What a variable says.

    Raises:
        FlextConfigurationError: it says nothing.
    """
    return field, Setting(name, read(name, text), text)


def plain(_: str, text: str) -> str:
    """The text itself, which the field checks."""
    return text


def flag(name: str, text: str) -> bool:
    """True or false, in whatever case."""
    word = text.lower()
    if word not in {"true", "false"}:
        known = ("true", "false")
        raise FlextConfigurationError(name, text, "true or false", known)
    return word == "true"


def exporter(name: str, text: str) -> bool:
    """Whether a signal goes to the OTLP endpoint."""
    word = text.lower()
    if word not in {"otlp", "none"}:
        expected = "otlp or none: others are not used here"
        raise FlextConfigurationError(name, text, expected, ("otlp", "none"))
    return word == "otlp"


def milliseconds(name: str, text: str) -> float:
    """Seconds, from whole milliseconds above 0."""
    good = text.isascii() and text.isdecimal() and len(text) < 16
    if not good or int(text) == 0:
        raise FlextConfigurationError(name, text, "whole milliseconds above 0")
    return int(text) / 1000


def port(name: str, text: str) -> int:
    """The number of a port."""
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise FlextConfigurationError(name, text, "a port from 0 to 65535")
    return int(text)


def pairs(name: str, text: str) -> dict[str, str]:
    """``key=value,key2=value2`` with percent-encoded values (W3C Baggage)."""
    found: dict[str, str] = {}
    for part in filter(str.strip, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            expected = "key=value,key2=value2 with percent-encoded values"
            raise FlextConfigurationError(name, text, expected)
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def take_attributes(told: Told, text: str) -> None:
    """The resource's attributes, of which two have fields of their own."""
    name = RESOURCE_ATTRIBUTES
    told.take(partial(setting_of, name, text, "resource_attributes", pairs))
    found = told.settings.get("resource_attributes")
    for attribute, field in FROM_ATTRIBUTES.items():
        if found is not None and attribute in found.value:
            told.settings[field] = Setting(name, found.value.pop(attribute), text)


def of_one_signal(name: str, text: str, general: str) -> str:
    """Why a variable of one signal cannot be followed."""
    expected = f"it unset: traces and metrics both follow {general}"
    return str(FlextConfigurationError(name, text, expected))


def of_other_sums(text: str) -> str:
    """Why a preference for sums that begin anew cannot be followed."""
    expected = f"{CUMULATIVE}: sums are for Prometheus, too, which takes no others"
    return str(FlextConfigurationError(TEMPORALITY, text, expected, [CUMULATIVE]))


def jaeger(texts: Mapping[str, str]) -> tuple[str, Setting]:
    """The collector of the host on which Jaeger's agent was.

    Raises:
        FlextConfigurationError: no host, or a port that was no agent's.
    """
    host = texts.get(JAEGER_HOST, "localhost")
    agent = texts.get(JAEGER_PORT, AGENT_PORTS[0])
    if agent not in AGENT_PORTS:
        expected = (
            f"an agent's port, {', '.join(AGENT_PORTS)}, in whose place OTLP goes to "
            f"port {addresses.GRPC_PORT}; for another one set {OTLP}ENDPOINT"
        )
        raise FlextConfigurationError(JAEGER_PORT, agent, expected)
    url = f"http://{addresses.host(JAEGER_HOST, host)}:{addresses.GRPC_PORT}"
    return "jaeger_endpoint", Setting(
        JAEGER_HOST, validation.url(JAEGER_HOST, url), host
    )


VARIABLES: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "OTEL_SERVICE_NAME": ("service_name", plain),
    "OTEL_SDK_DISABLED": ("disabled", flag),
    f"{OTLP}ENDPOINT": ("otlp_endpoint", plain),
    f"{OTLP}TRACES_ENDPOINT": ("otlp_traces_endpoint", plain),
    f"{OTLP}METRICS_ENDPOINT": ("otlp_metrics_endpoint", plain),
    f"{OTLP}PROTOCOL": ("otlp_protocol", plain),
    f"{OTLP}HEADERS": ("otlp_headers", pairs),
    "OTEL_TRACES_EXPORTER": ("otlp_traces", exporter),
    "OTEL_METRICS_EXPORTER": ("otlp_metrics", exporter),
    "OTEL_METRIC_EXPORT_INTERVAL": ("export_interval", milliseconds),
    "PROMETHEUS_PUSH_GATEWAY": ("pushgateway_url", plain),
    "ALERTMANAGER_URL": ("alertmanager_url", plain),
    "GRAFANA_URL": ("grafana_url", plain),
    "FLEXT_ENVIRONMENT": ("environment", plain),
    "FLEXT_LOG_LEVEL": ("log_level", plain),
    "FLEXT_HTTP_PORT": ("http_port", port),
    "FLEXT_HTTP_HOST": ("http_host", plain),
}
KNOWN: Final = (
    *VARIABLES,
    FILE,
    RESOURCE_ATTRIBUTES,
    TEMPORALITY,
    JAEGER_HOST,
    JAEGER_PORT,
    *(name for name, _ in OF_ONE_SIGNAL),
)
