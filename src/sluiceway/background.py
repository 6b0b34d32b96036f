"""Background: a pipeline on a thread with an event loop of its own.

Law: for programs without a loop, and for those whose loop comes and goes. The thread is
a daemon and is stopped at exit with the drain's deadline; after a fork the child starts
its own at the first event.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ._engine.threads import DaemonExecutor
from .clock import SYSTEM_CLOCK
from .errors import PipelineStateError
from .fork import follow_forks, keep_for_ever
from .inlet import Inlet
from .reports import StopReport
from .settings import timeout_of

if TYPE_CHECKING:
    from types import TracebackType

    from .pipeline import Pipeline

T = TypeVar("T")

OWN_THREAD = (
    "the pipeline's own thread cannot wait for the pipeline; "
    "call this from another thread"
)
BLOCKED = 0.95  # seconds after a deadline that a blocked event loop is waited for


class Background:
    """Runs a pipeline on its own thread; a context manager.

    Args:
        pipeline: the one to run.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._reset()
        follow_forks(self)

    def _reset(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that it runs."""
        return self._pipeline

    def start(self) -> Background:
        """Start the thread and the pipeline; does nothing if they run.

        Raises:
            Exception: what a stage's ``open`` raised.
        """
        if self._is_own_thread():
            return self
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return self
            started = threading.Event()
            self._loop = asyncio.new_event_loop()
            self._loop.set_default_executor(DaemonExecutor())
            self._thread = threading.Thread(
                target=serve,
                args=(self._loop, started),
                name=f"sluiceway-{self._pipeline.name}",
                daemon=True,
            )
            self._thread.start()
            started.wait()
            try:
                self._call(self._pipeline.start())
            except BaseException:
                self._end_thread()
                raise
            self._stop_at_exit()
        return self

    def _stop_at_exit(self) -> None:
        """Drain when the program ends; until then, nobody else need hold on to us."""
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        if "multiprocessing" in sys.modules:
            from multiprocessing import parent_process, util  # noqa: PLC0415 - is loaded

            if parent_process() is not None:  # such a child skips what atexit knows
                util.Finalize(None, self.stop, exitpriority=10)

    def stop(self, timeout: float | None = None) -> StopReport:
        """Drain the pipeline and end the thread; harmless if it does not run.

        Args:
            timeout: seconds; the pipeline's ``drain_timeout`` if None.

        Returns:
            As of ``Pipeline.stop``. A stage that blocks the pipeline's event loop keeps
            nobody: then it tells of ``"event loop"`` and of what is held where.

        Raises:
            ConfigurationError: ``timeout`` is no time; all goes on.
            PipelineStateError: the pipeline's own thread asks for it; all goes on.
        """
        seconds = timeout_of(timeout, self._pipeline.drain_timeout)
        seconds = min(seconds + BLOCKED, threading.TIMEOUT_MAX)
        if self._is_own_thread():  # before the lock, which another stop may hold
            raise PipelineStateError(OWN_THREAD)
        deadline = SYSTEM_CLOCK.now() + seconds
        asked: StopReport | None = None
        if not self._lock.acquire(blocking=False):  # another thread starts or stops it
            asked = self._ask_to_stop(timeout, deadline)
            if not self._lock.acquire(timeout=until(deadline)):
                return asked or self._pipeline.give_up()
        try:
            if self._loop is None:
                return asked or StopReport(drained=True)
            atexit.unregister(self.stop)
            return self._ask_to_stop(timeout, deadline)
        finally:
            self._end_thread(until(deadline))
            self._lock.release()

    def _ask_to_stop(self, timeout: float | None, deadline: float) -> StopReport:
        """How the pipeline has ended, or what can be told of it by the deadline."""
        loop = self._loop
        if loop is None:
            return StopReport(drained=True)
        stopping = self._pipeline.stop(timeout)
        try:
            asked = asyncio.run_coroutine_threadsafe(stopping, loop)
        except RuntimeError:  # another thread has closed the loop meanwhile
            stopping.close()
            return self._pipeline.give_up()
        try:
            return asked.result(until(deadline))
        except (TimeoutError, CancelledError):
            return self._pipeline.give_up()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was emitted before has been answered for; False if too late.

        Raises:
            PipelineStateError: it does not run.
        """
        if self._loop is None:
            raise PipelineStateError(f"{self!r} does not run")
        return self._call(self._pipeline.flush(timeout))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            loop = self._elsewhere()
        except PipelineStateError:
            coroutine.close()
            raise
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    def _elsewhere(self) -> asyncio.AbstractEventLoop:
        """The loop, to wait for on a thread that is not its own."""
        if self._loop is None or self._is_own_thread():
            raise PipelineStateError(OWN_THREAD)
        return self._loop

    def _is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _end_thread(self, seconds: float = BLOCKED) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def after_fork(self) -> None:
        """In the child: forget the parent's thread, start one at the first event."""
        ran = self._loop is not None
        if ran:
            keep_for_ever((self._loop, self._thread))
        self._reset()
        if ran:
            for source in self._pipeline.sources():
                if isinstance(source, Inlet):
                    source.wake_by(self.start)

    def __repr__(self) -> str:
        return f"<Background of {self._pipeline!r}>"


def until(deadline: float) -> float:
    """The seconds until then that a thread can wait."""
    return min(max(0.0, deadline - SYSTEM_CLOCK.now()), threading.TIMEOUT_MAX)


def serve(loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
    """The thread: run the loop until it is stopped, then leave nothing behind."""
    asyncio.set_event_loop(loop)
    loop.call_soon(started.set)
    try:
        loop.run_forever()
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(settle(pending))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def settle(tasks: set[asyncio.Task[Any]]) -> None:
    """Give cancelled tasks a moment; a stage that swallows it is left alone."""
    if tasks:
        await asyncio.wait(tasks, timeout=0.2)
