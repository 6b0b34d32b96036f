"""Asking observable instruments without making the event loop wait.

Law: a callback that is slow costs its own instrument's values and nobody else's. Each
instrument is asked on a daemon thread; one whose callbacks take too long is left out,
and is not asked again before they have returned.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Iterable
from contextlib import suppress
from logging import getLogger
from threading import Thread

from opentelemetry.metrics import CallbackOptions

from .observables import Answers, Observable


class Asker:
    """Asks the callbacks of instruments, one instrument after the other.

    Args:
        timeout: seconds for the callbacks of one instrument.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._late: dict[Observable, Thread] = {}
        self._warned: set[Observable] = set()

    async def ask(self, observables: Iterable[Observable]) -> dict[Observable, Answers]:
        """The answers of each; of a late one none, and not complete."""
        return {each: await self._answers(each) for each in observables}

    async def _answers(self, observable: Observable) -> Answers:
        late = self._late.get(observable)
        if late is not None and late.is_alive():
            return Answers(complete=False)
        loop = asyncio.get_running_loop()
        answered: Future[Answers] = loop.create_future()
        options = CallbackOptions(timeout_millis=self._timeout * 1000)
        thread = Thread(
            target=answer,
            args=(observable, options, loop, answered),
            name=f"sluiceway-observe {observable.description.name}",
            daemon=True,  # a callback that never returns must not keep the process
        )
        self._late[observable] = thread
        thread.start()
        try:
            async with asyncio.timeout(self._timeout):
                answers = await answered
        except TimeoutError:
            self._warn(observable)
            return Answers(complete=False)
        del self._late[observable]
        return answers

    def _warn(self, observable: Observable) -> None:
        if observable not in self._warned:
            self._warned.add(observable)
            getLogger(__name__).warning(
                "the callbacks of %s took longer than %g s and are left out until they "
                "return; this is said once",
                observable.description.name,
                self._timeout,
            )


def answer(
    observable: Observable,
    options: CallbackOptions,
    loop: AbstractEventLoop,
    answered: Future[Answers],
) -> None:
    """What the thread does."""
    answers = observable.answers(options)

    def tell() -> None:
        if not answered.done():
            answered.set_result(answers)

    with suppress(RuntimeError):  # the loop has been closed meanwhile
        loop.call_soon_threadsafe(tell)
