"""A processor and a sampler against other engines: bytewax, csp, aiostream, hyperwire.

All call the same two functions per event. Each peer is measured event by event, as its
tutorials show it, and in batches where it has a form for them: bytewax's
``flat_map_batch``, csp's and aiostream's lists as events. hyperwire has none; it gets
``performance()`` and async functions, which are six times as quick as plain ones with
it. Each pair runs interleaved in a process of its own, of another Python where the peer
needs one. Run it with ``python -m benchmarks.engine_peers``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.engine_runs import UNIT, Form, map_and_filter, medians
from benchmarks.report import Figure, Spot, cost, missing, table

BATCHES = (100, 1000)
EVENTS = 100_000
ROUNDS = 7
# The aims, in times, against a peer that moves single events, at this batch of ours.
AIMS = {("bytewax", 1000): 2, ("hyperwire", 1000): 100}
PEERS = ("bytewax", "csp", "aiostream", "hyperwire")
ROOT = Path(__file__).parent.parent


def python_with(module: str) -> str | None:
    """An interpreter that has the peer: this one, else that of ``make bench``."""
    if find_spec(module) is not None:
        return sys.executable
    folder = "Scripts" if sys.platform == "win32" else "bin"
    other = Path(sys.prefix) / "peers" / folder / "python"
    if not other.exists():
        return None
    has = [str(other), "-c", f"import {module}"]
    return str(other) if subprocess.run(has, check=False).returncode == 0 else None


def in_its_process(python: str, peer: str, rounds: int) -> dict[str, float]:
    """Median nanoseconds per event of both sides, from an interpreter of its own."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    told = subprocess.run(
        [python, "-m", "benchmarks.engine_peers", peer, str(rounds)],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
    )
    found: dict[str, float] = json.loads(told.stdout)
    return found


def measure(peer: str, rounds: int) -> dict[str, float]:
    """The same, in this process."""
    forms: tuple[Form, ...] = import_module(f"benchmarks.peers.{peer}_chain").FORMS
    contestants: dict[str, tuple[int, Callable[[], float]]] = {}
    for batch in BATCHES:
        contestants[f"sluiceway {batch}"] = (
            EVENTS,
            partial(map_and_filter, EVENTS, batch),
        )
        for form in forms:
            whom = f"{form.name} {batch}"
            contestants[whom] = (form.events, partial(form.run, form.events, batch))
    return medians(contestants, rounds)


def beside(peer: str, found: dict[str, float]) -> list[Figure]:
    """Our chain beside each form of one peer, at each batch."""
    figures = []
    for whom, theirs in found.items():
        form, _, batch = whom.rpartition(" ")
        if form == "sluiceway":
            continue
        aim = AIMS.get((peer, int(batch))) if is_per_event(form) else None
        figures.append(
            cost(
                f"map+filter, batch {batch}, {peer}, {form}",
                found[f"sluiceway {batch}"],
                theirs,
                unit=UNIT,
                times=aim,
                spot=Spot("engine-peers", int(batch), peer=f"{peer}, {form}"),
            )
        )
    return figures


def is_per_event(form: str) -> bool:
    """Whether the peer moves events one by one there; the aims are set for that."""
    return form.startswith("events")


def of_peer(peer: str, rounds: int) -> list[Figure]:
    python = python_with(peer)
    if python is None:
        reason = "not installed, and no Python 3.12 of make bench has it"
        return [missing(f"map+filter, {peer}", reason)]
    return beside(peer, in_its_process(python, peer, rounds))


def figures(*, short: bool = False) -> list[Figure]:
    rounds = 3 if short else ROUNDS
    return [figure for peer in PEERS for figure in of_peer(peer, rounds)]


def main() -> None:
    match sys.argv[1:]:
        case [peer, rounds]:
            print(json.dumps(measure(peer, int(rounds))))
        case _:
            print(table(figures()))


if __name__ == "__main__":
    main()
