"""`sluiceway tune` as a user calls it: short searches with real trials."""

from __future__ import annotations

import io
import signal
import subprocess
import tomllib

import pytest
from cli.demo_runs import command, environment
from servers.polling import eventually

from sluiceway.bench.halving import Shown
from sluiceway.cli.tune import trials_told

STAGES = """
import asyncio
from sluiceway import PermanentError, Pipeline, Sink, sink, source

@source
async def own():
    yield 1

@sink(max_in_flight=1)
async def slow(events):
    await asyncio.sleep(0.02)

@sink
async def refuse(events):
    raise PermanentError("never", reason="unwanted")

class Locked(Sink):
    async def open(self, context):
        raise RuntimeError("no key")
    async def write(self, events): ...

pipeline = Pipeline(own >> slow)
refused = Pipeline(own >> refuse)
locked = Pipeline(own >> Locked())
"""

SEED = ("--seed", "5")  # with it the first candidate turns max_in_flight


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "slow.py").write_text(STAGES)
    (tmp_path / "slow.toml").write_text(
        'chains = ["own >> slow"]\n[stages]\nown = { type = "slow:own" }\n'
        'slow = { type = "slow:slow", queue = { capacity = 400 } }\n'
    )
    return tmp_path


def tune(folder, *words, code=0):
    done = subprocess.run(
        command("tune", *words),
        cwd=folder,
        env=environment({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.mark.timeout(180)
def test_more_writes_at_a_time_are_recommended_to_a_slow_sink_as_a_patch(folder):
    words = ("--trial", "250ms", "--budget", "35s", *SEED, "--report", "tune.html")
    out, _ = tune(folder, "slow.toml", "--sinks", "real", *words)
    assert "3 settings of slow" in out
    assert "\npresent settings " in out
    assert "recommended: " in out
    patch = tomllib.loads("[stages.slow]" + out.partition("\n[stages.slow]")[2])
    assert patch["stages"]["slow"]["max_in_flight"] > 1
    page = (folder / "tune.html").read_text()
    assert "Latency (p99) against throughput" in page
    assert 2 <= page.count("<polyline") <= 4


@pytest.mark.parametrize(
    ("goal", "told"),
    [
        ("throughput", "   2/30  1,234 events/s  p99 250 ms  2.0 MiB  a.workers=4\n"),
        ("latency", "   2/30  p99 250 ms  2.0 MiB  a.workers=4\n"),
    ],
)
def test_whoever_watches_is_told_what_each_trial_has_reached(goal, told):
    out = io.StringIO()
    trials_told(out, goal)(2, 30, {"a.workers": 4}, Shown(1234.0, 0.25, 2 << 20))
    assert out.getvalue() == told


@pytest.mark.timeout(180)
def test_where_no_settings_keep_a_bound_it_says_so(folder):
    words = ("--trial", "200ms", "--budget", "25s", "--max-memory", "1MiB")
    out, _ = tune(folder, "slow:pipeline", *words, code=1)
    assert (
        "no candidate keeps the bounds, and the present settings break the one" in out
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--goal", "thruput"], "did you mean 'throughput'?"),
        (["--max-latency", "fast"], "expected a quantity such as"),
        (["--max-memory", "20mibs"], "did you mean 'mib'?"),
        (["--rate", "5k", "--goal", "throughput"], "which a rate or bursts decide"),
        (
            ["--budget", "9s"],
            "--budget is 9 s and a trial takes 1.5 s; expected more than 20 s",
        ),
        (["--budget", "5s", "--trial", "3e-1"], "--budget is 5 s and a trial takes "),
        (["--sorce", "own"], "did you mean '--source'?"),
        (["--source", "won"], "did you mean 'own'?"),
        (["--recording", "absent.jsonl"], "absent.jsonl: cannot be read"),
        (["--report", "absent/page.html"], "absent/page.html: cannot be written"),
    ],
)
def test_a_wrong_word_is_named(folder, words, told):
    out, err = tune(folder, "slow:pipeline", *words, code=2)
    assert told in err
    assert out == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("refused", "rejected{unwanted} at refuse"),
        ("locked", "cannot start: RuntimeError: no key"),
    ],
)
def test_a_pipeline_that_does_not_run_is_told_with_the_reason(folder, name, told):
    words = ("--sinks", "real", "--trial", "200ms")
    out, err = tune(folder, f"slow:{name}", *words, code=1)
    assert err.startswith("sluiceway tune: a trial run failed: ")
    assert told in err
    assert out == ""


def test_a_report_goes_to_stdout_and_what_else_is_told_to_stderr(folder):
    with subprocess.Popen(
        command("tune", "slow:pipeline", "--trial=1s", "--budget=10m", "--report=-"),
        cwd=folder,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr.readline().startswith("slow:pipeline: ")
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=50)
    assert running.returncode == 130, err
    assert out.startswith("<!doctype html>")
    assert out.endswith("</html>\n")
    assert "nothing is recommended" in err
    assert "nothing is recommended" in out
    assert not (folder / "-").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_ends_its_trial_and_leaves_a_report(folder, how):
    words = ("--trial=300ms", "--budget=10m", "--report=tune.html")
    with subprocess.Popen(
        command("tune", "slow:pipeline", *words),
        cwd=folder,
        env=environment({"TMPDIR": str(folder)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout.readline().startswith("slow:pipeline: ")
        eventually(lambda: any(folder.glob("sluiceway-*")))
        running.send_signal(how)
        out, err = running.communicate(timeout=50)
    assert running.returncode == 130, err
    assert err == ""
    assert "nothing is recommended" in out
    assert not any(folder.glob("sluiceway-*"))
    assert "nothing is recommended" in (folder / "tune.html").read_text()
