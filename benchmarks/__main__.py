"""All benchmarks and one table: ``python -m benchmarks [--short] [--json FILE]``.

Each benchmark runs in a fresh interpreter, one after the other, so that none inherits
another's heap. The exit code is 0 whether or not the aims are reached: a busy machine
must not fail a build. It is 1 if a benchmark could not run, and 130 after Ctrl-C; what
was found by then is told all the same.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distributions, version
from multiprocessing import get_context
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.report import Figure, figures_of, missing, table

BENCHMARKS = (
    "engine_chain",
    "engine_shape",
    "engine_peers",
    "own_metrics",
    "span_cost",
    "log_cost",
    "request_headers",
    "metric_cost",
    "rule_cost",
    "flext_cost",
    "export_spans",
    "export_logs",
    "export_points",
    "otlp_encoding",
    "gateway",
    "web_requests",
    "heartbeat",
    "import_time",
    "backlog_memory",
    "overload",
    "growth",
)
WELL, FAILED, INTERRUPTED = 0, 1, 130
PEERS = "peers/lib/python*/site-packages"
PACKAGES = (
    "sluiceway",
    "opentelemetry-sdk",
    "prometheus-client",
    "protobuf",
    "aiohttp",
    "msgspec",
    "aiostream",
    "bytewax",
    "csp",
    "hyperwire",
    "rotel",
)


def run(name: str, *, short: bool) -> list[Figure]:
    """The figures of one benchmark, from an interpreter of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(figures_of, name, short=short).result()


def run_all(names: Sequence[str], *, short: bool) -> tuple[list[Figure], int]:
    """The figures of these benchmarks, and the exit code."""
    found: list[Figure] = []
    code = WELL
    for position, name in enumerate(names):
        begin = time.monotonic()
        try:
            found += run(name, short=short)
            print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the table is for who waits
            found += [missing(each, "interrupted") for each in names[position:]]
            return found, INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the others have figures all the same
            code = FAILED
            found.append(missing(name, f"failed: {type(error).__name__}: {error}"))
    return found, code


def surroundings() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {cpu_count()} cores",
        "processor": processor_name(),
        "load": [round(load, 2) for load in getloadavg()],
        "versions": {package: version_of(package) for package in PACKAGES},
    }


def processor_name() -> str:
    """What Linux tells of the processor; elsewhere what Python knows."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.processor()


def version_of(package: str) -> str:
    """Of this environment, else of the one for peers that need another Python."""
    try:
        return version(package)
    except PackageNotFoundError:
        paths = [str(path) for path in Path(sys.prefix).glob(PEERS)]
        found = [d.version for d in distributions(name=package, path=paths)]
        return f"{found[0]} (in another Python)" if found else "missing"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write them there too"
    )
    parser.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help="these alone"
    )
    given = parser.parse_args()
    if given.json is not None and not given.json.absolute().parent.is_dir():
        parser.error(f"--json is {str(given.json)!r}; expected a file in a folder")
    return given


def main() -> int:
    given = arguments()
    loads = [round(load, 2) for load in getloadavg()]
    begin = time.monotonic()
    names = given.only or BENCHMARKS
    found, code = run_all(names, short=given.short)
    around = {**surroundings(), "load_before": loads}
    print(f"\nPython {around['python']}, {around['machine']}, {around['processor']}")
    print(f"{around['date']}, load before and after {loads} and {around['load']}")
    print(", ".join(f"{name} {number}" for name, number in around["versions"].items()))
    print(f"\n{table(found)}\n\n{time.monotonic() - begin:.0f} s in all")
    if given.json is not None:
        report = {**around, "short": given.short, "figures": found}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return code


if __name__ == "__main__":
    sys.exit(main())
