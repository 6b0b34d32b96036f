"""A TOML file becomes a pipeline: the same stages and settings as in Python.

Law: reading a file opens nothing and starts nothing; a file that was read is a pipeline
that can be started.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ..errors import ConfigurationError
from ..pipeline import Pipeline
from .building import build
from .lines import find_lines
from .problems import InvalidFileError, Problem, Problems
from .references import load_object
from .schema import schema
from .variables import Variables

__all__ = [
    "InvalidFileError",
    "LoadedFile",
    "Problem",
    "find_lines",
    "load",
    "load_object",
    "read",
    "schema",
]


@frozen
class LoadedFile:
    """What was read of a file.

    Attributes:
        pipeline: the pipeline that it describes.
        variables: the variables that it names; they redact texts.
    """

    pipeline: Pipeline
    variables: Variables


def load(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None
) -> LoadedFile:
    """Read a file; nothing is opened yet.

    Args:
        path: the TOML file.
        environment: the variables for ``${NAME}``; ``os.environ`` by default.

    Raises:
        InvalidFileError: it describes no pipeline; all that is wrong with it.
        ConfigurationError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # some editors write a mark
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(
            f"{os.fspath(path)}: cannot be read ({why})"
        ) from error
    return read(text, os.fspath(path), environment)


def read(
    text: str, file: str = "pipeline.toml", environment: Mapping[str, str] | None = None
) -> LoadedFile:
    """Read the text of a file; nothing is opened yet.

    Args:
        text: TOML.
        file: how errors call it.
        environment: the variables for ``${NAME}``; ``os.environ`` by default.

    Raises:
        InvalidFileError: it describes no pipeline; all that is wrong with it.
    """
    variables = Variables(os.environ if environment is None else environment)
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidFileError([syntax_problem(file, error)]) from error
    problems = Problems(file, find_lines(text), variables.redact)
    filled = variables.fill(tables, (), problems)
    return LoadedFile(build(filled, problems), variables)


def syntax_problem(file: str, error: Exception) -> Problem:
    """What is wrong with a text that is no TOML."""
    match = re.search(r" \(at line (\d+), column (\d+)\)", str(error))
    if match is None:
        return Problem(file, None, "", f"is no TOML: {error}")
    words = str(error).replace(match.group(), "")
    message = f"is no TOML at character {match[2]}: {words}"
    return Problem(file, int(match[1]), "", message)
