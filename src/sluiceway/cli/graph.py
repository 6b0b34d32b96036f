"""``sluiceway graph``: the stages of a pipeline and their connections."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .targets import add_target, find_target

EPILOG = """\
Prints a line for each stage: its name, its kind and where its events go. Opens and
connects nothing.

examples:
  sluiceway graph gateway.toml
  sluiceway graph --mermaid shop.telemetry:pipeline > docs/pipeline.mmd
"""


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EPILOG
    add_target(parser)
    parser.add_argument(
        "--mermaid",
        action="store_true",
        help="print a Mermaid flowchart, for a page, instead of text",
    )


def run(arguments: Namespace) -> int:
    """Print the graph."""
    pipeline = find_target(arguments.target).pipeline
    print(pipeline.graph("mermaid" if arguments.mermaid else "text"))
    return 0
