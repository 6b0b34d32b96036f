"""What a Notifier tells, and when, is what a real Alertmanager 0.25.0 has told."""

from __future__ import annotations

import json

import pytest
from alertmanager_scripts import RUNS, Played

KEPT = json.loads(RUNS.read_text())


@pytest.mark.parametrize("run_", KEPT, ids=range(len(KEPT)))
def test_groups_repeats_silences_and_inhibitions_are_told_as_by_alertmanager(run_):
    assert Played().told(run_["script"]) == run_["told"]
