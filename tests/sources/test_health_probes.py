"""HttpCheck and TcpCheck against servers that are well, bad and gone."""

from __future__ import annotations

import shutil
import socket
import ssl

import pytest
from servers.certificates import certificate
from servers.http_peers import answering, speaking, status
from servers.processes import free_port

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.events import HealthStatus
from sluiceway.health import HttpCheck, TcpCheck
from sluiceway.sources import HealthSource
from sluiceway.testing import CollectingSink, MisbehavingServer

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command"
)


async def asked(check):
    finding, words, details = await check.function()
    return finding.value, words, details.get("http.response.status_code")


@pytest.mark.parametrize(
    ("code", "settings", "well"),
    [
        (200, {}, True),
        (204, {}, True),
        (302, {}, False),
        (503, {}, False),
        (200, {"statuses": [204]}, False),
        (503, {"statuses": [200, 503]}, True),
    ],
)
def test_the_status_of_a_page_decides(run, code, settings, well):
    async def main():
        async with answering(status(code)) as server:
            found = await asked(HttpCheck("api", f"{server.url}/healthz", **settings))
            return found, server.url, server.requests[0].method

    (finding, words, told), url, method = run(main())
    assert (finding, told) == ("healthy" if well else "unhealthy", code)
    assert words == f"{url}/healthz answered {code}"
    assert method == "GET"


def test_a_failure_is_told_in_the_servers_words_without_what_is_secret(run):
    async def main():
        body = b"queue of swordfish\nis full"
        async with answering(status(503, body, Content_Type="text/plain")) as server:
            check = HttpCheck(
                "api",
                server.url.replace("//", "//me:swordfish@") + "/x?key=opensesame",
                headers={"X-Token": "opensesame"},
            )
            found = await asked(check)
            return check, found, server.requests[0].headers

    check, (_, words, _), headers = run(main())
    assert words.endswith("/x answered 503: queue of *** is full")
    assert headers["X-Token"] == "opensesame"
    for shown in (words, repr(check)):
        assert "swordfish" not in shown
        assert "opensesame" not in shown


def test_a_page_may_have_to_contain_a_text(run):
    async def main():
        async with answering(status(200, b'{"ready": true}')) as server:
            return [
                (await asked(HttpCheck("api", server.url, contains=text)))[:2]
                for text in ('"ready": true', "yes")
            ], server.url

    found, url = run(main())
    assert found == [
        ("healthy", f"{url} answered 200"),
        ("unhealthy", f"{url} answered without 'yes'"),
    ]


@pytest.mark.parametrize("what", ["refuses", "resets", "closes", "garbage", "cuts"])
def test_a_server_that_does_wrong_is_unhealthy_in_words(run, what):
    async def main():
        async with MisbehavingServer() as server:
            await server.behave(what)
            return await asked(HttpCheck("api", server.url, contains="x"))

    finding, words, _ = run(main())
    assert finding == "unhealthy"
    assert words.startswith("no answer from http://127.0.0.1")


@pytest.mark.parametrize("what", ["stalls", "drips"])
def test_a_server_that_is_slow_times_out(run, what):
    async def main():
        collected = CollectingSink()
        async with MisbehavingServer() as server:
            await server.behave(what)
            check = HttpCheck(
                "api", server.url, interval=60, timeout=0.1, failures=1, contains="x"
            )
            async with Pipeline(HealthSource([check]) >> collected):
                await collected.wait_for(1)
        return collected.events[0]

    event = run(main())
    assert event.status is HealthStatus.UNHEALTHY
    assert event.message == "no answer within 0.1 s"


@needs_openssl
def test_a_certificate_may_be_trusted(run, tmp_path):
    files = certificate(tmp_path, "server", "127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)

    async def main():
        async with answering(status(200), ssl_context=context) as server:
            return await asked(HttpCheck("api", server.url, certificate=files[0]))

    assert run(main())[0] == "healthy"


def test_a_page_without_tls_where_tls_is_expected_is_unhealthy(run):
    async def speaks_plainly(reader, writer, done):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def main():
        async with speaking(speaks_plainly) as url:
            return await asked(HttpCheck("api", url.replace("http:", "https:")))

    finding, words, _ = run(main())
    assert (finding, "TLS failed" in words) == ("unhealthy", True)


def test_a_port_is_healthy_if_something_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        found = TcpCheck("web", address).function()
    assert found == (HealthStatus.HEALTHY, f"{address} takes connections", {})
    port = free_port()
    assert TcpCheck("web", f"127.0.0.1:{port}").function() == (
        HealthStatus.UNHEALTHY,
        f"no connection to 127.0.0.1:{port}: Connection refused",
        {},
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: HttpCheck("a", "ftp://me:pw@x"),
            (
                "HttpCheck.url is 'ftp://***@x'; expected an address such as "
                "'http://localhost:8080/healthz'"
            ),
        ),
        (
            lambda: HttpCheck("a", "http://x", statuses=[99]),
            "HttpCheck.statuses is [99]; expected a list of statuses",
        ),
        (
            lambda: HttpCheck("a", "http://x", contains=""),
            "HttpCheck.contains is ''; expected a text",
        ),
        (
            lambda: HttpCheck("a", "http://x", headers={"a b": "c"}),
            "HttpCheck.headers has the name 'a b'",
        ),
        (
            lambda: HttpCheck("a", "http://x", timeout=60),
            "HttpCheck.timeout is 60; expected seconds from 0.001, the interval (30)",
        ),
        (
            lambda: TcpCheck("a", "localhost"),
            "TcpCheck.address is 'localhost'; expected a host and a port",
        ),
        (lambda: TcpCheck("a", "localhost:99999"), "TcpCheck.address is"),
        (lambda: TcpCheck("a", "a b:1/x"), "TcpCheck.address is"),
        (lambda: TcpCheck("a", 5432), "TcpCheck.address is '5432'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)


def test_addresses_of_ipv6_have_brackets():
    assert TcpCheck("a", "[::1]:5432").address == "[::1]:5432"
