"""``sluiceway validate``: whether files describe pipelines, and nothing is opened."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from ..errors import ConfigurationError
from .targets import add_target, find_target

EPILOG = """\
Reads each file and makes its stages, but opens and connects nothing. All that is
wrong is printed, a line for each: FILE:LINE: PATH: what was found, what was expected.

example: sluiceway validate gateway.toml

exit codes:
  0  every file describes a pipeline
  2  something is wrong
"""
WRONG = 2


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser, "targets", nargs="+")


def run(arguments: Namespace) -> int:
    """Check every file, and tell of each."""
    code = 0
    for word in arguments.targets:
        try:
            graph = find_target(word).pipeline.graph()
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            code = WRONG
        else:
            print(f"{word}: a pipeline of {len(graph.splitlines())} stages")
    return code
