"""Names and attributes by the HTTP conventions, and what is kept out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.web import AsgiMiddleware, aiohttp_middleware, aiohttp_trace_config
from sluiceway.web.conventions import (
    Excluded,
    error_name,
    host_and_port,
    known_method,
    span_name,
    without_secrets,
)


@given(st.text())
def test_there_are_few_methods_whatever_clients_send(method):
    assert known_method(method) in {"_OTHER", method}
    assert known_method(method.lower() + "x") == "_OTHER"


def test_a_span_is_named_by_method_and_route():
    assert span_name("GET", "/items/{id}") == "GET /items/{id}"
    assert span_name("GET") == "GET"
    assert span_name("_OTHER", "/items/{id}") == "HTTP /items/{id}"


@pytest.mark.parametrize(
    "name",
    ["token", "Access_Token", "api%5Fkey", "X-Amz-Signature", "p%61ssword", "sig"],
)
def test_the_value_of_what_sounds_secret_is_left_out(name):
    assert without_secrets(f"a=1&{name}=x=y&b") == f"a=1&{name}=REDACTED&b"


@given(st.text(), st.text(alphabet="0123456789", min_size=1))
def test_a_query_string_of_any_form_is_taken(query, number):
    assert without_secrets(query).count("&") == query.count("&")
    assert number not in without_secrets(f"secret={number}")


@pytest.mark.parametrize(
    ("authority", "parts"),
    [
        ("example.org", ("example.org", None)),
        ("example.org:8080", ("example.org", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", None)),
        ("example.org:http", ("example.org:http", None)),
        ("", ("", None)),
    ],
)
def test_an_authority_has_a_host_and_perhaps_a_port(authority, parts):
    assert host_and_port(authority) == parts


def test_an_excluded_path_excludes_what_is_below_it():
    excluded = Excluded(["/healthz", "/static/"])
    assert "/healthz" in excluded
    assert "/healthz/deep" in excluded
    assert "/healthzz" not in excluded
    assert "/static/app.js" in excluded
    assert "/" not in excluded
    assert "/x" not in Excluded([])


def test_an_error_is_named_by_its_class():
    assert error_name(ValueError("x")) == "ValueError"
    assert error_name(ConnectionResetError()) == "ConnectionResetError"
    assert error_name(ConfigurationError("x")) == "sluiceway.errors.ConfigurationError"


@pytest.mark.parametrize("wrong", [None, Telemetry("shop").tracer_provider])
def test_what_is_no_telemetry_is_named(wrong):
    for make in (
        lambda: AsgiMiddleware(None, wrong),
        lambda: aiohttp_middleware(wrong),
        lambda: aiohttp_trace_config(wrong),
    ):
        with pytest.raises(ConfigurationError, match=r"telemetry is .*; expected a "):
            make()
