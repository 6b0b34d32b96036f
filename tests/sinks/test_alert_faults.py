"""Every sink that tells alerts, against peers that misbehave below HTTP.

What MisbehavingServer does is tried in ``test_network_sink_faults``.
"""

from __future__ import annotations

import asyncio
import socket

import pytest
from servers import http_peers as peers

from sluiceway.errors import DeliveryError, PermanentError, TransientError
from sluiceway.events import Alert
from sluiceway.sinks.alertmanager import AlertmanagerSink
from sluiceway.sinks.pagerduty import PagerDutySink
from sluiceway.sinks.slack import SlackSink
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import stage_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 4\r\nContent-Length: 999\r\n\r\n"
ALERT = Alert(name="a", labels={"b": "c"})


def pager(url, **options):
    return PagerDutySink("R0UT1NG", url=url, **options)


SINKS = [WebhookSink, AlertmanagerSink, SlackSink, pager]


async def attempt(make, url, timeout=1.0):
    """What one write raises, or None."""
    sink = make(url, timeout=timeout)
    await sink.open(stage_context())
    try:
        async with asyncio.timeout(5):
            await sink.write([ALERT])
    except DeliveryError as error:
        return error
    finally:
        await sink.close()
    return None


def outcome(run, make, talk, **options):
    async def scenario():
        async with peers.speaking(talk) as url:
            return await attempt(make, url, **options)

    return run(scenario())


@pytest.mark.parametrize("make", SINKS)
@pytest.mark.parametrize(
    ("talk", "kind", "reason"),
    [
        (peers.says(b"HTTP/1.1 200"), TransientError, "connection"),
        (peers.drips(BUSY), TransientError, "http_503"),
        (peers.says(BUSY, wait=True), TransientError, "http_503"),
    ],
)
def test_what_a_bad_peer_means(run, make, talk, kind, reason):
    error = outcome(run, make, talk, timeout=4.0)
    assert type(error) is kind
    assert error.reason == reason


@pytest.mark.parametrize("make", SINKS)
@pytest.mark.parametrize("talk", [peers.stalls, peers.drips(OK[:-2] + b"X: ")])
def test_a_peer_that_never_finishes_runs_into_the_time_out(run, make, talk):
    error = outcome(run, make, talk, timeout=0.2)
    assert isinstance(error, TransientError)
    assert error.reason == "timeout"


@pytest.mark.parametrize("make", SINKS)
@pytest.mark.parametrize("start", [OK.replace(b"1000000", b"9999999999"), ENDLESS])
def test_an_endless_success_is_one_of_which_little_is_read(run, make, start):
    assert outcome(run, make, peers.floods(start), timeout=4.0) is None


@pytest.mark.parametrize("make", SINKS)
def test_a_port_where_nobody_listens_is_a_transient_error(run, make):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/?token=sesame"
        error = run(attempt(make, url))
    assert (type(error), error.reason) == (TransientError, "connection")
    assert "sesame" not in str(error)


@pytest.mark.parametrize("make", SINKS)
def test_private_addresses_can_be_refused(run, make):
    def refusing(url, **options):
        return make(url, refuse_private=True, **options)

    error = run(attempt(refusing, "http://localhost:9/"))
    assert (type(error), error.reason) == (PermanentError, "private_address")
