"""Loggers of the FLEXT form, on top of the standard library's.

Law: no handler is ever added and no root is ever changed; what is logged goes wherever
the application sends it.
"""

from __future__ import annotations

import os
from functools import cache
from logging import (
    CRITICAL,
    DEBUG,
    ERROR,
    INFO,
    NOTSET,
    WARNING,
    Logger,
    LogRecord,
    getLevelNamesMapping,
    getLogger,
)
from typing import Final

from .exceptions import FlextConfigurationError

VARIABLE: Final = "FLEXT_LOG_LEVEL"
RESERVED: Final = frozenset(
    [*vars(LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"]
)
CALLER = 3  # frames between the application's line and the standard library


def get_logger(name: str) -> FlextLogger:
    """The logger of that name.

    Args:
        name: of the standard library's logger that stands behind it.
    """
    return FlextLogger(name)


class FlextLogger:
    """A logger whose keyword arguments become fields of the record.

    ``logger.warning("took %d ms", 12, shop="nord")`` logs "took 12 ms" with the
    ``extra`` field ``shop``. A field that a record has of its own, such as ``name``,
    gets an underscore at its end.

    Args:
        name: of the standard library's logger. Its level becomes that of the variable
            ``FLEXT_LOG_LEVEL``, unless the application has given it one. A value that
            is no level is named in a warning, once, and counts as unset.
        fields: part of each record of this logger.
    """

    __slots__ = ("_fields", "_logger")

    def __init__(self, name: str, /, **fields: object) -> None:
        self._logger = with_level(getLogger(name))
        self._fields = fields

    @property
    def name(self) -> str:
        """The name of the standard library's logger."""
        return self._logger.name

    @property
    def fields(self) -> dict[str, object]:
        """The fields of each record, as a copy."""
        return dict(self._fields)

    def bind(self, /, **fields: object) -> FlextLogger:
        """A logger of the same name with further fields; this one stays as it is."""
        return FlextLogger(self.name, **{**self._fields, **fields})

    def debug(self, message: object, /, *args: object, **fields: object) -> None:
        """Log what helps to find a fault; ``message`` is formatted with ``args``."""
        self._log(DEBUG, message, args, fields)

    def info(self, message: object, /, *args: object, **fields: object) -> None:
        """Log what happened as it should."""
        self._log(INFO, message, args, fields)

    def warning(self, message: object, /, *args: object, **fields: object) -> None:
        """Log what may become a fault."""
        self._log(WARNING, message, args, fields)

    def error(self, message: object, /, *args: object, **fields: object) -> None:
        """Log a fault; with ``exc_info=True`` the traceback too."""
        self._log(ERROR, message, args, fields)

    def exception(self, message: object, /, *args: object, **fields: object) -> None:
        """Log a fault with the traceback of the exception that is being handled."""
        self._log(ERROR, message, args, {"exc_info": True, **fields})

    def critical(self, message: object, /, *args: object, **fields: object) -> None:
        """Log a fault after which the program cannot go on."""
        self._log(CRITICAL, message, args, fields)

    def _log(
        self,
        level: int,
        message: object,
        args: tuple[object, ...],
        fields: dict[str, object],
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        trouble = fields.pop("exc_info", None)
        merged = {**self._fields, **fields}
        self._logger.log(
            level,
            message,
            *args,
            exc_info=trouble if isinstance(trouble, BaseException) else bool(trouble),
            extra={key + "_" * (key in RESERVED): merged[key] for key in merged},
            stacklevel=CALLER,
        )

    def __repr__(self) -> str:
        fields = "".join(f", {key}={value!r}" for key, value in self._fields.items())
        return f"FlextLogger({self.name!r}{fields})"


def with_level(logger: Logger) -> Logger:
    """The logger, with the level of the variable if it has none of its own."""
    text = os.environ.get(VARIABLE, "").strip()
    if text and logger.level == NOTSET and logger.parent is not None:
        logger.setLevel(level_of(text))
    return logger


def levels() -> dict[str, int]:
    """The levels that there are now, by their names."""
    return {name: level for name, level in getLevelNamesMapping().items() if level}


def number_in(text: str) -> int | None:
    """The level that is written as a number; None if it is none."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= 3
    return int(text) if is_one else None


@cache
def level_of(text: str) -> int:
    """The level of that name, in any case, or number; what is none warns once."""
    known = levels()
    level = known.get(text.upper(), number_in(text))
    if level is None:
        error = FlextConfigurationError(
            VARIABLE, text, f"{', '.join(known)} or a number", known
        )
        getLogger(__name__).warning("%s; using the application's own level", error)
    return level or NOTSET
