"""What `make` says first of all, on whatever Python 3 it is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scripts.pythons import interpreter

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_venv.py"
TOO_OLD = [f"3.{minor}" for minor in range(6, 11)]
FOUND = [python for python in map(interpreter, TOO_OLD) if python is not None]


@pytest.mark.parametrize("python", FOUND)
def test_a_python_that_is_too_old_is_told_so_and_makes_nothing(python, tmp_path):
    root = tmp_path / "venv"
    done = subprocess.run(
        [python, str(SCRIPT), str(root)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sluiceway needs Python 3.11 or newer, this is 3.")
    assert not root.exists()
