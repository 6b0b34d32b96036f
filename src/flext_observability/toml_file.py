"""What a TOML file says of the configuration, by its lines.

Law: a file that cannot be read, or is none, is a problem as any other.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from attrs import fields_dict

from .exceptions import FlextConfigurationError
from .settings import Setting, Told, unknown


def of_file(make: type[Any], path: str | os.PathLike[str]) -> Told:
    """What a file says.

    Args:
        make: the configuration's class, whose fields are the file's keys.
        path: of the file.
    """
    from sluiceway.config import find_lines  # noqa: PLC0415 - few read a file

    try:
        file = os.fspath(path)
        text = Path(file).read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except (OSError, TypeError, ValueError) as error:
        return Told(problems=[unreadable(path, error)])
    return of_document(make, document, f"{file}:", find_lines(text))


def of_document(
    make: type[Any],
    document: dict[str, Any],
    file: str,
    lines: dict[tuple[str | int, ...], int],
) -> Told:
    """What the keys say, each with the place where it stands."""
    known = [*fields_dict(make)]
    told = Told()
    for key, value in document.items():
        place = f"{file}{lines.get((key,), 1)}: "
        if key in known:
            told.settings[key] = Setting(key, value, value, place)
        else:
            told.problems.append(unknown(key, known, place))
    return told


def unreadable(path: object, error: Exception) -> str:
    """Why a file tells nothing."""
    if isinstance(error, TypeError):
        return str(FlextConfigurationError("path", path, "the path of a TOML file"))
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"{path}: is no TOML: {error}"
    why = getattr(error, "strerror", None) or "it is not UTF-8"
    return f"{path}: cannot be read ({why})"
