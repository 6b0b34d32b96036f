"""Signals that end a pipeline, taken on the main thread and given back afterwards."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


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
    before = {number: signal.getsignal(number) for number in numbers}
    count = 0

    def on_signal() -> None:
        nonlocal count
        count += 1
        handler(count)

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number, previous in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, previous)
