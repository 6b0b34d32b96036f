"""Asking observable instruments without making the event loop wait.

Law: a callback that is slow costs its own instrument's values and nobody else's. One
whose callbacks take too long is left out, and is not asked again before they have
returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from logging import getLogger

from opentelemetry.metrics import CallbackOptions

from ..sources.beside import beside
from .observables import Answers, Observable


class Asker:
    """Asks the callbacks of instruments, one instrument after the other.

    Args:
        timeout: seconds for the callbacks of one instrument.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._warned: set[Observable] = set()
        self.after_fork()

    def after_fork(self) -> None:
        """Nobody is asked any more: the threads are the parent's."""
        self._asked: set[Observable] = set()

    async def ask(self, observables: Iterable[Observable]) -> dict[Observable, Answers]:
        """The answers of each; of a late one none, and not complete."""
        return {each: await self._answers(each) for each in observables}

    async def _answers(self, observable: Observable) -> Answers:
        asked = self._asked
        if observable in asked:
            return Answers(complete=False)
        asked.add(observable)

        def answers() -> Answers:
            try:
                return observable.answers(CallbackOptions(self._timeout * 1000))
            finally:
                asked.discard(observable)

        try:
            async with asyncio.timeout(self._timeout):
                name = observable.description.name
                return await beside(answers, f"sluiceway-observe {name}")
        except TimeoutError:
            self._warn(observable)
            return Answers(complete=False)

    def _warn(self, observable: Observable) -> None:
        if observable not in self._warned:
            self._warned.add(observable)
            getLogger(__name__).warning(
                "the callbacks of %s took longer than %g s and are left out until they "
                "return; this is said once",
                observable.description.name,
                self._timeout,
            )
