"""OtlpSource and web pages of other origins: nothing unless asked for."""

from __future__ import annotations

import asyncio

import pytest
from servers.otlp_sources import Taker, serving

from sluiceway.errors import ConfigurationError
from sluiceway.sources.otlp import OtlpSource

SHOP = "https://shop.example"
SHARED = "Access-Control-Allow-Origin"
JSON = {"Content-Type": "application/json"}


def asked(method, headers, **options):
    """The status and the headers of one answer."""

    async def scenario():
        async with serving(Taker(), **options) as (_, session):
            body = b"{}" if method == "POST" else None
            async with session.request(
                method, "/v1/traces", data=body, headers=headers
            ) as answer:
                return answer.status, dict(answer.headers)

    return asyncio.run(scenario())


def preflight(origin, **options):
    wanted = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-key",
    }
    return asked("OPTIONS", wanted, **options)


def cors_of(headers):
    return {name for name in headers if name.startswith("Access-Control-")}


def test_no_page_is_told_that_it_may_send_unless_that_is_asked_for():
    status, headers = preflight(SHOP)
    assert (status, cors_of(headers)) == (405, set())
    status, headers = asked("POST", {**JSON, "Origin": SHOP})
    assert (status, cors_of(headers)) == (200, set())


@pytest.mark.parametrize("origins", [[SHOP], ["HTTPS://Shop.Example"], ["*"]])
def test_a_page_that_may_send_is_told_so_before_and_when_it_sends(origins):
    status, headers = preflight(SHOP, cors_origins=origins)
    assert (status, headers[SHARED], headers["Vary"]) == (204, SHOP, "Origin")
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == "content-type,x-key"
    assert int(headers["Access-Control-Max-Age"]) > 0
    status, headers = asked("POST", {**JSON, "Origin": SHOP}, cors_origins=origins)
    assert (status, headers[SHARED]) == (200, SHOP)
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://shop.example", f"{SHOP}:8443", "null"]
)
def test_another_page_is_told_nothing(origin):
    status, headers = preflight(origin, cors_origins=[SHOP])
    assert (status, cors_of(headers)) == (204, set())
    _, headers = asked("POST", {**JSON, "Origin": origin}, cors_origins=[SHOP])
    assert (cors_of(headers), headers["Vary"]) == (set(), "Origin")


def test_a_page_can_read_why_it_was_refused():
    status, headers = asked(
        "POST", {**JSON, "Origin": SHOP}, cors_origins=[SHOP], tokens=["known"]
    )
    assert (status, headers[SHARED]) == (401, SHOP)


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        (SHOP, "OtlpSource.cors_origins is 'https://shop.example'; expected a list"),
        ([5], "has 5; expected a scheme and a host"),
        (["shop.example"], "has 'shop.example'; expected a scheme and a host"),
        ([f"{SHOP}/"], "expected a scheme and a host"),
        (["https://u:p@shop.example"], "expected a scheme and a host"),
        (["https://shop.example:x"], "expected a scheme and a host"),
        (["null"], "expected a scheme and a host"),
    ],
)
def test_what_is_no_origin_is_refused(origins, words):
    with pytest.raises(ConfigurationError) as caught:
        OtlpSource(cors_origins=origins)
    assert words in str(caught.value)
