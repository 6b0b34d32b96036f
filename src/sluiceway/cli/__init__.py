"""The command line: ``sluiceway COMMAND``.

Law: a command is one module of this package that offers ``configure(parser)`` and
``run(arguments) -> int``; it is imported when it is asked for, and imports what is
heavy when it runs. Exit codes: 0 well, 1 not well, 2 wrongly asked, 130 interrupted;
a command's help names those of its own.
"""

from __future__ import annotations

import errno
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Final

from .. import __version__
from ..errors import ConfigurationError, nearest

COMMANDS: Final[Mapping[str, str]] = {
    "run": "run the pipeline of a file until its end or a signal",
    "validate": "check files, and tell all that is wrong with them",
    "graph": "show the stages of a pipeline and their connections",
    "schema": "print the JSON Schema of pipeline files, for editors",
    "alerts": "look at the alerts of a running pipeline, and answer them",
    "bench": "measure a pipeline under load: speed, latency, losses",
    "tune": "find better batch sizes, queues and workers for a pipeline",
    "demo": "run a small shop, its telemetry and the ledger",
}
NOT_WELL: Final = 1
WRONGLY_ASKED: Final = 2
INTERRUPTED: Final = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: the command line without the program's name; ``sys.argv`` by default.

    Returns:
        The process's exit code.

    Raises:
        SystemExit: help or the version was asked for, or something is wrong with the
            words.
    """
    try:
        with output_at_hand():
            return run_command(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone, such as `head`
        return give_up_output()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"sluiceway: the output cannot be written: {error}", file=sys.stderr)
        return give_up_output()


@contextmanager
def output_at_hand() -> Iterator[None]:
    """Let there be something to print to, where the shell has closed it (``>&-``)."""
    if sys.stdout is not None:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as none, redirect_stdout(none):
        yield


def give_up_output() -> int:
    """Let nothing more be written, at the interpreter's end neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NOT_WELL


def run_command(words: Sequence[str]) -> int:
    """Find the command among the words, let it read its options, and run it."""
    parser, commands = make_parsers()
    name = next((word for word in words if not word.startswith("-")), None)
    if name is None:
        refuse_unknown(parser, parser.parse_known_args(words)[1])
        parser.print_help(sys.stderr)
        return WRONGLY_ASKED
    if name not in commands:
        parser.error(f"no command is called {name!r}{hint(name, commands)}")
    refuse_early(parser, name, words)
    command, own = import_module(f".{name}", __name__), commands[name]
    command.configure(own)
    arguments, unknown = parser.parse_known_args(words)
    refuse_unknown(own, unknown)
    try:
        return int(command.run(arguments))
    except ConfigurationError as error:
        lines = getattr(error, "problems", ())  # each of them begins with its file
        own.exit(WRONGLY_ASKED, f"{error}\n" if lines else say_error(own, error))


def say_error(parser: ArgumentParser, error: Exception) -> str:
    """An error in the words of a command."""
    return f"{parser.prog}: error: {error}\n"


def make_parsers() -> tuple[ArgumentParser, Mapping[str, ArgumentParser]]:
    """The program's parser, and one for each command that has no options yet."""
    parser = ArgumentParser(
        prog="sluiceway",
        description="Event pipelines for telemetry that account for every event.",
        allow_abbrev=False,
    )
    version = f"sluiceway {__version__}"
    parser.add_argument(
        "--version", action="version", version=version, help="show the version and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    return parser, {
        name: commands.add_parser(
            name,
            help=line,
            description=f"{line[:1].upper()}{line[1:]}.",
            allow_abbrev=False,
        )
        for name, line in COMMANDS.items()
    }


def refuse_early(parser: ArgumentParser, name: str, words: Sequence[str]) -> None:
    """End if an option stands before the command whose it is."""
    early = parser.parse_known_args(words[: words.index(name)])[1]
    if early:
        told = f"unknown argument {early[0]!r} before {name!r}"
        parser.error(f"{told}; the options of a command stand after it")


def refuse_unknown(parser: ArgumentParser, unknown: Sequence[str]) -> None:
    """End with the nearest right word if there is an argument that nobody knows."""
    if unknown:
        actions = parser._actions  # noqa: SLF001 - argparse tells its options nowhere else
        known = [option for action in actions for option in action.option_strings]
        word = unknown[0].partition("=")[0]
        if not word.startswith("-"):
            parser.error(f"one argument too many: {word!r}")
        parser.error(f"unknown argument {word!r}{hint(word, known)}")


def hint(word: str, known: Iterable[str]) -> str:
    """The nearest right word, or else all of them."""
    words = sorted(known)
    return nearest(word, words) or f"; expected one of {', '.join(words)}"
