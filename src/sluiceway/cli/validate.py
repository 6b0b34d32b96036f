"""``sluiceway validate``: whether files describe pipelines, and nothing is opened."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .metric_names import findings_of, findings_on, shown
from .targets import add_target, find_target

if TYPE_CHECKING:
    from ..formats.prometheus_lint import Finding

EPILOG = """\
Reads each file and makes its stages, but opens and connects nothing. All that is
wrong is printed, a line for each: FILE:LINE: PATH: what was found, what was expected.

Metrics that go to a PrometheusSink or a PushgatewaySink are judged, too, in the words
of `promtool check metrics`, as far as they are known before anything runs: those of a
Telemetry's instruments and views, in a pipeline in Python. What a pipeline really
exports, whatever its sources are, is judged by --metrics.

examples:
  sluiceway validate gateway.toml
  sluiceway validate shop.telemetry:pipeline
  sluiceway validate --metrics http://localhost:9464/metrics
  curl -s https://user:password@host/metrics | sluiceway validate --metrics -

exit codes:
  0  every file describes a pipeline, and promtool would say nothing
  2  something is wrong
  3  promtool would say something; nothing else is wrong
"""
WRONG = 2
SAID = 3


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser, "targets", nargs="*")
    parser.add_argument(
        "--metrics",
        action="append",
        default=[],
        metavar="PAGE",
        help=(
            "judge a page of metrics: an address, a file, or - for standard input; or "
            "the points in a *.jsonl file of events; may be given several times"
        ),
    )


def run(arguments: Namespace) -> int:
    """Check every file and page, and tell of each."""
    if not (arguments.targets or arguments.metrics):
        raise ConfigurationError("nothing to check; expected a target, or --metrics")
    checks: list[Callable[[], int]] = [
        *(partial(check_target, word) for word in arguments.targets),
        *(partial(check_page, word) for word in arguments.metrics),
    ]
    codes = {tried(check) for check in checks}
    return WRONG if WRONG in codes else max(codes)


def tried(check: Callable[[], int]) -> int:
    """What a check answers; what is wrong is told."""
    try:
        return check()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG


def check_target(word: str) -> int:
    """Tell of a pipeline, and of the names of its metrics."""
    pipeline = find_target(word).pipeline
    stages = len(pipeline.graph().splitlines())
    findings = findings_of(pipeline)
    print(f"{word}: a pipeline of {stages} stages")
    return tell(word, findings)


def check_page(word: str) -> int:
    """Tell of the names on a page."""
    findings = findings_on(word)
    if not findings:
        print(f"{shown(word)}: promtool would say nothing")
    return tell(shown(word), findings)


def tell(word: str, findings: list[Finding]) -> int:
    """Print what promtool would say; the code that tells of it."""
    for found in findings:
        print(f"{word}: {found}", file=sys.stderr)
    return SAID if findings else 0
