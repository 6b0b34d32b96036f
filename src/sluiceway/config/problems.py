"""What is wrong with a file: each problem with its place, all of them at once.

Law: no text of a problem holds the value of a variable, or of a setting whose name
says that it is secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from attrs import frozen

from ..errors import ConfigurationError

Path = tuple[str | int, ...]

LONGEST_SHOWN: Final = 60  # characters of a value in an error
SECRET: Final = re.compile(
    r"secret|passw|token|auth|header|credential|key", re.IGNORECASE
)
PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@frozen
class Problem:
    """One thing that is wrong.

    Attributes:
        file: the file's name, as it was given.
        line: its line, from 1; None where it has none.
        path: the keys that lead there, such as ``"stages.out.queue"``.
        message: what is wrong and what was expected.
    """

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InvalidFileError(ConfigurationError):
    """A file that describes no pipeline; its text has a line for each problem.

    Args:
        problems: all that is wrong, in the order of the file's lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Problems:
    """Gathers problems while a file is read.

    Args:
        file: the file's name, as it was given.
        lines: the line of each path.
        redact: takes the values of variables out of a text.
    """

    def __init__(
        self, file: str, lines: Mapping[Path, int], redact: Callable[[str], str]
    ) -> None:
        self._file = file
        self._lines = lines
        self._redact = redact
        self._found: list[Problem] = []
        self._closed: set[Path] = set()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, at: Path, message: str) -> None:
        """Remember what is wrong at a path."""
        if at in self._closed:
            return
        line = next(
            (
                self._lines[at[:end]]
                for end in range(len(at), 0, -1)
                if at[:end] in self
            ),
            None,
        )
        text = self._redact(message)
        self._found.append(Problem(self._file, line, path_text(at), text))

    def __contains__(self, at: Path) -> bool:
        return at in self._lines

    def add_last(self, at: Path, message: str) -> None:
        """Remember what is wrong, and nothing further there, which would follow."""
        self.add(at, message)
        self._closed.add(at)

    def raise_any(self) -> None:
        """End here if anything is wrong.

        Raises:
            InvalidFileError: all of it.
        """
        if self._found:
            raise InvalidFileError(sorted(self._found, key=lambda p: p.line or 0))


def path_text(at: Path) -> str:
    """A path as TOML writes it, with the numbers of list members from 0."""
    text = ""
    for key in at:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            word = key if PLAIN_KEY.fullmatch(key) else f'"{key}"'
            text += f".{word}" if text else word
    return text


def shown(value: Any, at: Path) -> str:
    """A value as an error may show it: shortened, and not if it may be secret."""
    if isinstance(value, Filled):
        return repr(value.raw)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if any(isinstance(key, str) and SECRET.search(key) for key in at):
        return "***"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


class Filled(str):
    """A text in which variables stood; ``raw`` is what the file says."""

    __slots__ = ("raw",)

    raw: str

    def __new__(cls, text: str, raw: str) -> Self:
        """A text and what it was made from."""
        made = super().__new__(cls, text)
        made.raw = raw
        return made
