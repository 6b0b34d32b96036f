"""The line of every key of a TOML text, which ``tomllib`` does not tell.

Law: the text is valid, ``tomllib`` has read it before; here are no errors, only places.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Final

from .problems import Path

TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t\r]+|\#[^\n]*)
  | (?P<text>
        \"{3}(?:[^"\\]|\\.|"(?!""))*\"{3,5}
      | '{3}(?:[^']|'(?!''))*'{3,5}
      | "(?:[^"\\\n]|\\.)*"
      | '[^'\n]*'
    )
  | (?P<mark>[\n\[\]{}=,.])
  | (?P<bare>[^\s\[\]{}=,.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


def find_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of each key, table and list member.

    Args:
        text: a valid TOML document.
    """
    return LineFinder(text).find()


class LineFinder:
    """Reads the structure of a valid TOML document, token by token."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, int]] = []
        line = 1
        for match in TOKEN.finditer(text):
            if match.lastgroup != "blank":
                self._tokens.append((match.group(), line))
            line += match.group().count("\n")
        self._tokens.append(("", line))
        self._next = 0
        self._found: dict[Path, int] = {}
        self._members: Counter[Path] = Counter()  # of arrays of tables

    def find(self) -> dict[Path, int]:
        """Walk through all of it."""
        table: Path = ()
        while self._word():
            if self._skip("\n"):
                continue
            if self._skip("["):
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _word(self) -> str:
        return self._tokens[self._next][0]

    def _line(self) -> int:
        return self._tokens[self._next][1]

    def _skip(self, mark: str) -> bool:
        """Pass over the mark if it is the next one."""
        right = self._word() == mark
        self._next += right
        return right

    def _mark(self, path: Path, line: int) -> None:
        """Note the line of a path, and of what leads to it."""
        for end in range(1, len(path) + 1):
            self._found.setdefault(path[:end], line)

    def _header(self) -> Path:
        line = self._line()
        many = self._skip("[")
        path: Path = ()
        keys = self._keys()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            if many and number == len(keys):
                self._members[path] += 1
            if path in self._members:
                self._found.setdefault(path, line)
                path = (*path, self._members[path] - 1)
        self._next += 1 + many  # the closing brackets
        self._mark(path, line)
        return path

    def _keys(self) -> list[str]:
        """A key, dotted or not."""
        keys = [self._key()]
        while self._skip("."):
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        word = self._word()
        self._next += 1
        if word[0] in "\"'":
            return str(tomllib.loads(f"key = {word}")["key"])
        return word

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = (*table, *self._keys())
        self._next += 1  # the sign of equality
        self._mark(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._skip("{"):
            self._inline_table(path)
        elif self._skip("["):
            self._list(path)
        else:
            while self._word() not in ("", "\n", ",", "]", "}"):
                self._next += 1

    def _inline_table(self, path: Path) -> None:
        while not self._skip("}"):
            if not self._skip(",") and not self._skip("\n"):
                self._pair(path)

    def _list(self, path: Path) -> None:
        number = 0
        while not self._skip("]"):
            if not self._skip(",") and not self._skip("\n"):
                self._mark((*path, number), self._line())
                self._value((*path, number))
                number += 1
