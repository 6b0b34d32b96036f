"""What FLEXT's operations cost the program that calls them.

Each is one call into the pipeline of the process, which runs on its own thread: a
function that ``flext_monitor_function`` watches, less what the function alone costs; a
measurement and an alert, with endpoints that nobody answers, too; and an operation that
is started and completed. Bursts are short and followed by a flush, so that what is
measured is the call and not the thread of the pipeline; rounds are interleaved. A
watched call aims at 3 us, a measurement or an alert with a dead endpoint at 50 us. Run
it with `python -m benchmarks.flext_cost [rounds]`.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import time
from logging import CRITICAL, getLogger

from benchmarks.report import Figure, bounded
from flext_observability import (
    FlextBackend,
    FlextObservabilityConfig,
    FlextObservabilityMasterFactory,
    FlextObservabilityMonitor,
    flext_monitor_function,
    get_global_factory,
    reset_global_factory,
)

CALLS = 200
ROUNDS = 60
WATCHED, AWAITED = "watched call", "watched call, awaited"
MONITORED = "watched call, by a monitor's own backend"
METRIC, DEAD = "record_metric", "record_metric, dead endpoint"
ALERT = "create_alert and process_alert, dead Alertmanager"
TRACE = "create_trace, start_trace and complete_trace"
AIMS = {WATCHED: 3.0, AWAITED: 3.0, MONITORED: 3.0, DEAD: 50.0, ALERT: 50.0}  # us


def plain(value):
    return value


async def awaited(value):
    return value


watched = flext_monitor_function("plain")(plain)
watched_awaited = flext_monitor_function("awaited")(awaited)
monitor = FlextObservabilityMonitor(FlextBackend())
monitored = flext_monitor_function("plain", monitor=monitor)(plain)


def burst(call, calls=CALLS):
    """Microseconds of each call, once the caches are warm again."""
    for number in range(calls // 4):
        call(number)
    begin = time.perf_counter()
    for number in range(calls):
        call(number)
    return (time.perf_counter() - begin) / calls * 1e6


async def burst_awaited(call):
    for number in range(CALLS // 4):
        await call(number)
    begin = time.perf_counter()
    for number in range(CALLS):
        await call(number)
    return (time.perf_counter() - begin) / CALLS * 1e6


def each_call(call):
    """The median of calls that are timed one by one: some may meet the dead."""
    times = []
    for number in range(CALLS):
        begin = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def measure(rounds):
    """For each operation the microseconds of a call, in each round."""
    getLogger("sluiceway").setLevel(CRITICAL)  # of the dead endpoint much is told
    factory = get_global_factory()
    contestants = contestants_of(factory)
    found = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measured in contestants.items():
            found[name].append(measured())
            factory.flush()
            monitor.backend.flush()
    for report in (reset_global_factory().unwrap(), monitor.stop().unwrap()):
        assert report.drained, report
    return found | with_dead_endpoints(rounds)


def contestants_of(factory):
    def trace(_):
        begun = factory.create_trace("checkout", "shop.checkout").unwrap()
        factory.start_trace(begun).unwrap()
        factory.complete_trace(begun).unwrap()

    return {
        WATCHED: lambda: burst(watched) - burst(plain),
        AWAITED: lambda: (
            asyncio.run(burst_awaited(watched_awaited))
            - asyncio.run(burst_awaited(awaited))
        ),
        MONITORED: lambda: burst(monitored) - burst(plain),
        METRIC: lambda: burst(recorder(factory)),
        TRACE: lambda: burst(trace, CALLS // 4),
    }


def recorder(to):
    return lambda number: to.record_metric(
        "orders", number, tags={"region": "eu"}
    ).unwrap()


def raiser(to):
    """Tells of one alert again, each time with other words."""

    def tell(number):
        told = f"call {number} was slow"
        alert = to.create_alert("Slow", "error", told, "shop").unwrap()
        to.process_alert(alert).unwrap()

    return tell


def with_dead_endpoints(rounds):
    """The same while one export after another fails."""
    found = {DEAD: [], ALERT: []}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it does not listen
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        config = FlextObservabilityConfig(
            otlp_endpoint=url,
            alertmanager_url=url,
            export_interval=0.05,
            drain_timeout=0.1,
        )
        backend = FlextBackend(config)
        factory = FlextObservabilityMasterFactory(backend)
        for _ in range(rounds):
            found[DEAD].append(each_call(recorder(factory)))
            found[ALERT].append(each_call(raiser(factory)))
        backend.stop()
    assert backend.ledger().lost, backend.ledger()
    return found


def medians_of(rounds):
    return {name: statistics.median(told) for name, told in measure(rounds).items()}


def figures(*, short: bool = False) -> list[Figure]:
    return [
        bounded(name, median, unit="us", limit=AIMS[name])
        if name in AIMS
        else Figure(name=name, ours=median, unit="us")
        for name, median in medians_of(20 if short else ROUNDS).items()
    ]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"{'us per call':48}{'median':>8}{'aim':>8}")
    for name, median in medians_of(rounds).items():
        aim = f"{AIMS[name]:8.0f}" if name in AIMS else ""
        print(f"{name:52}{median:8.2f}{aim}")


if __name__ == "__main__":
    main()
