"""OpenTraces: the operations that have been started and not ended.

Law: told the time, and does no input or output. Operations are known by their ids
alone, and a part of a trace never stands in for another one. Room is bounded: a new
operation may push out the oldest, and what takes too long is given up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from attrs import frozen

from .models import FlextTrace

Key = tuple[str, str]  # trace id, span id

REMEMBERED: Final = 1000  # ended operations of which is known how they ended


@frozen
class Operation:
    """An operation that runs.

    Attributes:
        trace: as it was started.
        attributes: what it was given, in a copy of its own.
        started: nanoseconds since the epoch.
        began: seconds on a clock that never goes back.
        by_name: whether nobody has its ids but for that of the trace.
        dropped: attributes that were too many.
    """

    trace: FlextTrace
    attributes: dict[str, Any]
    started: int
    began: float
    by_name: bool = False
    dropped: int = 0

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.trace.trace_id, self.trace.span_id


class OpenTraces:
    """Operations by their ids; not safe for threads by itself.

    Args:
        limit: how many may run.
        timeout: seconds after which one is given up.
    """

    def __init__(self, limit: int, timeout: float) -> None:
        self._limit = limit
        self._timeout = timeout
        self.forget()

    def forget(self) -> None:
        """Begin with nothing."""
        # a dict is slow to find its first key once many were taken out before it
        self._open: OrderedDict[Key, Operation] = OrderedDict()
        self._ended: OrderedDict[Key, str] = OrderedDict()  # how
        self._named: dict[str, dict[Key, None]] = {}  # by trace id and by span id

    def __len__(self) -> int:
        return len(self._open)

    def add(self, operation: Operation) -> list[Operation]:
        """Take in an operation; the oldest ones, which have no room any more."""
        pushed_out = self._unfinished([*islice(self._open, self._excess())])
        key = operation.key
        self._open[key] = operation
        for name in key:
            self._named.setdefault(name, {})[key] = None
        return pushed_out

    def _excess(self) -> int:
        return max(0, len(self._open) + 1 - self._limit)

    def end(self, key: Key, how: str) -> Operation:
        """Take out an operation; ``how`` is told to who asks for it again."""
        operation = self._open.pop(key)
        for name in key:
            keys = self._named[name]
            del keys[key]
            if not keys:
                del self._named[name]
        self._ended[key] = how
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        return operation

    def named(self, name: str | Key) -> Key | None:
        """The open operation of this name, if there is one.

        Args:
            name: both ids; or a span id; or a trace id, which names the oldest
                operation that was started by a name alone, or else the oldest one.
        """
        if not isinstance(name, str):
            return name if name in self._open else None
        keys = self._named.get(name, ())
        by_name = (key for key in keys if self._open[key].by_name)
        return next(by_name, next(iter(keys), None))

    def story(self, name: str | Key) -> str:
        """What became of an operation of this name; ``""`` if that is not known."""
        if self.named(name) is not None:
            return "runs already"
        if not isinstance(name, str):
            how = self._ended.get(name)
        else:
            known = reversed(self._ended.items())
            how = next((how for key, how in known if name in key), None)
        return f"was {how} already" if how else ""

    def expired(self, now: float) -> list[Operation]:
        """Take out what has run for too long."""
        due = []
        for key, operation in self._open.items():
            if now < operation.began + self._timeout:
                break
            due.append(key)
        return self._unfinished(due)

    def next_look(self, now: float) -> float:
        """When to ask for what has expired, whatever is started until then."""
        oldest = next(iter(self._open.values()), None)
        return (now if oldest is None else oldest.began) + self._timeout

    def end_all(self) -> list[Operation]:
        """Take out everything."""
        return self._unfinished([*self._open])

    def _unfinished(self, keys: Iterable[Key]) -> list[Operation]:
        return [self.end(key, "ended as unfinished") for key in keys]
