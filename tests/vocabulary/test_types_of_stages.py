"""What mypy makes of stages that a user writes; errors stand behind their lines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import sluiceway
from sluiceway import decorators

SOURCE = Path(sluiceway.__file__).parents[1]
USER = """
from sluiceway import (
    Accumulator, BatchBy, Batches, Queue, Retry, processor, sampler, sink, source
)

class Pairs(Accumulator[int, int]):
    def add(self, events: list[int], now: float) -> Batches[int]:
        return Batches([[1], [2, 3]])

class Sums(Accumulator[int, int]):
    def add(self, events: list[int], now: float) -> list[int]:
        return [sum(events)]

class Words(Accumulator[int, int]):
    def add(self, events: list[int], now: float) -> list[str]:  # E: override
        return []

@source(name="ticks", wants_delivery=True)
def ticks() -> list[int]:
    return [1]

@processor(workers=4, blocking=True, queue=Queue(capacity=3))
def double(event: int) -> int:
    return 2 * event

@sampler(name="odd")
def odd(event: int) -> bool:
    return event % 2 == 1

@sink(batch=BatchBy(max_events=5), retry=Retry(deadline=3), timeout=None)
async def out(events: list[int]) -> None: ...

processor(worker=4)  # E: call-overload
processor(workers="4")  # E: call-overload
sampler(blocking=True)  # E: call-overload
sink(queue=3)  # E: call-overload
ticks >> double >> odd >> Pairs() >> [out, Sums() >> out]
"""


def test_mypy_knows_what_stages_may_return_and_what_decorators_take(tmp_path):
    program = tmp_path / "user.py"
    program.write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    done = subprocess.run(
        [*command, "--no-error-summary", f"--cache-dir={tmp_path}", str(program)],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        check=False,
    )
    found = re.findall(r"user\.py:(\d+): error: .*\[(.+)\]", done.stdout)
    lines = enumerate(USER.splitlines(), 1)
    wanted = [(str(n), text.split("# E: ")[1]) for n, text in lines if "# E: " in text]
    assert found == wanted, done.stdout
    assert len(found) == done.stdout.count("error:"), done.stdout


@pytest.mark.parametrize("kind", ["Source", "Processor", "Sampler", "Sink"])
def test_the_settings_that_types_know_are_those_that_a_decorator_takes(kind):
    taken = decorators.settings_of(getattr(decorators, f"Function{kind}"))
    typed = get_type_hints(getattr(decorators, f"{kind}Settings"))
    assert typed.keys() == taken
