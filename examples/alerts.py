"""Alerts go out as webhooks, signed, and come in again: both ends in one program.

Run it: python examples/alerts.py

Where a real receiver is, a sink is one line: AlertmanagerSink("http://localhost:9093"),
SlackSink(os.environ["SLACK_WEBHOOK"]), PagerDutySink(os.environ["ROUTING_KEY"]).
"""

import asyncio
import os
import sys
from base64 import b64encode
from typing import Any

from sluiceway import Inlet, Pipeline, sink
from sluiceway.events import Alert, AlertStatus
from sluiceway.sinks import WebhookSink
from sluiceway.sources import WebhookSource

SECRET = f"whsec_{b64encode(os.urandom(32)).decode()}"  # known to both ends


def chat_message(alert: Alert) -> dict[str, Any]:
    """A payload of your own: any JSON, made of one alert."""
    mark = "solved" if alert.status is AlertStatus.RESOLVED else alert.severity
    return {"content": f"{mark}: {alert.message}"}


def read_chat(body: dict[str, Any]) -> Alert:
    """The other way round: events of your own, made of a body's JSON."""
    return Alert(name="chat", message=body["content"])


@sink
def show(events: list[Alert]) -> None:
    """Whatever comes in is printed."""
    for alert in events:
        sys.stdout.write(f"{alert.name} {alert.status.value} ({alert.message})\n")


async def main() -> None:
    # Ports of 0 are free ones; WebhookSource() listens on 127.0.0.1:9095.
    signed = WebhookSource(port=0, secret=SECRET, ack="delivered", name="signed")
    chat = WebhookSource(port=0, read=read_chat, name="chat")
    receiving = Pipeline(signed >> show, chat >> show)
    async with receiving:
        alerts: Inlet[Alert] = Inlet("alerts")
        to_signed = WebhookSink(
            f"http://127.0.0.1:{signed.port}/", secret=SECRET, name="to_signed"
        )
        to_chat = WebhookSink(
            f"http://127.0.0.1:{chat.port}/", payload=chat_message, name="to_chat"
        )
        sending = Pipeline(alerts >> [to_signed, to_chat])
        async with sending:
            alert = Alert(name="DiskFull", message="/var is at 97 %")
            await alerts.emit(alert)
            over = alert.copy()
            over.status = AlertStatus.RESOLVED
            await alerts.emit(over)
        print(sending.ledger())
    print(receiving.ledger())


if __name__ == "__main__":
    asyncio.run(main())
