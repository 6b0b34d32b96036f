"""What commands log, on stderr, without the secrets of a file's variables."""

from __future__ import annotations

from collections.abc import Callable
from logging import Formatter, LogRecord, StreamHandler, basicConfig
from typing import Final

LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(level: str, hide: Callable[[str], str]) -> None:
    """Log from a level on, tracebacks included.

    Args:
        level: such as ``"warning"``.
        hide: takes what is secret out of a text.
    """
    handler = StreamHandler()
    handler.setFormatter(Hiding(hide))
    basicConfig(level=level.upper(), handlers=[handler])


class Hiding(Formatter):
    """Writes records without what is secret, whoever has logged it.

    Args:
        hide: takes what is secret out of a text.
    """

    def __init__(self, hide: Callable[[str], str]) -> None:
        super().__init__(LINE)
        self._hide = hide

    def format(self, record: LogRecord) -> str:
        """The record's text."""
        return self._hide(super().format(record))
