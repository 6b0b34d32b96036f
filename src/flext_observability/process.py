"""The backend of the process, which all share who bring none of their own."""

from __future__ import annotations

import threading
from logging import getLogger
from typing import Final

from sluiceway.fork import follow_forks

from .backend import NAME, FlextBackend
from .exceptions import of_kind
from .plugins import imported, load_plugins

OURS: Final = "a FlextBackend, or None for that of the process"


class ProcessWide:
    """The backend of those who bring none of their own.

    Attributes:
        current: that backend; None before somebody asks for one.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.current: FlextBackend | None = None
        self._making: FlextBackend | None = None
        follow_forks(self)

    def get(self) -> FlextBackend:
        """The backend; made for who asks first, with all plugins."""
        if self.current is not None:
            return self.current
        extends = self._making is None and imported()  # imports have their own locks
        with self._lock:
            if self.current is None:
                self.current = self._making or self._made(extends)
            return self.current

    def _made(self, extends: bool) -> FlextBackend:
        """A backend, extended by plugins; one that asks for it meanwhile gets it."""
        making = self._making = FlextBackend()
        try:
            for result in load_plugins(making) if extends else ():
                if result.is_failure:
                    getLogger(NAME).error("%s", result.error)
        finally:
            self._making = None
        return making

    def use(self, backend: FlextBackend | None) -> FlextBackend | None:
        """Put another in its place; the one before."""
        with self._lock:
            before, self.current = self.current, backend
            return before

    def after_fork(self) -> None:
        """A thread that the child does not have may have held the lock."""
        self._lock = threading.RLock()
        self._making = None


PROCESS: Final = ProcessWide()


class OfBackend:
    """What records into a backend: the one that it was given, or the process's.

    Args:
        backend: that backend; by default the one of the process, asked for each time.

    Raises:
        FlextConfigurationError: it is something else.
    """

    def __init__(self, backend: FlextBackend | None = None) -> None:
        self._given = of_kind(FlextBackend | None, "backend", backend, OURS)

    @property
    def backend(self) -> FlextBackend:
        """What it records into."""
        return self._given or PROCESS.get()
