"""``sluiceway run``: serve a pipeline until its sources end or a signal comes."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, PipelineFailedError, SluicewayError
from ..pipeline import Pipeline
from ..reports import PipelineState, StopReport
from .logs import log_to_stderr
from .quantities import one_of
from .targets import Target, add_target, find_target

if TYPE_CHECKING:
    from ..admin import AdminServer

EPILOG = """\
Runs until every source has ended, or SIGINT (Ctrl-C) or SIGTERM comes. Then it takes
nothing more in, delivers what it has taken, and prints where every event went, on
stderr. A second signal cuts that off.

examples:
  sluiceway run gateway.toml
  sluiceway run shop.telemetry:pipeline

exit codes:
  0    drained: what was taken in has been answered for
  1    a stage could not be opened, or has failed for good
  2    the command line or the file is wrong; nothing was opened
  3    cut off by drain_timeout or a second signal; what was left is booked as dropped
  4    with --strict: drained, but events were lost
  130  interrupted before it ran
"""
LEVELS = ("debug", "info", "warning", "error")
TOKEN = "SLUICEWAY_ADMIN_TOKEN"  # noqa: S105 - the variable's name
FAILED = 1
CUT_OFF = 3
LOST = 4


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 4 if the ledger has lost events",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print neither the graph nor the ledger"
    )
    parser.add_argument(
        "--admin",
        metavar="ADDRESS",
        help="where `sluiceway alerts` reaches it: the path of a socket, or host:port "
        f"of this machine with the token in ${TOKEN}",
    )
    parser.add_argument(
        "--log-level",
        type=one_of(*LEVELS),
        metavar=f"{{{','.join(LEVELS)}}}",
        default="warning",
        help="what to log on stderr (default warning); info tells where stages listen",
    )


def run(arguments: Namespace) -> int:
    """Run the pipeline to its end; the exit code says how it ended."""
    target = find_target(arguments.target)
    admin = admin_of(target.pipeline, arguments.admin)
    log_to_stderr(arguments.log_level, target.hide)
    pipeline = target.pipeline
    if not arguments.quiet:
        say(pipeline.graph())
    code = serve(target, admin)
    ledger = pipeline.ledger()
    if not arguments.quiet and pipeline.state is PipelineState.STOPPED:
        say(str(ledger))
    return LOST if code == 0 and arguments.strict and ledger.lost else code


def admin_of(pipeline: Pipeline, address: str | None) -> AdminServer | None:
    """What answers for the alerts, if somebody may ask; nothing is opened yet.

    Raises:
        ConfigurationError: there can be nothing at that address.
    """
    if address is None:
        return None
    from ..admin import AdminServer  # noqa: PLC0415 - aiohttp, for those who ask
    from ..admin.addresses import port_of  # noqa: PLC0415 - likewise

    token = os.environ.get(TOKEN)
    if port_of(address) is not None and not token:
        raise ConfigurationError(f"--admin {address} needs a token in ${TOKEN}")
    return AdminServer(pipeline, address, token=token)


def serve(target: Target, admin: AdminServer | None) -> int:
    """Run a pipeline; what went wrong is said on stderr, and is the exit code."""
    try:
        report = asyncio.run(run_with_admin(target.pipeline, admin))
    except PipelineFailedError as error:
        say(target.redact(f"sluiceway run: {error}"))
        return FAILED
    except Exception as error:  # noqa: BLE001 - whatever a stage's open raises
        known = isinstance(error, SluicewayError)
        told = str(error) if known else f"{type(error).__name__}: {error}"
        say(target.redact(f"sluiceway run: cannot start: {told}"))
        return FAILED
    if not report.drained:
        say(target.redact(f"sluiceway run: {report}"))
        return CUT_OFF
    return 0


async def run_with_admin(pipeline: Pipeline, admin: AdminServer | None) -> StopReport:
    """Run a pipeline, and answer for its alerts if somebody may ask."""
    if admin is None:
        return await pipeline.run()
    async with admin:
        return await pipeline.run()


def say(text: str) -> None:
    """Print for people; stdout is the sinks'."""
    print(text, file=sys.stderr, flush=True)
