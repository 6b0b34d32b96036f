"""Every example and every block of the README runs as it stands."""

import ast
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from servers.polling import eventually
from servers.processes import free_port

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def run_example(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_background_script_delivers_from_two_threads():
    done = run_example("background_script.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kitchen: ") == 3
    assert "6 delivered, 0 lost; balanced" in done.stdout


def test_alerts_are_sent_and_received_in_both_of_their_forms():
    done = run_example("alerts.py")
    assert done.returncode == 0, done.stderr
    for line in (
        "DiskFull firing (/var is at 97 %)",
        "DiskFull resolved (/var is at 97 %)",
        "chat firing (warning: /var is at 97 %)",
        "chat firing (solved: /var is at 97 %)",
    ):
        assert done.stdout.count(line) == 1
    assert done.stdout.count("4 delivered, 0 lost; balanced") == 2


def test_health_decides_who_is_ready_and_whom_people_hear_of():
    done = run_example("health.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    expected = [
        "firing critical: database is unhealthy: ConnectionError: nobody answers",
        "resolved critical: database is healthy: 12 connections",
    ]
    assert [line for line in lines if " critical: " in line] == expected
    assert "firing warning: disk is degraded: 91 % full" in lines
    ready = [line for line in lines if line.startswith("ready: ")]
    assert ready[1].startswith("ready: 503 database is unhealthy")
    assert (ready[0], ready[2]) == ("ready: 200", "ready: 200")
    state = 'health_check_name="prices",health_check_state="healthy"'
    assert f"health_check_status{{{state}}} 1.0" in lines
    assert lines[-1].endswith("0 lost; balanced")


def test_the_flext_service_is_watched_and_its_alert_escalates_until_acknowledged():
    done = run_example("flext_service.py")
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told.count("chat: firing DiskFull: no room left") == 1
    assert told.count("pager: firing critical DiskFull") == 1
    assert "disk: unhealthy" in told
    assert "pager: resolved critical DiskFull" in told
    history = [line.split(" ", 1)[1] for line in told if line[2:3] == line[5:6] == ":"]
    assert [line.split()[0] for line in history] == [
        "raised",
        "told",
        "told",
        "acknowledged",
        "resolved",
    ]
    assert "3.0 orders" in told
    assert told[-1].endswith("lost 0")


def test_the_custom_stages_work_together():
    done = run_example("custom_stages.py")
    assert done.returncode == 0, done.stderr
    assert "[{3: 1, 2: 1, 1: 1, 0: 1}]" in done.stdout
    assert "0 lost; balanced" in done.stdout


def test_structlog_prints_its_events_and_each_is_a_record_of_its_trace():
    done = run_example("structlog_app.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("event=")]) == 5
    records = [x for x in done.stderr.splitlines() if x.startswith("record: ")]
    assert records[0] == "record: no trace open {}"
    soup = [line.split()[1] for line in records if "soup" in line]
    ice_cream = [line.split()[1] for line in records if "ice cream" in line]
    assert (len(soup), len(set(soup))) == (2, 1)
    assert (len(ice_cream), len(set(ice_cream))) == (3, 1)
    assert "6 delivered, 0 lost; balanced" in done.stdout


def test_the_tests_of_the_custom_stages_pass():
    done = run_example("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES))
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_the_aiohttp_application_serves_and_drains_on_sigint():
    port = free_port()
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }
    with subprocess.Popen(
        [sys.executable, "aiohttp_app.py", str(port)],
        cwd=EXAMPLES,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as application:
        try:
            eventually(lambda: '"hello": "you"' in get(port, "/hello/you"))
            assert "greetings_total" in eventually(lambda: metrics_with(port, "greet"))
        finally:
            application.send_signal(signal.SIGINT)
            printed, _ = application.communicate(timeout=30)
    assert "balanced" in printed
    assert "NOT BALANCED" not in printed


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as got:
            return got.read().decode()
    except OSError:
        return ""


def metrics_with(port, word):
    page = get(port, "/metrics")
    return page if word in page else ""


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_of_the_readme_runs(block):
    """Blocks define stages and pipelines; running one must not need a server."""
    tree = ast.parse(block)
    namespace = {"__name__": "readme"}
    exec(compile(tree, "README.md", "exec"), namespace)
    assert len(namespace) > 2


def test_the_flext_block_of_the_readme_runs_without_any_set_up():
    (block,) = [each for each in BLOCKS if "flext_monitor_function" in each]
    done = run_example("-c", f"{block}\nimport asyncio\nasyncio.run(main())")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 FlextResult.ok(1.0)\n"


def test_the_first_screen_delivers_to_a_receiver():
    """Its main() runs against a receiver of our own, and its ledger says so."""
    program = f"""
import asyncio
from sluiceway import Pipeline
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

async def receive_and_run():
    source, received = OtlpSource(port=0), CollectingSink()
    async with Pipeline(source >> received):
        block = {BLOCKS[0]!r}.replace("4318", str(source.port))
        names = {{"__name__": "readme"}}
        exec(block, names)
        await names["main"]()
        await received.wait_for(1, timeout=10)
    assert any(getattr(e, "name", "") == "checkout" for e in received.events)

asyncio.run(receive_and_run())
"""
    done = run_example("-c", program)
    assert done.returncode == 0, done.stderr
    assert "0 lost; balanced" in done.stdout


def test_the_instruments_of_the_readme_deliver_to_a_receiver():
    (block,) = [each for each in BLOCKS if "telemetry.install()" in each]
    program = f"""
import asyncio, os
from sluiceway import Pipeline
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

async def receive_and_run():
    source, received = OtlpSource(port=0), CollectingSink()
    async with Pipeline(source >> received):
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{{source.port}}"
        names = {{"__name__": "readme"}}
        exec({block!r}, names)
        await names["main"]()
    told = {{getattr(e, "name", getattr(e, "body", None)) for e in received.events}}
    wanted = {{"orders", "checkout.duration", "card declined", "process.cpu.time"}}
    assert wanted <= told, told

asyncio.run(receive_and_run())
"""
    done = run_example("-c", program)
    assert done.returncode == 0, done.stderr
