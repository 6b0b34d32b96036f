"""The job that ends leaves its metrics at a real pushgateway and the rest in a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from servers.processes import free_port, pushgateway

from sluiceway.events import LogRecord, Span
from sluiceway.formats.json_events import decode_event
from sluiceway.formats.prometheus_lint import lint_page

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_job(gateway, journal):
    own = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "batch_job.py"],
        cwd=EXAMPLES,
        env={**own, "PUSHGATEWAY": gateway, "JOURNAL": str(journal)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def kinds_in(journal):
    return Counter(
        type(decode_event(line)) for line in journal.read_text().splitlines()
    )


@pytest.mark.servers
def test_the_next_run_replaces_the_metrics_and_goes_on_in_the_file(tmp_path):
    journal = tmp_path / "import.jsonl"
    with pushgateway(tmp_path) as gateway:
        runs = [run_job(gateway.url, journal) for _ in range(2)]
        page = gateway.get("/metrics")
    for done in runs:
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "7 delivered, 0 lost; balanced"
    assert 'import_rows_total{instance="",job="import",source="orders"} 6' in page
    assert page.count("\nimport_last_success_seconds{") == 1
    assert lint_page(page.encode()) == []
    assert kinds_in(journal) == {Span: 4, LogRecord: 4}


def test_a_gateway_that_is_not_there_is_told_by_the_ledger_and_the_exit_code(tmp_path):
    journal = tmp_path / "import.jsonl"
    done = run_job(f"http://127.0.0.1:{free_port()}", journal)
    assert done.returncode == 1
    assert "errored{connection} 3" in done.stdout
    assert done.stdout.splitlines()[-1] == "4 delivered, 3 lost; balanced"
    assert kinds_in(journal) == {Span: 2, LogRecord: 2}
