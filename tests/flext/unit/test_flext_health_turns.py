"""Turns of health checks, by a clock that the test moves; and forked children."""

from __future__ import annotations

import pytest
from programs import run_program
from waiting import until

from flext_observability.health_checks import HealthChecks
from sluiceway import Inlet, Pipeline, merge
from sluiceway.testing import CollectingSink, ManualClock


class Place:
    """Checks in a pipeline by a manual clock."""

    def __init__(self):
        self.told, self.clock, inlet = CollectingSink(), ManualClock(), Inlet("health")
        self.checks = HealthChecks(inlet.emit_nowait, lambda: self.pipeline)
        self.pipeline = Pipeline(
            merge(inlet, self.checks.turns) >> self.told, clock=self.clock
        )

    async def __aenter__(self):
        await self.pipeline.start()
        self.checks.turns.begin()
        await self.settled()
        return self

    async def __aexit__(self, *error):
        await self.pipeline.stop()

    async def settled(self):
        await self.clock.advance(0)

    async def runs_of(self, name):
        await self.pipeline.flush()
        return [each.status.value for each in self.told.events if each.name == name]


class Counted:
    """A check that counts its calls and says when they were."""

    def __init__(self, clock, answer=None):
        self.clock, self.answer, self.at = clock, answer, []

    async def ask(self):
        self.at.append(self.clock.now() - self.began)
        return self.answer

    def registered(self, place, name, **options):
        self.began = place.clock.now()
        assert place.checks.register(name, self.ask, options).is_success
        return self


def test_a_check_runs_at_once_and_then_exactly_on_its_interval(run):
    async def main():
        place = Place()
        check = Counted(place.clock).registered(place, "disk", interval=10)
        async with place:
            for _ in range(5):
                await place.clock.advance(5)
            return check.at, await place.runs_of("disk")

    times, told = run(main())
    assert times == [0, 10, 20]
    assert told == ["healthy"] * 3


def test_a_check_that_comes_later_begins_then_and_one_that_goes_has_no_more_turns(run):
    async def main():
        async with Place() as place:
            await place.clock.advance(7)
            check = Counted(place.clock).registered(place, "disk", interval=10)
            await place.settled()
            await place.clock.advance(10)
            assert place.checks.unregister("disk").is_success
            await place.clock.advance(50)
            return check.at, await place.runs_of("disk")

    times, told = run(main())
    assert times == [0, 10]
    assert told == ["healthy", "healthy", "unknown"]


def test_a_check_without_an_interval_has_no_turns(run):
    async def main():
        place = Place()
        check = Counted(place.clock).registered(place, "disk", interval=None)
        async with place:
            await place.clock.advance(100)
            return check.at

    assert run(main()) == []


def test_the_longest_interval_is_an_interval(run):
    async def main():
        place = Place()
        check = Counted(place.clock).registered(place, "disk", interval=86_400)
        async with place:
            return check.at

    assert run(main()) == [0]


def test_turns_that_a_slow_run_took_are_left_out(run):
    async def main():
        place = Place()
        at = []

        async def slow():
            at.append(place.clock.now() - began)
            await place.clock.sleep(25 if len(at) == 1 else 0)

        began = place.clock.now()
        options = {"interval": 30, "timeout": 30}
        assert place.checks.register("slow", slow, options).is_success
        assert place.checks.register("quick", lambda: None, {"interval": 10}).is_success
        async with place:
            for _ in range(12):
                await place.clock.advance(5)
            return at

    assert run(main()) == [0, 30, 60]


def test_turns_begin_again_after_a_restart(run):
    async def main():
        place = Place()
        check = Counted(place.clock).registered(place, "disk", interval=10)
        async with place:
            pass
        await place.clock.advance(100)
        async with place:
            await place.clock.advance(10)
        return check.at

    assert run(main()) == [0, 100, 110]


def test_a_result_that_nobody_renews_is_not_believed_for_long(run):
    async def main():
        place = Place()
        Counted(place.clock).registered(place, "disk", interval=10, timeout=1)
        async with place:
            first = place.checks.report().checks["disk"].status.value
        await place.clock.advance(22)
        return first, place.checks.report().checks["disk"].status.value

    assert run(main()) == ("healthy", "unknown")


def test_the_pipelines_own_check_has_turns_too_and_tells_changes_when_asked(run):
    async def main():
        async with Place() as place:
            await place.clock.advance(15)
            turns = await place.runs_of("flext_observability")
            for _ in range(3):
                place.checks.report()
            return turns, await place.runs_of("flext_observability")

    turns, later = run(main())
    assert turns == later == ["healthy", "healthy"]


def test_a_stop_ends_what_runs_and_leaves_no_task(run):
    async def main():
        place = Place()
        entered = []

        async def hangs():
            entered.append(1)
            await place.clock.sleep(1e6)

        options = {"interval": 60, "timeout": 60}
        assert place.checks.register("hangs", hangs, options).is_success
        async with place:
            await until(lambda: entered)

    run(main())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_forked_child_runs_its_own_checks(kind):
    printed = run_program(
        f"""
        import asyncio, os, threading, warnings
        from flext_observability import FlextHealthService, flext_create_health_check

        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks
        service = FlextHealthService()
        asked = threading.Event()

        {kind} database():
            asked.set()
            return True, str(os.getpid())

        check = flext_create_health_check("database").unwrap()

        async def main():
            assert service.register("database", database).is_success
            assert (await service.execute_health_check(check)).unwrap().message
            child = os.fork()
            if child == 0:
                asked.clear()
                found = service.execute(check).unwrap()
                good = found.message == str(os.getpid()) and asked.wait(10)
                overall = service.status().unwrap().status
                service.backend.stop()
                os._exit(0 if good and overall == "healthy" else 1)
            _, status = os.waitpid(child, 0)
            found = (await service.execute_health_check(check)).unwrap()
            print(os.waitstatus_to_exitcode(status), found.message == str(os.getpid()))

        asyncio.run(main())
        service.backend.stop()
        """
    )
    assert printed == "0 True"
