"""One check, run once, for programs and tests that want one answer."""

from __future__ import annotations

import asyncio
import threading

import pytest
from waiting import until

from sluiceway.health import Check, run_check
from sluiceway.testing import ManualClock


async def well():
    return "degraded", "97 % full", {"bytes": 5}


def failing():
    raise OSError("no route")


def test_what_a_check_finds_is_told_at_once_whatever_its_thresholds(run):
    async def main():
        found = await run_check(Check("disk", well, critical=False))
        return found, await run_check(Check("database", failing))

    disk, database = run(main())
    assert (disk.name, disk.status.value, disk.message) == (
        "disk",
        "degraded",
        "97 % full",
    )
    assert (disk.details, disk.critical) == ({"bytes": 5}, False)
    assert disk.time_unix_nano > 0
    assert (database.status.value, database.message) == (
        "unhealthy",
        "OSError: no route",
    )


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_a_check_that_hangs_is_unknown_after_its_timeout(run, kind):
    released, begun = threading.Event(), threading.Event()

    async def on_loop():
        begun.set()
        await asyncio.Event().wait()

    def on_thread():
        begun.set()
        released.wait()

    async def main():
        clock = ManualClock()
        check = Check("hung", on_loop if kind == "async def" else on_thread)
        running = asyncio.create_task(run_check(check, clock))
        await until(begun.is_set)
        await clock.advance(5)
        return await running

    event = run(main())
    released.set()
    assert (event.status.value, event.duration) == ("unknown", 5.0)
    assert event.message == "no answer within 5 s"
