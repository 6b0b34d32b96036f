"""What a command works on: a file, or a pipeline in Python as ``module:name``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from inspect import iscoroutinefunction, isfunction
from pathlib import Path
from reprlib import repr  # noqa: A004 - short, and never raises
from typing import Any

from attrs import frozen

from ..errors import ConfigurationError, nearest
from ..pipeline import Pipeline

WANTED = "expected a Pipeline, or a function of no arguments that returns one"
TARGET = "a TOML file, or a pipeline in Python as module:name"


@frozen
class Target:
    """A pipeline that has not been started.

    Attributes:
        pipeline: the pipeline.
        redact: takes the values of the file's variables out of a text.
        hide: takes those out that may be secret, and leaves the others.
    """

    pipeline: Pipeline
    redact: Callable[[str], str] = str
    hide: Callable[[str], str] = str


def add_target(parser: ArgumentParser, name: str = "target", **more: Any) -> None:
    """The argument that names what to work on; help texts keep their lines."""
    parser.formatter_class = RawDescriptionHelpFormatter
    metavar = "FILE|MODULE:NAME"
    parser.add_argument(name, metavar=metavar, help=TARGET, **more)


def find_target(word: str) -> Target:
    """The pipeline that a word names; nothing is opened yet.

    The file's own folder, or the working directory, is where its modules are found.

    Raises:
        ConfigurationError: it names no pipeline.
    """
    from ..config import load  # noqa: PLC0415 - only some commands need it

    if Path(word).is_file() or (word.endswith(".toml") and not files_like(word)):
        sys.path.insert(0, str(Path(word).resolve().parent))
        loaded = load(word)
        variables = loaded.variables
        return Target(loaded.pipeline, variables.redact, variables.hide)
    if ":" in word:
        sys.path.insert(0, str(Path.cwd()))
        return Target(pipeline_in(word))
    raise ConfigurationError(
        f"{word!r} is no file; expected {TARGET}{files_like(word)}"
    )


def files_like(word: str) -> str:
    """The nearest TOML file to one that is not there; empty if none is near."""
    found = sorted(Path(word).parent.glob("*.toml"))
    return nearest(word, [str(path) for path in found if path.is_file()])


def pipeline_in(reference: str) -> Pipeline:
    """A pipeline of Python code, or what a function without arguments makes.

    Raises:
        ConfigurationError: it is none.
    """
    from ..config import load_object  # noqa: PLC0415 - only some commands need it

    found = load_object(reference)
    if isinstance(found, Pipeline):
        return found
    if iscoroutinefunction(found):
        raise ConfigurationError(f"{reference} is a coroutine function; {WANTED}")
    try:
        made = found() if isfunction(found) else found
    except (Exception, SystemExit) as error:  # whatever the user's function does
        kind = type(error).__name__
        told = f"{reference} cannot be called ({kind}: {error}); {WANTED}"
        raise ConfigurationError(told) from error
    if not isinstance(made, Pipeline):
        raise ConfigurationError(f"{reference} is {repr(made)}; {WANTED}")
    return made
