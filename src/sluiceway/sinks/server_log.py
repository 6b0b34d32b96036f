"""What aiohttp's servers log: what failed here, not what strangers send.

Law: bytes that are no HTTP are answered with a 400 and logged nowhere. A traceback for
each would fill the log of whoever listens, and hold the line that could not be read,
which may be one with a token.
"""

from __future__ import annotations

from logging import Logger, LogRecord, getLogger
from typing import Final

from aiohttp.http import HttpProcessingError


def is_of_ours(record: LogRecord) -> bool:
    """Whether a line tells of anything but a request that is no HTTP."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


SERVER_LOG: Final[Logger] = getLogger("sluiceway.http")
SERVER_LOG.addFilter(is_of_ours)
