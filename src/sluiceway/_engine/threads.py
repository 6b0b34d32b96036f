"""Blocking work on daemon threads, so that a thread that hangs cannot hold the exit.

Law: one thread per call in flight, kept for the next call; the loop is told the result
by ``call_soon_threadsafe`` and never waits for a thread. A call that was given up goes
on in its thread, and takes up its place until it returns.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]]
Inbox = SimpleQueue[Job | None]


class BlockingCall:
    """An async form of a blocking function, with threads of its own.

    Args:
        function: called on a thread, with a copy of the caller's context.
        limit: calls at the same time; others wait, those that were given up included.
    """

    def __init__(self, function: Callable[..., Any], limit: int) -> None:
        self._function = function
        self._places = asyncio.Semaphore(limit)
        # One is started in advance: a program that is ending may start none.
        self._idle: deque[Inbox] = deque([start_thread()])
        self._closed = False

    async def __call__(self, *args: Any) -> Any:
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        inbox = self._idle.pop() if self._idle else start_thread()
        context = contextvars.copy_context()

        def finished(result: Any, error: BaseException | None) -> None:
            def settle() -> None:
                self._take_back(inbox)
                if not future.done():
                    resolve(future, result, error)

            if self._closed:  # its loop may run no more, or never again
                inbox.put(None)
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:  # the loop has closed; nobody will call again
                inbox.put(None)

        inbox.put((lambda: context.run(self._function, *args), finished))
        return await future

    def _take_back(self, inbox: Inbox) -> None:
        self._places.release()
        if self._closed:
            inbox.put(None)
        else:
            self._idle.append(inbox)

    def close(self) -> None:
        """End the threads; one that hangs ends when its call does."""
        self._closed = True
        while self._idle:
            self._idle.pop().put(None)


class DaemonExecutor(ThreadPoolExecutor):
    """The default executor of a loop that drains while the program ends.

    The standard one refuses work by then, and with it every look-up of a host name.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._inboxes: deque[Inbox] = deque([start_thread()])

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Call the function on a daemon thread."""
        future: Future[Any] = Future()
        inbox = self._inboxes.pop() if self._inboxes else start_thread()

        def finished(result: Any, error: BaseException | None) -> None:
            self._inboxes.append(inbox)
            if not future.set_running_or_notify_cancel():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        inbox.put((lambda: function(*args, **kwargs), finished))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the idle threads; nobody waits for the others."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        while self._inboxes:
            self._inboxes.pop().put(None)


def resolve(
    future: asyncio.Future[Any], result: Any, error: BaseException | None
) -> None:
    """Give a future what a thread found."""
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):
        future.set_exception(RuntimeError("the blocking call raised StopIteration"))
    else:
        future.set_exception(error)


def start_thread() -> Inbox:
    """A new daemon thread; the queue is how it is given work."""
    inbox: Inbox = SimpleQueue()
    Thread(target=work, args=(inbox,), name="sluiceway-blocking", daemon=True).start()
    return inbox


def work(inbox: Inbox) -> None:
    """Do one job after the other until told to end."""
    while (job := inbox.get()) is not None:
        do, finished = job
        try:
            result = do()
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            finished(None, error)
        else:
            finished(result, None)
