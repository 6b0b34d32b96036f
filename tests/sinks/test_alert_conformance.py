"""The sinks of alerts do what the engine relies on."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sluiceway.events import Alert
from sluiceway.sinks.alertmanager import AlertmanagerSink
from sluiceway.sinks.pagerduty import PagerDutySink
from sluiceway.sinks.slack import SlackSink
from sluiceway.sinks.webhook import WebhookSink
from sluiceway.testing import check_sink

ALERTS = [Alert(name=name, labels={"route": "/"}) for name in ("a", "b", "c")]


class Taking(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Says nothing."""


@pytest.fixture
def url():
    """Of a server beside the check's own event loop."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "make",
    [
        WebhookSink,
        lambda url: WebhookSink(url, payload=str),
        AlertmanagerSink,
        lambda url: AlertmanagerSink([url + "/a", url + "/b"]),
        SlackSink,
        lambda url: PagerDutySink("key", url=url),
    ],
)
def test_a_sink_of_alerts_conforms(make, url):
    check_sink(lambda: make(url), ALERTS)
