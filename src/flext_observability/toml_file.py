"""What a TOML file says of the configuration, by its lines.

Law: a file that cannot be read, or is none, is a problem as any other.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
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
    why = getattr(error, "strerror", None) or "it is not UTF-8"
    return f"{path}: cannot be read ({why})"


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
            value = self._filled(told, place)
            each = known[key].metadata.get(EACH)
            if each is not None and isinstance(value, list):
                value = self._tables(each, key, value)
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

    def _tables(
        self, make: type[Any], key: str, tables: list[Any]
    ) -> tuple[object, ...]:
        """What each table describes; those that are wrong are told and left out."""
        made = [
            self._table(make, (key, number), table)
            for number, table in enumerate(tables)
        ]
        return tuple(each for each in made if each is not None)

    def _table(self, make: type[Any], key: Key, table: Any) -> object | None:
        problems = [*self._wrong(make, key, table)]
        if not problems:
            try:
                return make(**table)  # type: ignore[no-any-return]
            except RefusedValueError as error:
                problems.append(f"{self._place(key)}{error}")
        self.told.problems += problems
        return None

    def _wrong(self, make: type[Any], key: Key, table: Any) -> Iterator[str]:
        """What is wrong with the single settings of a table."""
        known = fields_dict(make)
        if not isinstance(table, dict):
            expected = f"a table: [[{key[0]}]]"
            error = FlextConfigurationError(f"{key[0]}", table, expected)
            yield f"{self._place(key)}{error}"
            return
        for name, value in table.items():
            place = self._place((*key, name))
            if name in known:
                yield from refusals(make, name, Setting(name, value, value, place))
            else:
                yield unknown(name, known, place)
        for name, attribute in known.items():
            if attribute.default is NOTHING and name not in table:
                yield f"{self._place(key)}a table of {key[0]} has no {name}"
