"""Whole lines out of a piece of a file, in any encoding, each within a bound."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ..errors import ConfigurationError

BOM = "\ufeff"


class LineCutter:
    """Cuts what was read of a file into lines.

    Args:
        encoding: the files' encoding; one whose name leaves the order of bytes open is
            refused, for only a file's beginning would tell it.
        longest: bytes of a line; a longer one is cut into pieces.

    Raises:
        ConfigurationError: no such encoding.
    """

    def __init__(self, encoding: str, longest: int) -> None:
        try:
            name = codecs.lookup(encoding).name
            self.newline = "\n".encode(name)
        except (LookupError, TypeError, UnicodeError) as error:
            raise ConfigurationError(
                f"FileTailSource.encoding is {encoding!r}; "
                "expected an encoding such as 'utf-8' or 'latin-1'"
            ) from error
        if name in ("utf-16", "utf-32"):
            raise ConfigurationError(
                f"FileTailSource.encoding is {encoding!r}; "
                f"expected '{name}-le' or '{name}-be'"
            )
        self._encoding = name
        self._unit = len(self.newline)
        self.longest = max(self._unit, longest - longest % self._unit)

    def cut(self, data: bytes, *, last: bool) -> tuple[list[str], int]:
        """The lines of some bytes, and how many of the bytes they are.

        Args:
            data: what follows in the file; more than ``longest`` bytes unless it ends.
            last: whether the file has ended for good, with a last line that has no end.
        """
        lines: list[str] = []
        used = 0
        for line, end in self._whole_lines(data):
            lines += self._pieces(line)
            used = end
        rest = data[used:]
        if last and rest:
            lines += self._pieces(rest)
            used = len(data)
        while len(data) - used > self.longest:
            size = self._piece_size(data[used : used + self.longest + 1])
            lines.append(self._text(data[used : used + size]))
            used += size
        return lines, used

    def _whole_lines(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Each line with the place behind its end."""
        begin = at = 0
        while (at := data.find(self.newline, at)) >= 0:
            if at % self._unit:  # between two characters
                at += 1
                continue
            end = at + self._unit
            yield data[begin:at], end
            begin = at = end

    def _pieces(self, line: bytes) -> Iterator[str]:
        """A line, or its pieces if it is too long; none if it is empty."""
        while len(line) > self.longest:
            size = self._piece_size(line)
            yield self._text(line[:size])
            line = line[size:]
        text = self._text(line).removesuffix("\r")
        if text:
            yield text

    def _piece_size(self, line: bytes) -> int:
        """Bytes of the first piece of a line, which ends with a whole character."""
        size = self.longest
        if self._encoding == "utf-8":
            shortest = max(1, size - 3)
            while size > shortest and line[size : size + 1] and line[size] >> 6 == 0b10:
                size -= 1
        elif self._unit == 2 and size > 2:
            high = line[size - 1] if self._encoding == "utf-16-le" else line[size - 2]
            size -= 2 * (high >> 2 == 0b110110)  # the first half of a character
        return size

    def _text(self, data: bytes) -> str:
        return data.decode(self._encoding, "replace").removeprefix(BOM)
