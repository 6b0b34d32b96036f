"""FlextObservabilityConfig: who wins, what is refused by which name, what is hidden."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from logging import getLogger

import pytest
from attrs import fields_dict
from hypothesis import given
from hypothesis import strategies as st

from flext_observability import (
    FlextBackend,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextValidationError,
)
from flext_observability.endpoints import sinks_of
from flext_observability.environment import KNOWN
from sluiceway import HealthCheck
from sluiceway.events import HealthStatus
from sluiceway.testing import CollectingSink

OF_THE_DOCUMENT = {
    "OTEL_SERVICE_NAME": "flext-observability",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "PROMETHEUS_PUSH_GATEWAY": "http://localhost:9091",
    "FLEXT_LOG_LEVEL": "INFO",
    "FLEXT_ENVIRONMENT": "development",
    "GRAFANA_URL": "http://localhost:3000",
    "JAEGER_AGENT_HOST": "localhost",
    "JAEGER_AGENT_PORT": "6831",
    "ALERTMANAGER_URL": "http://localhost:9093",
}


def loaded(**variables):
    return FlextObservabilityConfig.from_environment(variables).unwrap()


def problems(**variables):
    failure = FlextObservabilityConfig.from_environment(variables)
    assert failure.is_failure
    assert failure.error_code == "configuration"
    return failure.error.splitlines()


def written(folder, text):
    file = folder / "flext.toml"
    file.write_text(text)
    return file


def sinks(config):
    return {
        signal: [stage.name for stage in stages]
        for signal, stages in sinks_of(config).items()
    }


def test_nothing_told_is_what_the_arguments_default_to():
    assert loaded() == FlextObservabilityConfig()
    assert sinks(loaded()) == {"traces": [], "metrics": [], "alerts": [], "health": []}


def test_the_variables_of_the_document_say_where_all_of_it_goes():
    config = loaded(**OF_THE_DOCUMENT)
    assert config.service_name == "flext-observability"
    assert config.environment == "development"
    assert config.log_level == "INFO"
    assert config.endpoints() == {
        "otlp": "http://localhost:4317",
        "jaeger": "http://localhost:4317",
        "pushgateway": "http://localhost:9091",
        "alertmanager": "http://localhost:9093",
        "grafana": "http://localhost:3000",
    }
    assert sinks(config) == {
        "traces": ["otlp"],  # the agent's host is the endpoint's: once is enough
        "metrics": ["otlp", "push"],
        "alerts": ["alertmanager"],
        "health": [],
    }


def test_the_variables_of_opentelemetry_are_read():
    config = loaded(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://otlp.example/up",
        OTEL_EXPORTER_OTLP_PROTOCOL="HTTP/json",
        OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b, x-team = shop ,",
        OTEL_METRIC_EXPORT_INTERVAL="2500",
        OTEL_RESOURCE_ATTRIBUTES="team=shop%2Ceu,service.name=till,"
        "deployment.environment.name=live",
        OTEL_SDK_DISABLED="False",
        OTEL_METRICS_EXPORTER="none",
        OTEL_TRACES_EXPORTER="otlp",
    )
    assert config == FlextObservabilityConfig(
        service_name="till",
        environment="live",
        resource_attributes={"team": "shop,eu"},
        otlp_endpoint="https://otlp.example/up",
        otlp_protocol="http/json",
        otlp_headers={"x-key": "a b", "x-team": "shop"},
        otlp_metrics=False,
        export_interval=2.5,
    )
    assert sinks(config)["metrics"] == []


def test_the_service_name_of_its_own_variable_wins_over_the_attribute():
    config = loaded(
        OTEL_SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="service.name=till"
    )
    assert config.service_name == "shop"
    assert config.resource_attributes == {}


def test_what_is_disabled_sends_alerts_only():
    config = loaded(**OF_THE_DOCUMENT, OTEL_SDK_DISABLED="true")
    assert sinks(config) == {
        "traces": [],
        "metrics": [],
        "alerts": ["alertmanager"],
        "health": [],
    }


@pytest.mark.parametrize("name", [*OF_THE_DOCUMENT, "OTEL_SDK_DISABLED"])
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_unset(name, text):
    assert loaded(**{name: text}) == FlextObservabilityConfig()


BAD = {
    "OTEL_SERVICE_NAME": "x" * 5000,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grcp",
    "OTEL_EXPORTER_OTLP_HEADERS": "no equals sign",
    "OTEL_METRIC_EXPORT_INTERVAL": "15s",
    "OTEL_SDK_DISABLED": "tru",
    "OTEL_RESOURCE_ATTRIBUTES": "=x",
    "OTEL_TRACES_EXPORTER": "zipkin",
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "elsewhere:4318/v1/traces",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "grpc://elsewhere:4317",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=b",
    "PROMETHEUS_PUSH_GATEWAY": "http://localhost:99999",
    "ALERTMANAGER_URL": "http://[::1",
    "GRAFANA_URL": "ftp://grafana",
    "JAEGER_AGENT_HOST": "no host",
    "JAEGER_AGENT_PORT": "16686",
    "FLEXT_LOG_LEVEL": "VERBOSE",
    "FLEXT_ENVIRONMENT": "x" * 5000,
    "FLEXT_HTTP_PORT": "http",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
    "FLEXT_HTTP_HOST": "x" * 5000,
}
FILE = "FLEXT_OBSERVABILITY_CONFIG"


def test_no_variable_is_without_a_bad_value_here():
    assert {*BAD, FILE} == {*KNOWN}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_value_is_refused_by_the_name_of_its_variable(name):
    (problem,) = problems(**{name: BAD[name]})
    assert problem.startswith(f"{name} is ")
    assert "; expected " in problem


@pytest.mark.parametrize("text", ["cumulative", "Cumulative", ""])
def test_sums_are_cumulative_as_may_be_said(text):
    loaded(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=text)


def test_all_bad_values_are_told_at_once():
    told = problems(**{**BAD, "JAEGER_AGENT_PORT": "6831"})
    assert sorted(line.split()[0] for line in told) == sorted(
        {*BAD} - {"JAEGER_AGENT_PORT"}
    )


@pytest.mark.parametrize("text", ["65536", "-1", "٣", "9464.0"])
def test_a_port_is_a_whole_number_to_65535(text):
    (problem,) = problems(FLEXT_HTTP_PORT=text)
    assert problem.startswith(f"FLEXT_HTTP_PORT is {text!r}; expected a port from 0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost", "box-1.internal"])
def test_where_the_pages_are_served_may_come_from_the_environment(host):
    config = loaded(FLEXT_HTTP_PORT="0", FLEXT_HTTP_HOST=host)
    assert (config.http_port, config.http_host) == (0, host)


@pytest.mark.parametrize(("text", "level"), [("15", 15), ("10", 10), ("0", 0)])
def test_a_level_may_be_a_number_as_for_the_loggers(text, level):
    loggers = [getLogger(name) for name in ("flext_observability", "sluiceway")]
    try:
        FlextBackend(loaded(FLEXT_LOG_LEVEL=text))
        assert {logger.level for logger in loggers} == {level}
    finally:
        for logger in loggers:
            logger.setLevel(0)


def test_a_bad_value_is_told_with_the_nearest_word():
    assert problems(OTEL_EXPORTER_OTLP_PROTOCOL="grcp") == [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grcp'; expected one of grpc, "
            "http/protobuf, http/json; did you mean 'grpc'?"
        )
    ]


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "٣", "9" * 20])
def test_an_interval_is_whole_milliseconds_above_zero(text):
    (problem,) = problems(OTEL_METRIC_EXPORT_INTERVAL=text)
    assert "whole milliseconds above 0" in problem


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"JAEGER_AGENT_HOST": "tracing"}, "http://tracing:4317"),
        ({"JAEGER_AGENT_PORT": "6832"}, "http://localhost:4317"),
        ({"JAEGER_AGENT_HOST": "::1"}, "http://[::1]:4317"),
    ],
)
def test_an_agent_of_jaeger_means_the_otlp_port_of_its_host(variables, url):
    config = loaded(**variables)
    assert config.jaeger_endpoint == url
    assert sinks(config)["traces"] == ["jaeger"]
    assert sinks(config)["metrics"] == []  # Jaeger takes none


@pytest.mark.parametrize(
    ("endpoint", "sent"),
    [
        ("http://localhost:4317", ["otlp"]),
        ("http://localhost:4318/", ["otlp"]),
        ("http://127.0.0.1:4317", ["otlp"]),
        ("http://localhost:4319", ["otlp", "jaeger"]),
        ("http://localhost:4318/up", ["otlp", "jaeger"]),
        ("http://otlp.example:4317", ["otlp", "jaeger"]),
    ],
)
def test_jaeger_gets_each_trace_once(endpoint, sent):
    config = loaded(JAEGER_AGENT_HOST="localhost", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert sinks(config)["traces"] == sent


def test_jaeger_gets_the_traces_that_the_endpoint_does_not_want():
    config = loaded(
        JAEGER_AGENT_HOST="localhost",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4317",
        OTEL_TRACES_EXPORTER="none",
    )
    assert sinks(config) == {
        "traces": ["jaeger"],
        "metrics": ["otlp_metrics"],
        "alerts": [],
        "health": [],
    }


def test_jaeger_on_another_host_gets_the_traces_besides():
    config = loaded(
        JAEGER_AGENT_HOST="tracing", OTEL_EXPORTER_OTLP_ENDPOINT="http://otlp:4317"
    )
    assert sinks(config)["traces"] == ["otlp", "jaeger"]


def test_a_port_that_was_no_agents_says_why_it_cannot_be_followed():
    (problem,) = problems(JAEGER_AGENT_PORT="14250")
    assert "in whose place OTLP goes to port 4317" in problem


TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
GENERAL = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4317"}


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        (GENERAL, "grpc http://all:4317", "grpc http://all:4317"),
        (
            {**GENERAL, TRACES: "http://one:4318/v1/traces"},
            "http/protobuf http://one:4318",
            "grpc http://all:4317",
        ),
        (
            {TRACES: "http://one:4317", METRICS: "https://two/up/v1/metrics/"},
            "grpc http://one:4317",
            "http/protobuf https://two/up",
        ),
        (
            {METRICS: "http://one:4317/v1/metrics"},
            None,
            "http/protobuf http://one:4317",
        ),
        (
            {TRACES: "http://one:99", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "grpc http://one:99",
            None,
        ),
    ],
)
def test_a_signal_can_have_an_address_of_its_own(variables, traces, metrics):
    config = loaded(**variables)
    for signal, expected in (("traces", traces), ("metrics", metrics)):
        to = config.otlp_of(signal)
        assert (to and f"{to.protocol} {to.url}") == expected
    found = sinks(config)
    same = traces == metrics
    assert found["traces"] == (
        [] if not traces else ["otlp" if same else "otlp_traces"]
    )
    assert [*found["metrics"]] == (
        [] if not metrics else ["otlp" if same else "otlp_metrics"]
    )


def test_addresses_of_signals_that_cannot_be_sent_to_are_both_told(tmp_path):
    told = problems(**{TRACES: "http://one:4318", METRICS: "http://one/v1/traces"})
    expected = "expected an address that ends in"
    grpc = "or with port 4317 for gRPC"
    assert told == [
        f"{TRACES} is 'http://one:4318'; {expected} /v1/traces, {grpc}",
        f"{METRICS} is 'http://one/v1/traces'; {expected} /v1/metrics, {grpc}",
    ]
    file = written(tmp_path, '\notlp_traces_endpoint = "http://one:4318"\n')
    failure = FlextObservabilityConfig.from_toml(file)
    assert failure.error.startswith(f"{file}:2: otlp_traces_endpoint is 'http://one")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"otlp_endpoint": "http://localhost:4317"}, "grpc"),
        ({"otlp_endpoint": "http://localhost:4317/"}, "grpc"),
        ({"otlp_endpoint": "http://localhost:4318"}, "v1/traces"),
        ({"otlp_endpoint": "http://localhost:4317/up"}, "up/v1/traces"),
        (
            {"otlp_endpoint": "http://x:4317", "otlp_protocol": "http/json"},
            "x:4317/v1/traces",
        ),
    ],
)
def test_port_4317_means_grpc_where_nothing_else_is_said(config, shown):
    (stage,) = sinks_of(FlextObservabilityConfig(**config))["traces"]
    over_http = "v1/traces" in repr(stage)
    assert over_http is (shown != "grpc")
    assert shown == "grpc" or shown in repr(stage)


WITHOUT_GRPC = """
import sys
sys.modules["grpc"] = None
from flext_observability import FlextBackend, FlextObservabilityConfig
backend = FlextBackend(FlextObservabilityConfig(otlp_endpoint="http://localhost:4317"))
print(backend.start().error)
"""


def test_a_missing_grpcio_is_told_with_what_installs_it():
    error = program(WITHOUT_GRPC)
    assert "otlp_endpoint" in error
    assert "pip install 'sluiceway[flext]'" in error


def program(text, **variables):
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    assert done.stderr == ""
    return done.stdout


# Files.


def test_a_file_says_what_the_arguments_say(tmp_path):
    file = written(
        tmp_path,
        """
        service_name = "shop"
        export_interval = 1
        otlp_endpoint = "http://localhost:4318"
        otlp_traces = false

        [resource_attributes]
        team = "till"
        """,
    )
    assert FlextObservabilityConfig.from_toml(file).unwrap() == (
        FlextObservabilityConfig(
            service_name="shop",
            export_interval=1,
            otlp_endpoint="http://localhost:4318",
            otlp_traces=False,
            resource_attributes={"team": "till"},
        )
    )


def test_what_is_wrong_in_a_file_is_told_by_its_line_and_key(tmp_path):
    file = written(
        tmp_path,
        'sevice_name = "shop"\nexport_interval = 0\n\notlp_metrics = "no"\n'
        "[otlp_headers]\nx-key = 5\n",
    )
    failure = FlextObservabilityConfig.from_toml(file)
    assert failure.error.splitlines() == [
        (
            f"{file}:1: setting is 'sevice_name'; expected a setting that there is; "
            "did you mean 'service_name'?"
        ),
        f"{file}:2: export_interval is 0; expected a number above 0",
        f"{file}:4: otlp_metrics is 'no'; expected true or false",
        (
            f"{file}:5: otlp_headers is hidden, as it may be secret; expected names of "
            "headers with a printable text each, such as key=value"
        ),
    ]
    assert failure.error_data["problems"] == failure.error.splitlines()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"service_name = ", "is no TOML: Invalid value (at end of document)"),
        (b"\xff\xfe", "cannot be read (it is not UTF-8)"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path, content, why):
    file = tmp_path / "flext.toml"
    if content is not None:
        file.write_bytes(content)
    failure = FlextObservabilityConfig.from_toml(file)
    assert failure.error == f"{file}: {why}"


def test_what_is_no_path_is_refused():
    failure = FlextObservabilityConfig.from_toml(5)
    assert failure.error == "path is 5; expected the path of a TOML file"


# Who wins.


def test_arguments_win_over_variables_and_these_over_the_file(tmp_path):
    file = written(
        tmp_path,
        'service_name = "file"\nenvironment = "file"\nlog_level = "debug"\n',
    )
    variables = {"OTEL_SERVICE_NAME": "variable", "FLEXT_ENVIRONMENT": "variable"}
    config = FlextObservabilityConfig.load(
        file, variables, service_name="argument", environment=None
    ).unwrap()
    assert config.service_name == "argument"
    assert config.environment == "variable"
    assert config.log_level == "DEBUG"
    assert config.series_limit == 2000


def test_a_variable_can_name_the_file_and_the_others_win_over_it(tmp_path):
    file = written(tmp_path, 'service_name = "file"\nenvironment = "file"\n')
    config = loaded(**{FILE: f" {file} ", "OTEL_SERVICE_NAME": "variable"})
    assert (config.service_name, config.environment) == ("variable", "file")
    other = tmp_path / "other.toml"
    other.write_text("drain_timeout = 1\n")
    config = FlextObservabilityConfig.load(other, {FILE: str(file)}).unwrap()
    assert (config.service_name, config.drain_timeout) == ("", 1)


def test_a_file_of_a_variable_that_is_not_there_is_told(tmp_path):
    (problem,) = problems(**{FILE: str(tmp_path / "none.toml")})
    assert problem.endswith("none.toml: cannot be read (No such file or directory)")


def test_a_bad_value_is_refused_though_another_wins_over_it(tmp_path):
    failure = FlextObservabilityConfig.load(
        written(tmp_path, "export_interval = -1\n"),
        {"OTEL_METRIC_EXPORT_INTERVAL": "often"},
        export_interval=0,
        otlp_endpont="http://localhost",
    )
    lines = failure.error.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith(
        "flext.toml:1: export_interval is -1; expected a number above 0"
    )
    assert lines[1].startswith("OTEL_METRIC_EXPORT_INTERVAL is 'often'")
    assert "did you mean 'otlp_endpoint'" in lines[2]
    assert lines[3] == "export_interval is 0; expected a number above 0"


def test_without_an_environment_that_of_the_process_is_read(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of the process")
    assert FlextObservabilityConfig.load().unwrap().service_name == "of the process"
    assert FlextObservabilityConfig.load(environ={}).unwrap().service_name == ""


@pytest.mark.parametrize("environ", [5, "text", {"OTEL_SERVICE_NAME": 5}])
def test_what_is_no_environment_is_refused(environ):
    failure = FlextObservabilityConfig.from_environment(environ)
    assert failure.error_code == "configuration"


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(PLAIN, PLAIN)


@given(
    st.dictionaries(st.sampled_from([*fields_dict(FlextObservabilityConfig)]), ANYTHING)
)
def test_no_argument_makes_it_raise(arguments):
    result = FlextObservabilityConfig.load(environ={}, **arguments)
    assert result.is_success or result.error_code == "configuration"


@given(st.dictionaries(st.sampled_from([*BAD]), st.text()))
def test_no_variable_makes_it_raise_and_each_bad_one_is_named(variables):
    result = FlextObservabilityConfig.from_environment(variables)
    for line in (result.error or "").splitlines():
        assert line.split(" is ")[0] in KNOWN
    if result.is_success:
        sinks_of(result.unwrap())


# Secrets.


def test_no_secret_is_in_a_repr_or_an_error():
    config = FlextObservabilityConfig(
        otlp_endpoint="http://me:hunter2@localhost:4318",
        pushgateway_url="http://me:hunter2@localhost:9091",
        alertmanager_url="http://me:hunter2@localhost:9093",
        grafana_url="http://me:hunter2@localhost:3000",
        jaeger_endpoint="http://me:hunter2@localhost:4317",
        otlp_headers={"x-key": "hunter2"},
    )
    assert "hunter2" not in repr(config)
    assert "localhost:9091" in repr(config)
    assert "hunter2" not in repr(config.endpoints())
    assert "hunter2" not in repr(sinks_of(config))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=hunter2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x=hunter2"),
        ("PROMETHEUS_PUSH_GATEWAY", "http://me:hunter2@host:port"),
        ("ALERTMANAGER_URL", "ftp://me:hunter2@host"),
        ("GRAFANA_URL", "http://me:hunter2/@host"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hunter2@host"),
    ],
)
def test_no_secret_of_a_bad_variable_is_told(name, text):
    (problem,) = problems(**{name: text})
    assert "hunter2" not in problem
    assert name in problem


@pytest.mark.parametrize(
    "value", [{"host": "x"}, {"a b": "x"}, {"x": "a\nb"}, {"x": 5}, {5: "x"}, "x=y"]
)
def test_headers_that_cannot_be_sent_are_refused(value):
    with pytest.raises(FlextValidationError, match="otlp_headers"):
        FlextObservabilityConfig(otlp_headers=value)


# The backend.


def test_a_backend_follows_the_environment_and_says_what_is_wrong_with_it(monkeypatch):
    monkeypatch.setenv("PROMETHEUS_PUSH_GATEWAY", "localhost")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "maybe")
    backend = FlextBackend()
    service = FlextMetricsService(backend)
    failure = asyncio.run(service.record_metric("orders", 1.0))
    assert failure.is_failure
    assert "PROMETHEUS_PUSH_GATEWAY is 'localhost'" in failure.error
    assert "OTEL_SDK_DISABLED is 'maybe'" in failure.error
    assert asyncio.run(service.push()).error == failure.error
    assert backend.start().error == failure.error
    assert backend.stop().is_success


def test_a_backend_takes_its_resource_from_the_configuration():
    config = FlextObservabilityConfig(
        service_name="shop", environment="live", resource_attributes={"team": "till"}
    )
    attributes = FlextBackend(config).telemetry.resource.attributes
    assert attributes["service.name"] == "shop"
    assert attributes["deployment.environment.name"] == "live"
    assert attributes["team"] == "till"


def test_the_log_level_is_that_of_the_librarys_own_loggers():
    loggers = [getLogger(name) for name in ("flext_observability", "sluiceway")]
    before = [logger.level for logger in loggers]
    try:
        FlextBackend(FlextObservabilityConfig(log_level="error"))
        FlextBackend(FlextObservabilityConfig())
        assert [logger.level for logger in loggers] == [40, 40]
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


BADLY_CONFIGURED = """
import asyncio
from flext_observability import FlextMetricsService
service = FlextMetricsService()
print(asyncio.run(service.record_metric("orders", 1.0)).error)
"""


def test_services_of_a_badly_configured_process_fail_by_name_and_never_raise():
    error = program(BADLY_CONFIGURED, ALERTMANAGER_URL="nowhere")
    assert error.startswith("ALERTMANAGER_URL is 'nowhere'; expected an address")


def test_what_becomes_of_the_telemetry_is_told_of_the_same_resource_if_asked():
    kept = CollectingSink()
    config = FlextObservabilityConfig(service_name="shop", own_metrics=True)
    backend = FlextBackend(config, sinks={"metrics": [kept]})
    try:
        assert FlextMetricsService(backend).record("orders", 1).is_success
        backend.health.emit_nowait(HealthCheck(name="db", status=HealthStatus.HEALTHY))
        assert backend.flush().is_success
    finally:
        backend.stop()
    names = {point.name for point in kept.events}
    assert {"orders", "health.check.status", "sluiceway.stage.incoming"} <= names
    assert {point.resource.attributes["service.name"] for point in kept.events} == {
        "shop"
    }


def test_a_certificate_that_is_missing_is_told_by_its_variable(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem")
    config = FlextObservabilityConfig(otlp_endpoint="https://localhost:4318")
    error = FlextBackend(config).start().error
    assert "none.pem (OTEL_EXPORTER_OTLP_CERTIFICATE)" in error


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318/v1/traces", "the address above"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318/v1/logs/", "the address above"),
        ("PROMETHEUS_PUSH_GATEWAY", "http://h:9091?x=1", "an address without a query"),
        ("ALERTMANAGER_URL", "http://h/\xe9", "an address such as"),
        ("GRAFANA_URL", "http://h\xe9", "an address such as"),
    ],
)
def test_what_no_sink_could_send_to_is_refused_by_its_variable(name, text, told):
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name} is ")
    assert f"expected {told}" in problem


def test_the_query_of_an_address_is_in_no_repr():
    config = loaded(OTEL_EXPORTER_OTLP_ENDPOINT="http://me:pw@h:4318/p?token=hunter2")
    assert "otlp_endpoint='http://h:4318/p?***'" in repr(config)
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "'': cannot be read (Is a directory)"),
        ("a\x00b", "a\x00b: cannot be read (embedded null"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_the_reason(path, told):
    assert FlextObservabilityConfig.from_toml(path).error.startswith(told)


def test_what_is_wrong_within_a_setting_is_told_by_its_name_there(tmp_path):
    file = written(tmp_path, "\n[resource_attributes]\nteam = [1, 2]\n")
    assert FlextObservabilityConfig.from_toml(file).error == (
        f"{file}:2: resource_attributes['team'] is a list of 2; expected a text or a "
        "number"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost:4317", "; did you mean 'http://localhost:4317'?"),
        ("collector:4318/otlp", "; did you mean 'http://collector:4318/otlp'?"),
        ("me:hunter2@localhost:4317", ""),
        ("localhost", ""),
        (":4317", ""),
        ("nowhere at all", ""),
    ],
)
def test_an_address_without_a_scheme_is_told_with_one(text, hint):
    (problem,) = problems(OTEL_EXPORTER_OTLP_ENDPOINT=text)
    assert problem.endswith(f"expected an address such as http://localhost:8080{hint}")
