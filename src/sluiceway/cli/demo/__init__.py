"""``sluiceway demo``: the main job, on real sockets, with nothing to set up."""

from __future__ import annotations

import math
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)

EPILOG = """\
With OTEL_EXPORTER_OTLP_ENDPOINT, PROMETHEUS_PUSH_GATEWAY or ALERTMANAGER_URL set,
telemetry goes there instead of to the demo's own receivers. Ctrl-C ends the traffic
and drains; a second one aborts.

examples:
  sluiceway demo --duration 60 --rate 500
  PROMETHEUS_PUSH_GATEWAY=http://localhost:9091 sluiceway demo --metrics-port 9464

exit codes:
  0    the books balance, and what was delivered has arrived; see `lost N` for losses
  1    the books do not balance, or something has not arrived that was delivered
  2    the command line or a variable is wrong, or a port is taken
  130  aborted by a second Ctrl-C
"""
PORTS = "0 picks a free one (default)"


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add_traffic_options(parser)
    add_place_options(parser)
    parser.add_argument(
        "--no-live",
        action="store_true",
        help="print plain lines even on a terminal",
    )


def add_traffic_options(parser: ArgumentParser) -> None:
    """What the shop has to do."""
    add = parser.add_argument
    add(
        "--duration",
        type=above_zero,
        default=20.0,
        metavar="SECONDS",
        help="how long the shop has customers (default 20)",
    )
    add(
        "--rate",
        type=above_zero,
        default=100.0,
        metavar="N",
        help="requests per second (default 100)",
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="what customers and payments do by chance (default 1)",
    )


def add_place_options(parser: ArgumentParser) -> None:
    """Where it listens."""
    add = parser.add_argument
    add(
        "--port",
        type=port_number,
        default=0,
        metavar="PORT",
        help=f"where the shop listens; {PORTS}",
    )
    add(
        "--metrics-port",
        type=port_number,
        default=0,
        metavar="PORT",
        help=f"where Prometheus can scrape; {PORTS}",
    )


def run(arguments: Namespace) -> int:
    """Run the demo; the exit code says whether every event is accounted for."""
    from .job import Options, run_demo  # noqa: PLC0415 - loads servers and clients

    return run_demo(
        Options(
            duration=arguments.duration,
            rate=arguments.rate,
            shop_port=arguments.port,
            metrics_port=arguments.metrics_port,
            seed=arguments.seed,
            live=not arguments.no_live,
        )
    )


def above_zero(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def port_number(text: str) -> int:
    """A port from 0 to 65535, for argparse."""
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return value
