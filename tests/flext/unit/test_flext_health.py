"""FlextHealthService: checks really run, and whatever they do is told of."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flext_observability import (
    FlextBackend,
    FlextHealthCheck,
    FlextHealthService,
    FlextObservabilityConfig,
    flext_create_health_check,
)
from sluiceway.testing import CollectingSink


@pytest.fixture
def told():
    return CollectingSink()


@pytest.fixture
def alerts():
    return CollectingSink()


@pytest.fixture
def backend(told, alerts):
    sinks = {"health": [told], "alerts": [alerts]}
    backend = FlextBackend(FlextObservabilityConfig(service_name="shop"), sinks=sinks)
    yield backend
    backend.stop()


@pytest.fixture
def service(backend):
    return FlextHealthService(backend)


def run(coroutine):
    return asyncio.run(coroutine)


def named(name, status="healthy", **more):
    return flext_create_health_check(name, status, **more).unwrap()


def executed(service, name):
    return service.execute(named(name)).unwrap()


def registered(service, name, function, **options):
    """A check that runs when asked only."""
    options = {"interval": None, **options}
    assert service.register(name, function, **options).unwrap() == name


def overall(service):
    return service.status().unwrap()


def checks(service):
    return overall(service).details["checks"]


def statuses(service):
    return {name: check["status"] for name, check in checks(service).items()}


def events(backend, told, name):
    """What was told of a check."""
    assert backend.flush().is_success
    return [each.status.value for each in told.events if each.name == name]


def test_a_registered_check_really_runs_sync_or_async(service):
    asked = []

    def disk():
        asked.append(threading.current_thread())
        return "degraded", "81 % used", {"used": 0.81}

    async def database():
        asked.append(threading.current_thread())
        return True

    async def main():
        await service.register_health_check("disk", disk, interval=None)
        await service.register_health_check("database", database, interval=None)
        found = await service.execute_health_check(named("disk", "unhealthy"))
        return found.unwrap(), (await service.execute_health_check(named("database")))

    before = datetime.now(UTC)
    found, other = run(main())
    assert (found.name, found.status, found.message) == (
        "disk",
        "degraded",
        "81 % used",
    )
    assert found.details == {"used": 0.81}
    assert found.duration > 0
    assert found.checked_at >= before
    assert other.unwrap().status == "healthy"
    assert asked[0] is not threading.main_thread()
    assert asked[1] is threading.main_thread()


def test_an_async_check_runs_where_it_was_registered_as_long_as_that_loop_runs(service):
    loops = []

    async def database():
        loops.append(asyncio.get_running_loop())

    async def first():
        await service.register_health_check("database", database, interval=None)
        await service.execute_health_check(named("database"))
        return asyncio.get_running_loop()

    home = run(first())
    assert executed(service, "database").status == "healthy"
    assert loops[0] is home
    assert loops[1] is not home
    assert loops[1].is_running()


def test_what_has_no_check_is_taken_as_it_is_reported(service, backend, told):
    reported = named("queue", "degraded", details={"depth": 900}, message="long")
    assert run(service.execute_health_check(reported)).unwrap() is reported
    assert backend.flush().is_success
    (event,) = [each for each in told.events if each.name == "queue"]
    assert (event.status.value, event.message) == ("degraded", "long")
    assert event.details == {"depth": 900}
    assert event.time_unix_nano == int(reported.checked_at.timestamp() * 1e9)
    assert statuses(service)["queue"] == "degraded"


def test_the_documents_own_call_gives_the_entity_back(service):
    """``details={"checked_at": "now"}`` is free text."""
    check = flext_create_health_check(
        name="api", status="healthy", details={"checked_at": "now"}
    ).unwrap()
    assert run(service.execute_health_check(check)).unwrap().details == {
        "checked_at": "now"
    }


def test_each_execution_is_one_event_and_alerts_tell_changes(
    service, backend, told, alerts
):
    answers = iter([True, False, False, True])
    registered(service, "database", lambda: next(answers))
    found = [executed(service, "database").status for _ in range(4)]
    assert found == ["healthy", "unhealthy", "unhealthy", "healthy"]
    assert events(backend, told, "database") == found
    told_of = [(a.labels["check"], a.status.value, a.severity) for a in alerts.events]
    assert told_of == [
        ("database", "firing", "critical"),
        ("database", "resolved", "critical"),
    ]


def test_thresholds_decide_what_is_believed_and_not_what_a_run_found(
    service, backend, told
):
    answers = iter([True, False, False, True, True])
    options = {"failures": 2, "recoveries": 2}
    registered(service, "database", lambda: next(answers), **options)
    found = [executed(service, "database").status for _ in range(5)]
    assert found == ["healthy", "unhealthy", "unhealthy", "healthy", "healthy"]
    assert events(backend, told, "database") == [
        "healthy",
        "healthy",
        "unhealthy",
        "unhealthy",
        "healthy",
    ]


class Hostile:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


class Ends(BaseException):
    pass


def cyclic():
    found = {}
    found["self"] = found
    return True, "", found


def deep():
    found = {}
    for _ in range(40):
        found = {"deeper": found}
    return "degraded", "", found


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (42, "unhealthy", "the check answered 42"),
        ("unhealty", "unhealthy", "did you mean 'unhealthy'?"),
        ((), "unhealthy", "the check answered ()"),
        (Hostile(), "unhealthy", "RuntimeError: no"),
        (cyclic(), "unhealthy", "RecursionError"),
        (deep(), "degraded", ""),
        ((True, "\ud800"), "healthy", "?"),
        ((True, "x" * 10_000), "healthy", "xxx"),
        ((True, "", {"odd": Hostile()}), "healthy", ""),
        ((True, "", {1: {2: 3}}), "healthy", ""),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async", "returns awaitable"])
def test_an_answer_that_makes_no_sense_is_told_and_never_raised(
    service, answer, status, message, kind
):
    async def later():
        return answer

    def awaitable():
        return later()

    function = {
        "sync": lambda: answer,
        "async": later,
        "returns awaitable": awaitable,
    }[kind]
    registered(service, "odd", function)
    found = executed(service, "odd")
    assert found.status == status
    assert message in found.message
    assert statuses(service)["odd"] == status


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route"),
        KeyboardInterrupt(),
        SystemExit(3),
        Ends("all"),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopIteration(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whatever_a_check_raises_makes_it_unhealthy_and_ends_nothing(
    service, backend, error, kind
):
    def raises():
        raise error

    async def later():
        raise error

    registered(service, "bad", raises if kind == "sync" else later)
    registered(service, "good", lambda: True)
    found = executed(service, "bad")
    expected = "RuntimeError" if (kind, type(error)) == ("async", StopIteration) else ""
    assert (found.status, found.details) == ("unhealthy", {})
    assert found.message.startswith(expected or type(error).__name__)
    assert executed(service, "good").status == "healthy"
    assert backend.flush().is_success


def test_a_password_in_an_address_is_told_to_nobody(service, backend, told, alerts):
    def database():
        raise OSError("postgres://shop:swordfish@db/shop is not there")

    registered(service, "database", database)
    assert executed(service, "database").message == (
        "OSError: postgres://***@db/shop is not there"
    )
    assert backend.flush().is_success
    seen = repr((told.events, alerts.events, overall(service)))
    assert "swordfish" not in seen
    assert "postgres://***@db" in seen


def test_a_check_that_hangs_is_unknown_after_its_time_out_and_keeps_one_thread(service):
    released = threading.Event()
    threads = []

    def hangs():
        threads.append(threading.current_thread())
        released.wait()

    registered(service, "hangs", hangs, timeout=0.02)
    try:
        first, second = executed(service, "hangs"), executed(service, "hangs")
        assert first.status == second.status == "unknown"
        assert first.message == "no answer within 0.02 s"
        assert "it is not asked again" in second.message
        assert len(threads) == 1
        assert statuses(service)["hangs"] == "unhealthy"
    finally:
        released.set()
    threads[0].join()
    assert executed(service, "hangs").status == "healthy"


def test_an_async_check_that_does_not_let_itself_be_cancelled_is_left_behind(service):
    done = asyncio.Event()

    async def stubborn():
        while not done.is_set():
            try:
                await done.wait()
            except asyncio.CancelledError:
                continue

    async def main():
        await service.register_health_check(
            "stubborn", stubborn, interval=None, timeout=0.02
        )
        found = await service.execute_health_check(named("stubborn"))
        done.set()
        return found.unwrap()

    assert run(main()).message == "no answer within 0.02 s"


def test_an_async_check_that_blocks_the_loop_keeps_nobody_past_a_moment(service):
    released = threading.Event()

    async def blocks():
        released.wait()

    registered(service, "blocks", blocks, timeout=0.02)
    try:
        found = executed(service, "blocks")
        also = run(service.execute_health_check(named("blocks"))).unwrap()
        own = checks(service)["flext_observability"]
    finally:
        released.set()
    assert (own["status"], own["message"]) == (
        "degraded",
        "the event loop of the pipeline is blocked",
    )
    assert found.status == also.status == "unknown"
    assert "the event loop that runs the check is blocked" in found.message
    assert executed(service, "blocks").status == "healthy"


def test_a_check_on_the_loop_of_who_waits_without_it_gets_no_answer(service):
    async def database():
        return True

    async def main():
        await service.register_health_check(
            "database", database, interval=None, timeout=0.05
        )
        blocked = executed(service, "database")
        return blocked, await service.execute_health_check(named("database"))

    blocked, awaited = run(main())
    assert blocked.status == "unknown"
    assert awaited.unwrap().status == "healthy"


def test_a_check_that_asks_for_checks_ends_too(service):
    registered(service, "other", lambda: True)

    async def nested():
        other = await service.execute_health_check(named("other"))
        itself = await service.execute_health_check(named("nested"))
        return other.unwrap().status, itself.unwrap().message

    async def waits():
        return True, service.execute(named("other")).unwrap().message

    registered(service, "nested", nested, timeout=0.05)
    registered(service, "waits", waits)
    assert executed(service, "nested").message == "no answer within 0.05 s"
    assert "cannot wait for a check" in executed(service, "waits").message


def test_who_asks_while_a_check_runs_gets_the_same_answer(service):
    entered, released, calls = threading.Event(), threading.Event(), []

    def slow():
        calls.append(1)
        entered.set()
        released.wait()
        return True, str(len(calls))

    registered(service, "slow", slow)

    async def main():
        first = asyncio.create_task(service.execute_health_check(named("slow")))
        await asyncio.to_thread(entered.wait)
        others = [
            asyncio.create_task(service.execute_health_check(named("slow")))
            for _ in range(20)
        ]
        all_ = asyncio.create_task(service.run_health_checks())
        await asyncio.sleep(0)
        released.set()
        answers = await asyncio.gather(first, *others)
        return [each.unwrap().message for each in answers], (await all_).unwrap()

    messages, all_ = run(main())
    # who asks after the end of the run begins another one, and gets that answer
    assert {*messages} <= {"1", "2"}
    assert messages[0] == "1"
    assert all_[0].message in {"1", "2"}


def test_a_caller_that_gives_up_cancels_nobody_else(service):
    entered, released = threading.Event(), threading.Event()

    def slow():
        entered.set()
        released.wait()

    registered(service, "slow", slow)

    async def main():
        impatient = asyncio.create_task(service.execute_health_check(named("slow")))
        await asyncio.to_thread(entered.wait)
        patient = asyncio.create_task(service.execute_health_check(named("slow")))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait({impatient})
        released.set()
        return impatient.cancelled(), await patient

    cancelled, answer = run(main())
    assert cancelled
    assert answer.unwrap().status == "healthy"


@pytest.mark.parametrize("check", [None, "database", 3, {"name": "x"}, Hostile()])
def test_what_is_no_health_check_is_refused(service, check):
    for result in (service.execute(check), run(service.execute_health_check(check))):
        assert result.error_code == "validation"
        assert "check is" in result.error
        assert "expected a FlextHealthCheck" in result.error


def test_a_report_of_a_name_that_cannot_be_shown_is_refused(service):
    result = service.execute(FlextHealthCheck("a\nb"))
    assert "name is 'a\\nb'" in result.error
    assert result.error_code == "validation"


def test_what_the_pipeline_cannot_take_is_told(service):
    from flext_observability.health_checks import HealthChecks

    full = HealthChecks(lambda event: False, lambda: None)
    result = full.execute(named("queue"))
    assert result.error_code == "not_taken"
    assert "cannot take 'queue' now" in result.error
    never = full.run_all().wait()
    assert [each.message for each in never] == ["the backend was stopped meanwhile"]
    later = run(full.run_all().awaited())
    assert [each.message for each in later] == ["the backend was stopped meanwhile"]


@pytest.mark.parametrize(
    ("name", "function", "options", "told_why"),
    [
        ("", print, {}, "name is ''"),
        (None, print, {}, "name is None"),
        ("a\nb", print, {}, "name is 'a\\nb'"),
        ("a", None, {}, "function is None"),
        ("a", lambda x: x, {}, "expected a function without arguments"),
        ("a", print, {"time_out": 3}, "did you mean 'timeout'?"),
        ("a", print, {"timeout": 0}, "timeout is 0"),
        ("a", print, {"timeout": 31}, "the interval (30) at most"),
        ("a", print, {"timeout": float("nan")}, "timeout is nan"),
        ("a", print, {"interval": -1}, "interval is -1"),
        ("a", print, {"failures": 0}, "failures is 0"),
        ("a", print, {"recoveries": 0.5}, "recoveries is 0.5"),
        ("a", print, {"critical": "yes"}, "critical is 'yes'"),
        ("a", print, {"depends_on": "database"}, "depends_on is 'database'"),
        ("a", print, {"depends_on": [3]}, "depends_on is (3,)"),
        ("a", print, {"depends_on": ["a"]}, "depends_on: the dependencies lead"),
        ("a", print, {"interval": Hostile()}, "cannot be used: RuntimeError"),
    ],
)
def test_a_check_that_cannot_be_meant_is_refused(
    service, name, function, options, told_why
):
    result = run(service.register_health_check(name, function, **options))
    assert told_why in result.error
    assert result.error_code == "validation"
    assert [*statuses(service)] == ["flext_observability"]


def test_a_name_belongs_to_one_check_until_it_is_unregistered(service):
    registered(service, "database", lambda: "degraded")
    again = run(service.register_health_check("database", print))
    assert again.error_code == "conflict"
    assert "name is 'database'" in again.error
    assert executed(service, "database").status == "degraded"
    assert run(service.unregister_health_check("database")).unwrap() == "database"
    registered(service, "database", lambda: True)
    assert statuses(service)["database"] == "unknown"


def test_what_is_told_last_of_a_check_that_goes_is_that_nothing_is_known(
    service, backend, told
):
    registered(service, "database", lambda: False)
    registered(service, "never asked", print)
    executed(service, "database")
    executed(service, "reported")
    for name in ("database", "never asked", "reported"):
        assert service.unregister(name).is_success
    assert events(backend, told, "database") == ["unhealthy", "unknown"]
    assert events(backend, told, "reported") == ["healthy", "unknown"]
    assert events(backend, told, "never asked") == []
    assert [*statuses(service)] == ["flext_observability"]


def test_who_unregisters_what_is_not_there_is_told_what_is(service):
    registered(service, "database", print)
    assert "did you mean 'database'?" in service.unregister("databse").error
    assert service.unregister(None).error_code == "unknown_check"
    own = service.unregister("flext_observability")
    assert (own.error_code, "stays" in own.error) == ("conflict", True)
    assert service.register("flext_observability", print).error_code == "conflict"


def test_checks_that_depend_on_one_another_in_a_circle_are_refused_by_name(service):
    registered(service, "api", print, depends_on=["database"])
    registered(service, "database", print, depends_on=["disk"])
    result = service.register("disk", print, depends_on=["api"])
    assert "in a circle" in result.error
    assert all(name in result.error for name in ("api", "database", "disk"))
    assert [*statuses(service)] == ["flext_observability", "api", "database"]


def test_a_check_is_unknown_while_what_it_depends_on_is_down_and_says_so(service):
    up = {"database": True}
    registered(service, "api", lambda: up["database"], depends_on=["database"])
    assert checks(service)["api"]["missing"] == ["database"]
    registered(service, "database", lambda: up["database"])
    assert "missing" not in checks(service)["api"]
    assert {each.status for each in service.run_all().unwrap()} == {"healthy"}
    up["database"] = False
    for name in ("database", "api"):
        assert executed(service, name).status == "unhealthy"
    found = overall(service)
    assert found.status == "unhealthy"
    assert found.message == (
        "api is unknown (because of database), database is unhealthy"
    )
    assert found.details["checks"]["api"]["because_of"] == ["database"]


@pytest.mark.parametrize(
    ("found", "critical", "expected"),
    [
        ({}, True, ("healthy", True)),
        ({"a": True, "b": True}, True, ("healthy", True)),
        ({"a": True, "b": "degraded"}, True, ("degraded", True)),
        ({"a": True, "b": "unknown"}, True, ("unknown", False)),
        ({"a": False, "b": "unknown"}, True, ("unhealthy", False)),
        ({"a": False, "b": "unknown"}, False, ("degraded", True)),
    ],
)
def test_the_worst_critical_check_decides_and_others_only_degrade(
    service, backend, found, critical, expected
):
    assert backend.start().is_success
    for name, answer in found.items():
        registered(service, name, lambda answer=answer: answer, critical=critical)
    assert service.run_all().is_success
    all_ = run(service.get_health_status()).unwrap()
    assert all_.name == "overall"
    assert (all_.status, all_.details["ready"]) == expected
    assert [*all_.details["checks"]] == ["flext_observability", *found]


def test_nothing_is_known_before_the_start_and_asking_starts_nothing(service, backend):
    assert overall(service).status == "unknown"
    assert not backend.is_running


def test_all_registered_checks_run_at_the_same_time(service):
    barrier = threading.Barrier(3, timeout=10)

    def meets():
        return bool(barrier.wait() >= 0)

    for name in "abc":
        registered(service, name, meets)
    found = run(service.check_all()).unwrap()
    assert [(each.name, each.status) for each in found] == [
        ("a", "healthy"),
        ("b", "healthy"),
        ("c", "healthy"),
        ("flext_observability", "healthy"),
    ]


def test_checks_with_an_interval_run_by_themselves_also_those_that_come_later(service):
    calls, often = [], threading.Event()

    def first():
        calls.append(1)
        if len(calls) == 3:
            often.set()

    came = threading.Event()
    assert service.register("first", first, interval=0.01).is_success
    assert often.wait(10)
    assert service.register("later", came.set).is_success
    assert came.wait(10)


def test_a_check_that_was_registered_before_the_start_and_throw_away_services_share(
    backend, service
):
    backend.stop()
    asked = threading.Event()
    assert FlextHealthService(backend).register("early", asked.set).is_success
    assert service.execute(named("early")).error_code == "not_running"
    assert service.run_all().error_code == "not_running"
    assert not asked.is_set()
    assert backend.start().is_success
    assert asked.wait(10)
    assert executed(FlextHealthService(backend), "early").status == "healthy"


def test_a_check_may_record_while_the_backend_starts(backend, service):
    """A turn that begins too early would wait for the start, and the start for it."""
    from flext_observability import FlextMetricsService

    recorded = threading.Event()

    async def records():
        if FlextMetricsService(backend).record("turns", 1).is_success:
            recorded.set()

    assert backend.checks.register("records", records, {}).is_success
    assert backend.start().is_success
    assert recorded.wait(10)


def test_a_stop_does_not_wait_for_a_check_and_who_waits_is_told(backend, service):
    entered, released = threading.Event(), threading.Event()

    def hangs():
        entered.set()
        released.wait()

    registered(service, "hangs", hangs)
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(executed(service, "hangs"))
    )
    waiting.start()
    assert entered.wait(10)
    assert backend.stop().unwrap().drained
    waiting.join()
    released.set()
    assert (answers[0].status, answers[0].message) == (
        "unknown",
        "the backend was stopped meanwhile",
    )


def test_checks_come_and_go_from_many_threads_while_they_run(backend, service):
    failures = []

    def work(own):
        for turn in range(15):
            name = f"{own}-{turn}"
            results = [
                service.register(
                    name, lambda: True, interval=0.001 if turn % 2 else None
                ),
                service.execute(named(name)),
                service.execute(named(f"{own} reported", "degraded")),
                service.status(),
                service.unregister(name),
            ]
            failures.extend(each for each in results if each.is_failure)

    threads = [threading.Thread(target=work, args=(own,)) for own in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    reported = {f"{own} reported": "degraded" for own in range(6)}
    assert statuses(service) == {"flext_observability": "healthy", **reported}


def test_reports_of_ever_new_components_take_bounded_room():
    from flext_observability import health_checks

    few = health_checks.HealthChecks(lambda event: True, lambda: None)
    for number in range(health_checks.MOST_REPORTED + 3):
        assert few.execute(named(f"c{number}")).is_success
    kept = [*few.report().checks][1:]
    assert len(kept) == health_checks.MOST_REPORTED
    assert kept[0] == "c3"


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)],
    ids=["long ago", "far ahead"],
)
def test_a_time_that_no_exporter_can_write_is_kept_within_what_they_can(
    service, backend, told, moment
):
    check = FlextHealthCheck("old", checked_at=moment)
    assert service.execute(check).unwrap() is check
    assert backend.flush().is_success
    (event,) = [each for each in told.events if each.name == "old"]
    assert 0 <= event.time_unix_nano < 2**63
    assert overall(service).details["checks"]["old"]["status"] == "healthy"


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([True, False, "degraded"])),
        max_size=12,
    )
)
def test_what_is_believed_without_thresholds_is_what_was_found_last(reports):
    from flext_observability.health_checks import HealthChecks

    checks, last = HealthChecks(lambda event: True, lambda: None), {}
    words = {True: "healthy", False: "unhealthy"}
    for name, answer in reports:
        status = words.get(answer, answer)
        assert checks.execute(named(name, status)).is_success
        last[name] = status
    found = {n: c.status.value for n, c in checks.report().checks.items()}
    assert found == {"flext_observability": "unknown", **last}
