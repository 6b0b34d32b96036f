"""Asking many who may hang for what they know, without making the event loop wait.

Law: who is slow costs its own answer and nobody else's, and all of them together take
no longer than one may. Who has not answered in time is not asked again before it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from logging import Logger
from threading import current_thread, main_thread
from typing import Generic, TypeVar

from attrs import frozen

from ..beside import beside
from ..stages import Patience

K = TypeVar("K")
T = TypeVar("T")

MOMENT = 0.05  # seconds for one, before the next is asked without waiting for it


@frozen
class Question(Generic[T]):
    """What one of them is asked.

    Attributes:
        name: what a warning calls it.
        ask: brings the answer; raises nothing.
    """

    name: str
    ask: Callable[[], T]


class Asker(Generic[K, T]):
    """Asks one after the other, on one thread, as long as nobody is slow.

    Behind one that is, another thread goes on with the others.

    Args:
        thread_name: of the threads.
        timeout: seconds for all of them together.
    """

    def __init__(self, thread_name: str, timeout: float) -> None:
        self.timeout = timeout
        self._thread_name = thread_name
        self._warned: set[K] = set()
        self.after_fork()

    def after_fork(self) -> None:
        """Nobody is asked any more: the threads are the parent's."""
        self._asked: set[K] = set()

    async def ask(
        self,
        questions: Mapping[K, Question[T]],
        logger: Logger,
        patience: Patience | None = None,
    ) -> dict[K, T]:
        """The answers that came in time.

        Args:
            questions: for each who is to be asked.
            logger: is told, once, of each who is late.
            patience: ends the waiting when a drain has used its share.
        """
        self._warned &= questions.keys()
        free = {key: q for key, q in questions.items() if key not in self._asked}
        if not free:
            return {}
        asking = Round(free, self._asked, self._thread_name)
        await asking.hear(self.timeout, patience)
        answers = {**asking.answers}  # a late one may still come in
        for key, question in free.items():
            if key not in answers and key not in self._warned:
                self._warned.add(key)
                self._warn(question.name, logger)
        return answers

    def _warn(self, name: str, logger: Logger) -> None:
        logger.warning(
            "no answer in time (%g s for all of them) from %s; it is left out until "
            "there is one, and this is said once",
            self.timeout,
            name,
        )


class Round(Generic[K, T]):
    """One asking of all.

    Args:
        questions: at least one.
        asked: those who have not answered yet, kept up to date.
        thread_name: of the threads.

    Attributes:
        answers: those that have come.
    """

    def __init__(
        self, questions: Mapping[K, Question[T]], asked: set[K], thread_name: str
    ) -> None:
        self.answers: dict[K, T] = {}
        self._left = deque(questions.items())
        self._asked = asked
        self._thread_name = thread_name
        self._turn = 0

    async def hear(self, timeout: float, patience: Patience | None) -> None:
        """Wait until all have answered or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        share = min(MOMENT, timeout / 2 / len(self._left))
        over = asyncio.ensure_future(lost(patience, timeout))
        working: set[asyncio.Future[None]] = set()
        before = len(self._left)
        try:
            while not over.done() and (rest := end - loop.time()) > 0:
                if self._left and not (working and len(self._left) < before):
                    working.add(self._begin())  # nobody gets on
                elif not working:
                    break
                before = len(self._left)
                await asyncio.wait(
                    {*working, over},
                    timeout=min(rest, share) if before else rest,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                working = {each for each in working if not each.done()}
        finally:
            self._turn += 1
            ending = [*working, over]
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _begin(self) -> asyncio.Future[None]:
        """Let a thread go on, and only that one."""
        self._turn += 1
        work = partial(self._work, self._turn, self._next())
        return asyncio.ensure_future(beside(work, self._thread_name))

    def _work(self, turn: int, task: tuple[K, Question[T]] | None) -> None:
        while task is not None:
            key, question = task
            try:
                self.answers[key] = question.ask()
            finally:
                self._asked.discard(key)
            task = self._next() if turn == self._turn else None

    def _next(self) -> tuple[K, Question[T]] | None:
        try:
            task = self._left.popleft()
        except IndexError:
            return None
        self._asked.add(task[0])
        return task


async def lost(patience: Patience | None, seconds: float) -> None:
    """Return when patience is lost, or after so many seconds."""
    if patience is None:
        await asyncio.sleep(seconds)
    else:
        await patience.wait(seconds)


def is_for_the_program(error: BaseException) -> bool:
    """Whether it may have come from a signal, in the midst of somebody's answer.

    Anything else that is raised there, be it ``CancelledError`` or ``SystemExit``, is
    the answer's own failure.
    """
    signalled = isinstance(error, KeyboardInterrupt | SystemExit)
    return signalled and current_thread() is main_thread()
