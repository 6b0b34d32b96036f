"""PushgatewaySink and a real pushgateway: TLS, a password, exact figures, restarts."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest
from servers import processes
from servers.contexts import opened
from servers.polling import eventually

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError, PermanentError, TransientError
from sluiceway.events import MetricPoint
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PushgatewaySink

# The bcrypt hash of "open sesame".
HASH = "$2b$04$RQvmp3rOi98a7mik9lrcAu5EtXI9qvlFAtSxlVdBDfvlzzoE1a2ny"
POINT = MetricPoint(name="a", value=1)

servers = pytest.mark.servers
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command"
)


@contextmanager
def guarded(folder):
    """A pushgateway with TLS and a password; yields its address and certificate."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        f" -days 2 -subj /CN=gw -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    config = folder / "web.yml"
    config.write_text(
        f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n"
        f"basic_auth_users: {{me: '{HASH}'}}\n"
    )
    program = processes.require("pushgateway")
    options = (f"--web.config.file={config}",)
    port = processes.free_port()
    server = processes.launch("pushgateway", program, folder, options, port)
    try:
        eventually(lambda: listens(server), seconds=30)
        yield f"https://127.0.0.1:{port}", str(cert)
    finally:
        processes.stop(server.process)


def listens(server):
    assert server.process.poll() is None, server.log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


def page_of(url, cert):
    """The guarded gateway's page."""
    context = ssl.create_default_context(cafile=cert)
    request = urllib.request.Request(url + "/metrics")
    request.add_header("Authorization", "Basic bWU6b3BlbiBzZXNhbWU=")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=10) as answer:
        return answer.read().decode()


async def write_once(url, **settings):
    async with opened(PushgatewaySink(url, job="guarded", **settings)) as sink:
        await sink.write([POINT])


@servers
@needs_openssl
def test_a_gateway_behind_tls_and_a_password_is_pushed_to(tmp_path):
    with guarded(tmp_path) as (url, cert):
        auth = ("me", "open sesame")
        asyncio.run(write_once(url, basic_auth=auth, certificate=cert))
        page = page_of(url, cert)
        with pytest.raises(PermanentError) as refused:
            asyncio.run(
                write_once(url, basic_auth=("me", "wrong one"), certificate=cert)
            )
        with pytest.raises(TransientError) as distrusted:
            asyncio.run(write_once(url, basic_auth=auth))
    assert 'job="guarded"' in page
    assert refused.value.reason == "http_401"
    assert "wrong one" not in str(refused.value)
    assert distrusted.value.reason == "tls"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"client_key": "k.pem"}, "client_key needs a client_certificate"),
        (
            {"compression": "zip"},
            "compression is 'zip'; expected one of 'gzip', 'none'",
        ),
        ({"certificate": 5}, "PushgatewaySink.certificate is 5; expected the path"),
        ({"basic_auth": "me:open sesame"}, "basic_auth is wrong; expected a user"),
        ({"basic_auth": ("me",)}, "basic_auth is wrong"),
        ({"basic_auth": ("me", None)}, "basic_auth is wrong"),
        ({"basic_auth": ("m:e", "open sesame")}, "basic_auth is wrong"),
        ({"grouping": "instance"}, "grouping is a str; expected a dict of labels"),
        ({"grouping": {5: "x"}}, "grouping has the label 5; expected letters"),
        ({"url": 5}, "url is '5'; expected one like"),
        ({"url": ""}, "url is ''; expected one like"),
        ({"url": "http://a b"}, "url is 'http://a b'; expected one like"),
        ({"url": "http://a:0"}, "url is 'http://a:0'; expected one like"),
        ({"url": "http://a/?key=open sesame"}, "url is 'http://a/'; expected"),
        ({"url": "http://me:open?sesame@a"}, r"url is '\*\*\*'; expected"),
        ({"url": "http://a/?key=open@sesame"}, r"url is '\*\*\*'; expected"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        PushgatewaySink(**settings)
    assert "sesame" not in str(caught.value)


def test_a_certificate_that_is_not_there_is_told_at_the_opening(tmp_path):
    sink = PushgatewaySink(certificate=tmp_path / "none.pem")
    with pytest.raises(ConfigurationError, match=r"cannot use .*none\.pem for TLS"):
        asyncio.run(sink.open(None))


@servers
def test_a_real_gateway_shows_exactly_what_was_recorded_after_a_restart_too(tmp_path):
    telemetry = Telemetry("shop", export_interval=3600)
    meter = telemetry.meter("shop")
    orders = meter.counter("orders", "{order}", "Orders.")
    waits = meter.histogram("wait", "s", "Waits.", buckets=[0.1, 1.0])

    async def scenario(url):
        sink = PushgatewaySink(url, job="exact", grouping={}, compression="gzip")
        pipeline = Pipeline(telemetry.metrics >> sink)
        async with pipeline:
            for number in range(100):
                orders.add(1, {"region": "eu" if number % 4 else "us"})
                waits.record(number / 50)
        return pipeline.ledger()

    with processes.pushgateway(tmp_path) as server:
        ledger = asyncio.run(scenario(server.url))
        first = group_of(server)
        assert 'orders_total{instance="",job="exact",region="us"} 25' in server.get(
            "/metrics"
        )
    with processes.pushgateway(tmp_path) as server:
        again = group_of(server)
    assert (ledger.lost, ledger.balanced) == (0, True)
    assert first == again
    totals = {m["labels"]["region"]: m["value"] for m in first["orders_total"]}
    assert totals == {"eu": "75", "us": "25"}
    (wait,) = first["wait_seconds"]
    assert (wait["count"], wait["buckets"]) == (
        "100",
        {"0.1": "6", "1": "51", "+Inf": "100"},
    )


def group_of(server):
    """The metrics of the group, by name, without the gateway's own."""
    (group,) = json.loads(server.get("/api/v1/metrics"))["data"]
    return {
        name: family["metrics"]
        for name, family in group.items()
        if name not in ("labels", "last_push_successful") and name[:5] != "push_"
    }
