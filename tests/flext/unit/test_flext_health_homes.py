"""An async check belongs to the loop of its registration, and outlives that loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flext_observability.health_functions import AtHome, asked_at


class Home:
    """A thread's event loop that is held fast, and ends once it is let go."""

    def __init__(self):
        self._held, self._free = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._hold(),))

    def __enter__(self):
        self._thread.start()
        assert self._held.wait(10)
        return self

    def __exit__(self, *error):
        self.let_go()
        self._thread.join()

    async def _hold(self):
        self.loop = asyncio.get_running_loop()
        self._held.set()
        self._free.wait(10)

    def let_go(self):
        self._free.set()


async def healthy():
    return asyncio.get_running_loop()


def test_a_check_is_asked_here_where_its_loop_ends_before_it_begins():
    async def main(home):
        asked = asyncio.create_task(AtHome(healthy, home.loop).ask())
        await asyncio.sleep(0)  # it is handed over
        home.let_go()
        return await asked is asyncio.get_running_loop()

    with Home() as home:
        assert asyncio.run(main(home))


def test_a_check_is_asked_here_where_its_loop_is_closed():
    with Home() as home:
        check = AtHome(healthy, home.loop)
    assert asyncio.run(check.ask()) is not home.loop


def test_who_gives_up_waiting_gives_up_the_check():
    async def main(home):
        asked = asyncio.create_task(AtHome(healthy, home.loop).ask())
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    with Home() as home:
        asyncio.run(main(home))


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_loop_that_runs_no_more_answers_nothing_and_keeps_nothing(is_closed):
    home = asyncio.new_event_loop()
    if is_closed:
        home.close()
    assert asyncio.run(asked_at(home, healthy())) is None
    home.close()
