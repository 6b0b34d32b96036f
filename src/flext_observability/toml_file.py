"""What a TOML file says of the configuration, by its lines.

Law: a file that cannot be read, or is none, is a problem as any other.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import NOTHING, fields_dict

from .exceptions import FlextConfigurationError, RefusedValueError
from .fields import EACH
from .settings import Setting, Told, refusals, unknown

Key = tuple[str | int, ...]
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def of_file(
    make: type[Any], path: str | os.PathLike[str], variables: Mapping[str, str]
) -> Told:
    """What a file says.

    Args:
        make: the configuration's class, whose fields are the file's keys.
        path: of the file.
        variables: what is meant by a text that is ``${NAME}`` and nothing else.
    """
    from sluiceway.config import find_lines  # noqa: PLC0415 - few read a file

    try:
        file = os.fspath(path)
        text = Path(file).read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except (OSError, TypeError, ValueError) as error:
        return Told(problems=[unreadable(path, error)])
    reader = Reader(file, find_lines(text), variables)
    reader.read(make, document)
    return reader.told


def unreadable(path: object, error: Exception) -> str:
    """Why a file tells nothing."""
    if isinstance(error, TypeError):
        return str(FlextConfigurationError("path", path, "the path of a TOML file"))
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"{path}: is no TOML: {error}"
    is_text = isinstance(error, UnicodeDecodeError)
    why = "it is not UTF-8" if is_text else getattr(error, "strerror", None) or error
    return f"{str(path) or repr(path)}: cannot be read ({why})"


class Reader:
    """Reads one document.

    Args:
        file: its name.
        lines: of its keys.
        variables: by their names.
    """

    def __init__(
        self, file: str, lines: Mapping[Key, int], variables: Mapping[str, str]
    ) -> None:
        self._file = file
        self._lines = lines
        self._variables = variables
        self.told = Told()

    def read(self, make: type[Any], document: dict[str, Any]) -> None:
        """Take in all keys, each with the place where it stands."""
        known = fields_dict(make)
        for key, told in document.items():
            place = self._place((key,))
            if key not in known:
                self.told.problems.append(unknown(key, known, place))
                continue
            value = self._meant(known[key], (key,), self._filled(told, place))
            self.told.settings[key] = Setting(key, value, told, place)

    def _place(self, key: Key) -> str:
        return f"{self._file}:{self._lines.get(key, 1)}: "

    def _filled(self, value: Any, place: str) -> Any:
        """The value with variables for their names."""
        if isinstance(value, list):
            return [self._filled(each, place) for each in value]
        if isinstance(value, dict):
            return {name: self._filled(value[name], place) for name in value}
        named = VARIABLE.fullmatch(value) if isinstance(value, str) else None
        return value if named is None else self._variable(named[1], place)

    def _variable(self, name: str, place: str) -> str:
        text = self._variables.get(name, "")
        if not text:
            self.told.problems.append(f"{place}the variable {name} is not set")
        return text

    def _meant(self, attribute: Any, key: Key, value: Any) -> Any:
        """What is written for a field: of several tables, what each describes.

        Those that are wrong are told and left out.
        """
        each = attribute.metadata.get(EACH)
        if each is None or not isinstance(value, list):
            return value
        made = [
            self._table(each, (*key, number), table)
            for number, table in enumerate(value)
        ]
        return tuple(each for each in made if each is not None)

    def _table(self, make: type[Any], key: Key, table: Any) -> object | None:
        """What a table describes; None if something is wrong with it, which is told."""
        problems = self.told.problems
        before = len(problems)
        place = self._place(key)
        if not isinstance(table, dict):
            expected = f"a table: [[{name_of(key)}]]"
            problems.append(
                f"{place}{FlextConfigurationError(name_of(key), table, expected)}"
            )
            return None
        values = {
            name: self._setting(make, (*key, name), table[name]) for name in table
        }
        for name, attribute in fields_dict(make).items():
            if attribute.default is NOTHING and name not in table:
                problems.append(f"{place}a table of {name_of(key)} has no {name}")
        return self._made(make, place, values) if len(problems) == before else None

    def _setting(self, make: type[Any], key: Key, value: Any) -> Any:
        """The value of one key of a table; what is wrong with it is told."""
        name, place = str(key[-1]), self._place(key)
        attribute = fields_dict(make).get(name)
        if attribute is None:
            self.told.problems.append(unknown(name, fields_dict(make), place))
            return value
        before = len(self.told.problems)
        meant = self._meant(attribute, key, value)
        if len(self.told.problems) == before:
            setting = Setting(name, meant, value, place)
            self.told.problems += refusals(make, name, setting)
        return meant

    def _made(self, make: type[Any], place: str, values: Mapping[str, Any]) -> Any:
        try:
            return make(**values)
        except RefusedValueError as error:
            self.told.problems.append(f"{place}{error}")
        return None


def name_of(key: Key) -> str:
    """What a table is called in its header."""
    return ".".join(part for part in key if isinstance(part, str))
