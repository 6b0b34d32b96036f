"""Signals that end a pipeline, taken on the main thread and given back afterwards.

Law: several pipelines may take the same signal, and all of them are told. They may give
it back in any order; the program gets the handler that it had when the last one has.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from .inlet import wake_from_any_thread

Ask = Callable[[], Coroutine[Any, Any, object]]


class SignalHandler:
    """One taker of a signal, in front of those who took it before.

    Args:
        number: the signal.
        loop: where ``call`` is called.
        call: what to call at each signal.
    """

    def __init__(
        self, number: int, loop: asyncio.AbstractEventLoop, call: Callable[[], object]
    ) -> None:
        self.active = True
        self.previous = signal.getsignal(number)
        self._number = number
        self._loop = loop
        self._call = call

    def __call__(self, number: int, frame: Any) -> None:
        """Python calls it on the main thread, between any two of its instructions."""
        if self.active:
            wake_from_any_thread(self._loop, self._call)
        if isinstance(self.previous, SignalHandler):
            self.previous(number, frame)

    def give_back(self) -> None:
        """Take the signal no more; put back the last handler that still wants it."""
        self.active = False
        top = before = signal.getsignal(self._number)
        while isinstance(top, SignalHandler) and not top.active:
            top = top.previous
        if top is not before:
            signal.signal(self._number, signal.SIG_DFL if top is None else top)


@contextmanager
def handled_signals(
    names: Sequence[str], handler: Callable[[int], None]
) -> Iterator[None]:
    """Call ``handler(count)`` on the running loop at each of these signals.

    Elsewhere than on the main thread, where Python allows no handlers, it does nothing.

    Args:
        names: such as ``"SIGTERM"``; those that the platform lacks are left out.
        handler: told how many signals have come, this one included.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    count = 0

    def on_signal() -> None:
        nonlocal count
        count += 1
        handler(count)

    taken = [SignalHandler(number, loop, on_signal) for number in numbers]
    for number, each in zip(numbers, taken, strict=True):
        signal.signal(number, each)
    try:
        yield
    finally:
        for each in taken:
            each.give_back()


class Termination:
    """Turns a SIGTERM into the cancellation of the task that made it.

    Args:
        call_off: called at a SIGTERM before the body has begun.
        abort: called at the second SIGTERM.
        wanted: False takes no signal.

    Attributes:
        came: whether a SIGTERM has come.
    """

    def __init__(self, call_off: Ask, abort: Ask, *, wanted: bool) -> None:
        self._call_off = call_off
        self._abort = abort
        self.came = False
        self._began = False
        self._body = asyncio.current_task()
        self._cancelled = False
        self._asking: list[asyncio.Task[object]] = []
        self._signals = ExitStack()
        if wanted:
            self._signals.enter_context(handled_signals(["SIGTERM"], self._on_signal))

    def _on_signal(self, count: int) -> None:
        """The first signal ends the body or its beginning, the second one the drain."""
        self.came = True
        if count == 1 and self._began:
            self._cancel_body()
        elif count <= 2:  # further ones change nothing
            ask = self._call_off if count == 1 else self._abort
            self._asking.append(asyncio.get_running_loop().create_task(ask()))

    def begin_body(self) -> None:
        """The body begins; it ends at its first ``await`` if the signal has come."""
        self._began = True
        if self.came:
            self._cancel_body()

    def _cancel_body(self) -> None:
        if self._body is not None:
            self._cancelled = True
            self._body.cancel("SIGTERM")

    def close(self) -> None:
        """Give the signal back."""
        self._signals.close()

    def takes_back(self) -> bool:
        """Whether the body was cancelled by us alone, so that the program goes on."""
        if not self._cancelled or self._body is None:
            return False
        self._cancelled = False
        return self._body.uncancel() == 0
