"""Whole requests to FastAPI and aiohttp: with nothing, with us, with the SDK.

Three servers of the same application run at the same time, in processes of their own:
without telemetry, with our middleware, with the SDK and the instrumentation of its
project. Each request has two spans, which go to a receiver over OTLP. Rounds are
interleaved: every server gets so many requests, then all it has made is flushed; "CPU"
is what its process has used until then, threads included. "Latency" is the median that
one client sees on one connection, one request after the other. What a contestant adds
is what it has over the server with nothing. "Loop lag" is how late a heartbeat of a
millisecond is, 99 times of 100 at most, while so many spans a second are made in the
server's loop; the peer is the SDK's. Run it with ``python -m benchmarks.web_requests``.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import aiohttp

from benchmarks.receiver import Receiver, receiver
from benchmarks.report import Figure, table

KINDS = ("fastapi", "aiohttp")
LOOPS = ("asyncio", "uvloop")
CONTESTANTS = ("nothing", "sluiceway", "SDK")
RATES = (10_000, 50_000)  # spans a second
CLIENTS = 4
SPANS_OF_A_REQUEST = 2

Found = dict[str, dict[str, list[float]]]  # by what was measured, by contestant


@contextmanager
def serving(kind: str, contestant: str, loop: str, url: str) -> Iterator[str]:
    """The address of a server, which ends with the block."""
    command = [sys.executable, "-m", "benchmarks.web_server"]
    with subprocess.Popen(
        [*command, kind, contestant, loop, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        yield f"http://127.0.0.1:{int(port)}"
        process.communicate()
    assert process.returncode == 0, (kind, contestant, loop)


class Server:
    """One contestant as the benchmark asks it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def get(self, path: str) -> object:
        async with self._session.get(self._url + path) as answer:
            assert answer.status == 200, path
            return await answer.json()

    async def cpu(self) -> float:
        used = await self.get("/bench/cpu")
        assert isinstance(used, float)
        return used

    async def cpu_of_requests(self, count: int) -> float:
        """CPU microseconds of the server for each of so many requests."""

        async def ask(numbers: range) -> None:
            for number in numbers:
                await self.get(f"/items/{number}")

        before = await self.cpu()
        await asyncio.gather(*(ask(range(n, count, CLIENTS)) for n in range(CLIENTS)))
        return (await self.cpu() - before) / count * 1e6

    async def latency(self, count: int) -> float:
        """The median in microseconds of requests one after the other."""
        times = []
        for number in range(count):
            begin = time.perf_counter()
            await self.get(f"/items/{number}")
            times.append(time.perf_counter() - begin)
        return statistics.median(times) * 1e6

    async def loop_lag(self, rate: int) -> tuple[float, float]:
        """The 99th percentile in ms, and how many spans a second were made."""
        told = await self.get(f"/bench/lag?rate={rate}")
        assert isinstance(told, dict)
        return statistics.quantiles(told["late"], n=100)[98], told["made"]


async def measure(urls: dict[str, str], to: Receiver, rounds: int, count: int) -> Found:
    """All figures of one kind of application on one kind of loop."""
    found: Found = defaultdict(lambda: defaultdict(list))
    async with aiohttp.ClientSession() as session:
        servers = {name: Server(session, url) for name, url in urls.items()}
        for server in servers.values():  # the first requests are slow
            await server.cpu_of_requests(count)
            await server.cpu()  # and what they have made is sent off
        await asyncio.to_thread(to.count)
        for _ in range(rounds):
            for name, server in servers.items():
                used = await server.cpu_of_requests(count)
                await check_arrived(name, to, count)
                found["CPU"][name].append(used)
                found["latency"][name].append(await server.latency(count // 2))
                await server.cpu()
                await asyncio.to_thread(to.count)
        for rate in RATES:
            for _ in range(rounds // 3):
                for name, server in servers.items():
                    lag, made = await server.loop_lag(rate)
                    found[f"lag {rate}"][name].append(lag)
                    found[f"made {rate}"][name].append(made)
    return found


async def check_arrived(name: str, to: Receiver, count: int) -> None:
    arrived = await asyncio.to_thread(to.count)
    expected = 0 if name == "nothing" else SPANS_OF_A_REQUEST * count
    assert arrived == expected, (name, arrived, expected)


def of_group(title: str, found: Found) -> list[Figure]:
    """What was found of one kind of application on one kind of loop."""
    medians = {
        what: {name: statistics.median(values) for name, values in by_name.items()}
        for what, by_name in found.items()
    }
    figures = []
    for what, unit in (("CPU", "us CPU"), ("latency", "us")):
        nothing, ours, sdk = (medians[what][name] for name in CONTESTANTS)
        whole = f"{title}, {what}"
        figures += [
            Figure(name=f"{whole} without telemetry", ours=nothing, unit=unit),
            beside(f"{whole} in all", ours, sdk, unit),
            beside(f"{whole} added", ours - nothing, sdk - nothing, unit),
        ]
    idle = statistics.median(medians[f"lag {rate}"]["nothing"] for rate in RATES)
    figures.append(Figure(name=f"{title}, p99 lag, no spans", ours=idle, unit="ms"))
    for rate in RATES:
        _, ours, sdk = (medians[f"lag {rate}"][name] for name in CONTESTANTS)
        at = f"at {rate:,} spans/s"
        figures += [
            beside(f"{title}, p99 lag, {at}", ours, sdk, "ms"),
            achieved(f"{title}, made {at}", medians[f"made {rate}"]),
        ]
    return figures


def achieved(name: str, made: dict[str, float]) -> Figure:
    """How many spans a second were made: who blocks the loop makes fewer."""
    return Figure(name=name, ours=made["sluiceway"], unit="spans/s", peer=made["SDK"])


def beside(name: str, ours: float, peer: float, unit: str) -> Figure:
    """A figure beside the SDK's; what is lost in noise has no ratio."""
    ratio = peer / ours if ours > 0 and peer > 0 else None
    return Figure(name=name, ours=ours, unit=unit, peer=peer, ratio=ratio)


def figures(*, short: bool = False) -> list[Figure]:
    rounds, count = (3, 200) if short else (15, 1000)
    found = []
    for kind in KINDS:
        for loop in LOOPS[:1] if short else LOOPS:
            with receiver() as to, ExitStack() as stack:
                urls = {
                    name: stack.enter_context(serving(kind, name, loop, to.url))
                    for name in CONTESTANTS
                }
                measured = asyncio.run(measure(urls, to, rounds, count))
            found += of_group(f"{kind} on {loop}", measured)
    return found


def main() -> None:
    print(table(figures(short="--short" in sys.argv)))


if __name__ == "__main__":
    main()
