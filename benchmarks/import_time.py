"""What ``import sluiceway`` costs on top of ``import asyncio``, and what it loads.

Each run is a fresh interpreter; the best run says what the work is, the median what it
is like. Run it with ``python -m benchmarks.import_time``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.report import Figure, bounded, table

LIMIT = 80  # milliseconds
FORBIDDEN = ("aiohttp", "grpc", "opentelemetry", "prometheus_client")
PROGRAM = """
import asyncio, json, sys, time
before = {*sys.modules}
wall, cpu = time.perf_counter(), time.process_time()
import sluiceway
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([wall * 1e3, cpu * 1e3, sorted({*sys.modules} - before)]))
"""


def one_run() -> tuple[float, float, list[str]]:
    """Milliseconds by the wall and of CPU, and the modules that were loaded."""
    told = subprocess.check_output([sys.executable, "-c", PROGRAM])
    wall, cpu, modules = json.loads(told)
    return wall, cpu, modules


def figures(*, short: bool = False) -> list[Figure]:
    one_run()  # whose bytecode the others use
    runs = [one_run() for _ in range(7 if short else 25)]
    walls = [wall for wall, _, _ in runs]
    loaded = {name.partition(".")[0] for name in runs[0][2]}
    title = "import sluiceway after asyncio"
    return [
        bounded(f"{title}, best", min(walls), unit="ms", limit=LIMIT),
        bounded(f"{title}, median", statistics.median(walls), unit="ms", limit=LIMIT),
        bounded(
            f"{title}, CPU, median",
            statistics.median(cpu for _, cpu, _ in runs),
            unit="ms",
            limit=LIMIT,
        ),
        bounded(
            "forbidden modules that it loads",
            len(loaded & {*FORBIDDEN}),
            unit="",
            limit=0,
        ),
    ]


def main() -> None:
    print(table(figures()))
    loaded = one_run()[2]
    wrong = [name for name in loaded if name.partition(".")[0] in FORBIDDEN]
    print(f"{len(loaded)} modules loaded; forbidden ones: {', '.join(wrong) or 'none'}")


if __name__ == "__main__":
    main()
