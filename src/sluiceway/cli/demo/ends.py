"""The ends of the demo's pipeline: its own receivers, or real ones by environment.

Law: an end is a sink and a word about what came of it. What is shown of an address
holds no user, password or query.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from attrs import frozen

from ...chains import Composable
from ...errors import ConfigurationError
from ...ledger import Ledger
from ...sinks.addresses import public_part, without_user, wrong_with
from ...sinks.alertmanager import AlertmanagerSink
from ...sinks.otlp import OtlpSink
from ...sinks.pushgateway import PushgatewaySink
from .arrival import Arrival, End
from .receivers import AlertReceiver, OtlpReceiver, PushTarget

OTLP: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
GATEWAY: Final = "PROMETHEUS_PUSH_GATEWAY"
ALERTMANAGER: Final = "ALERTMANAGER_URL"
EXAMPLES: Final[Mapping[str, str]] = {
    OTLP: "http://localhost:4318",
    GATEWAY: "http://localhost:9091",
    ALERTMANAGER: "http://localhost:9093",
}


@frozen
class RealEnd(End):
    """A server of somebody else's: only our own books tell what it took."""

    title: str
    where: str
    sink: Composable
    stage: str

    def arrival(self, ledger: Ledger, answered: int) -> Arrival:  # noqa: ARG002
        """What the books say."""
        books = ledger[self.stage]
        return Arrival(f"{books.delivered:,} events delivered, {books.lost:,} lost")


@frozen
class Ends:
    """All three."""

    otlp: End
    gateway: End
    alerts: End


async def open_ends(stack: AsyncExitStack, environment: Mapping[str, str]) -> Ends:
    """The real ends that the environment names, and own receivers for the others.

    Args:
        stack: closes the receivers.
        environment: such as ``os.environ``.

    Raises:
        ConfigurationError: a variable holds no address.
    """
    enter = stack.enter_async_context
    otlp = address_in(environment, OTLP)
    gateway = address_in(environment, GATEWAY)
    alerts = address_in(environment, ALERTMANAGER)
    return Ends(
        otlp=real_otlp(otlp) if otlp else await enter(OtlpReceiver()),
        gateway=real_gateway(gateway) if gateway else await enter(PushTarget()),
        alerts=alertmanager(alerts) if alerts else await enter(AlertReceiver()),
    )


def address_in(environment: Mapping[str, str], name: str) -> str | None:
    """The address that a variable holds; one that is empty counts as unset."""
    url = environment.get(name, "").strip()
    if not url:
        return None
    if name == GATEWAY and "://" not in url:
        url = f"http://{url}"  # as pushgateway clients write it
    wrong = wrong_with(url, EXAMPLES[name])
    if wrong is None and name == GATEWAY and "?" in url:
        wrong = f"an address such as {EXAMPLES[name]!r}, without a query"
    if wrong is not None:
        raise ConfigurationError(f"{name} is {without_user(url)!r}; expected {wrong}")
    return url


def real_otlp(url: str) -> RealEnd:
    """Whatever receives OTLP over HTTP; ``OtlpSink`` reads all its variables itself."""
    return RealEnd(OTLP, public_part(url), OtlpSink(name="otlp"), "otlp")


def real_gateway(url: str) -> RealEnd:
    """A pushgateway."""
    sink = PushgatewaySink(url, name="pushgateway")
    return RealEnd(GATEWAY, public_part(url), sink, "pushgateway")


def alertmanager(url: str) -> RealEnd:
    """An Alertmanager."""
    sink = AlertmanagerSink(url, name="alerts")
    return RealEnd(ALERTMANAGER, public_part(url), sink, "alerts")
