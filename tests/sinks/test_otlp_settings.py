"""OTEL_EXPORTER_OTLP_*: precedence, units, addresses, and what is wrong in them."""

from __future__ import annotations

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.sinks.otlp_checks import checked
from sluiceway.sinks.otlp_settings import (
    Environment,
    Given,
    Signal,
    settings_for,
)

P = "OTEL_EXPORTER_OTLP_"
ADDRESSES = [
    (
        {"ENDPOINT": "http://collector:4318"},
        "http://collector:4318/v1/traces",
        "http://collector:4318/v1/metrics",
        "http://collector:4318/v1/logs",
    ),
    (
        {
            "TRACES_ENDPOINT": "http://collector:4318",
            "METRICS_ENDPOINT": "https://collector.example.com/v1/metrics",
        },
        "http://collector:4318/",
        "https://collector.example.com/v1/metrics",
        "http://localhost:4318/v1/logs",
    ),
    (
        {
            "ENDPOINT": "http://collector:4318/mycollector/",
            "METRICS_ENDPOINT": "https://collector.example.com/v1/metrics/",
        },
        "http://collector:4318/mycollector/v1/traces",
        "https://collector.example.com/v1/metrics/",
        "http://collector:4318/mycollector/v1/logs",
    ),
    (
        {"ENDPOINT": "http://collector/base"},
        "http://collector/base/v1/traces",
        "http://collector/base/v1/metrics",
        "http://collector/base/v1/logs",
    ),
    (
        {"ENDPOINT": "https://u:p@h/a%2Fb?key=v", "LOGS_ENDPOINT": ""},
        "https://u:p@h/a%2Fb/v1/traces?key=v",
        "https://u:p@h/a%2Fb/v1/metrics?key=v",
        "https://u:p@h/a%2Fb/v1/logs?key=v",
    ),
    (
        {},
        "http://localhost:4318/v1/traces",
        "http://localhost:4318/v1/metrics",
        "http://localhost:4318/v1/logs",
    ),
]


def read(variables, signal=Signal.TRACES, **given):
    """The settings of one signal, and the warnings."""
    environment = Environment({P + name: value for name, value in variables.items()})
    settings = settings_for(signal, checked(Given(**given)), environment)
    return settings, environment.warnings


@pytest.mark.parametrize(("variables", "traces", "metrics", "logs"), ADDRESSES)
def test_addresses_are_built_as_the_specification_says(
    variables, traces, metrics, logs
):
    urls = [read(variables, signal)[0].url for signal in Signal]
    assert urls == [traces, metrics, logs]


def test_an_endpoint_given_in_code_comes_before_both_variables():
    variables = {"ENDPOINT": "http://general", "LOGS_ENDPOINT": "http://own"}
    settings, _ = read(variables, Signal.LOGS, endpoint="http://code:1/x")
    assert settings.url == "http://code:1/x/v1/logs"


@pytest.mark.parametrize(
    ("word", "general", "own", "expected_general", "expected_own"),
    [
        ("COMPRESSION", "gzip", "none", "gzip", "none"),
        ("TIMEOUT", "1500", "250", 1.5, 0.25),
        ("HEADERS", "a=1", "b=2", {"a": "1"}, {"b": "2"}),
        ("CERTIFICATE", "/a.pem", "/b.pem", "/a.pem", "/b.pem"),
        ("CLIENT_CERTIFICATE", "/a.pem", "/b.pem", "/a.pem", "/b.pem"),
        ("CLIENT_KEY", "/a.pem", "/b.pem", "/a.pem", "/b.pem"),
    ],
)
def test_a_signals_own_variable_comes_before_the_general_one(
    word, general, own, expected_general, expected_own
):
    variables = {"CLIENT_CERTIFICATE": "/c.pem", word: general, f"TRACES_{word}": own}
    traces, _ = read(variables)
    logs, warnings = read(variables, Signal.LOGS)
    assert getattr(traces, word.lower()) == expected_own
    assert getattr(logs, word.lower()) == expected_general
    assert warnings == []


def test_a_key_without_its_certificate_is_ignored_and_told():
    settings, warnings = read({"CLIENT_KEY": "/a.pem"})
    assert settings.client_key is None
    (warning,) = warnings
    assert warning.startswith("OTEL_EXPORTER_OTLP_CLIENT_KEY is '/a.pem'; expected")


@pytest.mark.parametrize(
    ("setting", "value", "variable"),
    [
        ("compression", "none", "gzip"),
        ("timeout", 3, "250"),
        ("headers", {"x": "y"}, "a=1"),
        ("certificate", "/code.pem", "/b.pem"),
    ],
)
def test_code_comes_before_the_environment(setting, value, variable):
    variables = {setting.upper(): variable, f"TRACES_{setting.upper()}": variable}
    settings, _ = read(variables, **{setting: value})
    assert getattr(settings, setting) == value


@pytest.mark.parametrize(
    ("text", "expected", "warned"),
    [
        ("0", None, False),
        ("1", 0.001, False),
        ("10000", 10.0, False),
        ("", 10.0, False),
        ("  ", 10.0, False),
        ("-1", 10.0, True),
        ("ten", 10.0, True),
        ("1.5", 10.0, True),
        ("1e3", 10.0, True),
    ],
)
def test_the_time_out_is_whole_milliseconds_and_0_is_no_bound(text, expected, warned):
    settings, warnings = read({"TIMEOUT": text})
    assert settings.timeout == expected
    assert [f"{P}TIMEOUT is {text!r}" in w for w in warnings] == [True] * warned


def test_a_bad_own_value_falls_back_to_the_general_one_and_is_named():
    settings, warnings = read({"TRACES_TIMEOUT": "soon", "TIMEOUT": "2000"})
    assert settings.timeout == 2.0
    assert len(warnings) == 1
    assert "TRACES_TIMEOUT is 'soon'" in warnings[0]
    assert "milliseconds" in warnings[0]


@pytest.mark.parametrize(("text", "expected"), [("GZIP", "gzip"), ("None", "none")])
def test_compression_is_known_in_any_case(text, expected):
    settings, warnings = read({"COMPRESSION": text})
    assert (settings.compression, warnings) == (expected, [])


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("COMPRESSION", "zstd"),
        ("PROTOCOL", "http/xml"),
        ("ENDPOINT", "localhost:4318"),
        ("ENDPOINT", "ftp://collector"),
        ("ENDPOINT", "http://"),
        ("ENDPOINT", "http://h:99999"),
        ("ENDPOINT", "http://[::1"),
        ("TRACES_ENDPOINT", "collector"),
    ],
)
def test_what_cannot_be_used_is_ignored_and_named(word, text):
    settings, warnings = read({word: text})
    assert settings == read({})[0]
    assert len(warnings) == 1
    assert f"{P}{word} is {text!r}" in warnings[0]


@pytest.mark.parametrize(
    ("text", "expected", "bad"),
    [
        ("k=v,k2=v2", {"k": "v", "k2": "v2"}, 0),
        (" k = v , k2=v2 ,", {"k": "v", "k2": "v2"}, 0),
        ("authorization=Basic%20YTpi==", {"authorization": "Basic YTpi=="}, 0),
        ("k=", {"k": ""}, 0),
        ("k=v;meta=1,x=y", {"x": "y"}, 1),
        ("novalue,x=y", {"x": "y"}, 1),
        ("b ad=v,x=y", {"x": "y"}, 1),
        ("k=a%0Ab,x=y", {"x": "y"}, 1),
        ("=v", {}, 1),
        ("Content-Length=3,x=y", {"x": "y"}, 1),
        ("transfer-encoding=chunked,x=%C3%A9", {"x": "é"}, 1),
    ],
)
def test_headers_are_pairs_with_percent_encoded_values(text, expected, bad):
    settings, warnings = read({"HEADERS": text})
    assert settings.headers == expected
    assert len(warnings) == bad


def test_headers_that_grpc_does_not_carry_are_left_out_where_it_is_spoken():
    text = "x=%C3%A9,grpc-a=b,c-bin=d,X-Key=e"
    settings, warnings = read({"HEADERS": text, "PROTOCOL": "grpc"})
    assert (settings.headers, len(warnings)) == ({"X-Key": "e"}, 3)
    settings, warnings = read({"HEADERS": text})
    assert (len(settings.headers), warnings) == (4, [])


def test_warnings_and_reprs_never_show_a_secret():
    variables = {
        "HEADERS": "authorization hunter2,x=hunter2;y",
        "ENDPOINT": "htp://joe:hunter2@collector/?token=hunter2",
    }
    settings, warnings = read(variables)
    good, _ = read({"HEADERS": "a=hunter2", "ENDPOINT": "http://joe:hunter2@c"})
    assert len(warnings) == 3
    assert "hunter2" not in f"{warnings} {settings!r} {good!r}"
    assert "hunter2" in good.url


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("endpoint", "localhost:4318", "OtlpSink.endpoint is 'localhost:4318'"),
        ("endpoint", "http://h/v1/traces", "the address above it"),
        ("endpoint", 7, "OtlpSink.endpoint is '7'"),
        ("compression", "gzipp", "did you mean 'gzip'?"),
        ("timeout", -1, "OtlpSink.timeout is -1"),
        ("timeout", "10", "OtlpSink.timeout is '10'"),
        ("timeout", float("nan"), "OtlpSink.timeout is nan"),
        ("headers", {"a b": "c"}, "the name 'a b'"),
        ("headers", {"Content-Length": "3"}, "'Content-Length', which says how"),
        ("headers", {"EXPECT": "100-continue"}, "'EXPECT', which says how"),
        ("headers", {"a": "\ud800"}, "headers['a'] is no header value"),
        ("endpoint", "http://h/é", "is 'http://h/é'; expected an address such as"),
        ("headers", {"a": "hunter2\nb"}, "OtlpSink.headers['a']"),
        ("certificate", 5, "OtlpSink.certificate is 5; expected the path of a file"),
        ("client_certificate", b"c", "OtlpSink.client_certificate is b'c'"),
        ("client_key", True, "OtlpSink.client_key is True"),
        ("client_key", "/k.pem", "client_certificate"),
        ("max_request", 0, "OtlpSink.max_request is 0"),
        ("max_request", True, "OtlpSink.max_request is True"),
    ],
)
def test_what_is_wrong_in_code_is_refused_with_its_name(setting, value, words):
    with pytest.raises(ConfigurationError) as caught:
        OtlpSink(**{setting: value})
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_sink_reads_the_environment_and_logs_what_it_ignores(monkeypatch, caplog):
    monkeypatch.setenv(P + "ENDPOINT", "http://joe:hunter2@collector:1")
    monkeypatch.setenv(P + "TIMEOUT", "never")
    sink = OtlpSink()
    assert "http://collector:1/v1/traces" in repr(sink)
    assert "hunter2" not in repr(sink)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{P}TIMEOUT is 'never'; expected a whole number of milliseconds from 0; "
        "ignored"
    )


@pytest.mark.parametrize(
    ("variables", "given", "url", "protocol"),
    [
        ({}, {}, "http://localhost:4318/v1/traces", "http/protobuf"),
        (
            {"PROTOCOL": "HTTP/JSON"},
            {},
            "http://localhost:4318/v1/traces",
            "http/json",
        ),
        ({"PROTOCOL": "grpc"}, {}, "http://localhost:4317/", "grpc"),
        (
            {"PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/json"},
            {},
            "http://localhost:4318/v1/traces",
            "http/json",
        ),
        (
            {"PROTOCOL": "grpc"},
            {"protocol": "http/protobuf"},
            "http://localhost:4318/v1/traces",
            "http/protobuf",
        ),
        ({"ENDPOINT": "http://c:4317"}, {}, "http://c:4317/", "grpc"),
        ({"TRACES_ENDPOINT": "http://c:4317"}, {}, "http://c:4317/", "grpc"),
        ({"ENDPOINT": "c:4317"}, {}, "https://c:4317/", "grpc"),
        ({"ENDPOINT": "c:4317", "INSECURE": "true"}, {}, "http://c:4317/", "grpc"),
        (
            {"ENDPOINT": "https://c:4317", "INSECURE": "true"},
            {},
            "https://c:4317/",
            "grpc",
        ),
        (
            {"ENDPOINT": "http://c:4317", "PROTOCOL": "http/protobuf"},
            {},
            "http://c:4317/v1/traces",
            "http/protobuf",
        ),
        ({}, {"endpoint": "c:4317", "insecure": True}, "http://c:4317/", "grpc"),
        ({}, {"endpoint": "c:99", "protocol": "grpc"}, "https://c:99/", "grpc"),
        ({}, {"endpoint": "http://[::1]:4317"}, "http://[::1]:4317/", "grpc"),
        (
            {},
            {"endpoint": "http://c:4317/base"},
            "http://c:4317/base/v1/traces",
            "http/protobuf",
        ),
    ],
)
def test_the_protocol_is_what_is_said_or_what_the_port_means(
    variables, given, url, protocol
):
    settings, warnings = read(variables, **given)
    assert (settings.url, settings.protocol) == (url, protocol)
    assert not warnings


def test_an_insecure_that_is_no_boolean_is_false_and_named():
    settings, warnings = read({"ENDPOINT": "c:4317", "INSECURE": "yes"})
    assert settings.url == "https://c:4317/"
    assert "INSECURE is 'yes'" in warnings[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"protocol": "http/xml"}, "'http/xml'; expected one of"),
        ({"protocol": "gprc"}, "did you mean 'grpc'"),
        ({"insecure": "yes"}, "expected True or False"),
        ({"endpoint": "collector:4318"}, "expected an address"),
        ({"endpoint": "collector:99999", "protocol": "grpc"}, "expected an address"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(given, words):
    with pytest.raises(ConfigurationError, match=words):
        OtlpSink(**given)
