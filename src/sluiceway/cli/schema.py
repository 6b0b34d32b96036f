"""``sluiceway schema``: what an editor needs to complete and check a file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

EPILOG = """\
The schema has the stages that are installed here, other packages' included.

examples:
  sluiceway schema > sluiceway.schema.json
  and as a file's first line, for editors with Taplo (Even Better TOML):
  #:schema ./sluiceway.schema.json
"""


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:  # noqa: ARG001 - the interface's
    """Print the schema."""
    from ..config import schema  # noqa: PLC0415 - loads every battery

    print(json.dumps(schema(), indent=2))
    return 0
