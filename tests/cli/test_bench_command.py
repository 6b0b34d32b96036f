"""`sluiceway bench` as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from cli.demo_runs import command, environment

from sluiceway.bench.telemetry import Shape, TelemetryMaker
from sluiceway.formats.json_events import encode_event

STAGES = """
from sluiceway import Pipeline, PermanentError, Sink, sink, sampler, processor
from sluiceway.events import Span, MetricPoint
from sluiceway.sources import IterableSource
from sluiceway.stages import Source

class Asked(Source[Span]):
    async def run(self, send):
        raise AssertionError("the pipeline's own source ran")

class Gauges(Source[MetricPoint]):
    async def run(self, send):
        raise AssertionError("the pipeline's own source ran")

@processor
def change(event):
    event.attributes["changed"] = True
    return event

@sampler
def half(event):
    return event.span_id[0] % 2 == 0

@sink
async def show(events):
    print("really", len(events), all(e.attributes["changed"] for e in events))

@sink
async def refuse(events):
    raise PermanentError("never", reason="unwanted")

class Locked(Sink):
    async def open(self, context):
        raise RuntimeError("no key")
    async def write(self, events): ...

spans, gauges = Asked(), Gauges()
spans.name, gauges.name = "spans", "gauges"
pipeline = Pipeline(spans >> change >> half >> show, gauges >> change >> show)
refused = Pipeline(spans >> refuse)
locked = Pipeline(spans >> Locked())
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shop.py").write_text(STAGES)
    (tmp_path / "shop.toml").write_text(
        'chains = ["own >> change >> out"]\n[stages]\nown = { type = "shop:Asked" }\n'
        'change = { type = "shop:change" }\n'
        'out = { type = "OtlpSink", endpoint = "http://127.0.0.1:9" }\n'
    )
    return tmp_path


def bench(folder, *words, code=0):
    done = subprocess.run(
        command("bench", *words),
        cwd=folder,
        env=environment({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def figures(folder, *words, code=0):
    done = bench(folder, *words, "--json", "-", code=code)
    return json.loads(done.stdout)


def by_name(data):
    return {stage["name"]: stage for stage in data["stages"]}


def test_a_file_is_driven_with_made_events_into_null_sinks(folder):
    done = bench(folder, "shop.toml", "--events", "5000")
    assert "own is replaced by made spans\n" in done.stdout
    assert "sinks are null" in done.stdout
    assert "5,000 sent, 5,000 answered for" in done.stdout
    assert done.stdout.endswith("\n5,000 delivered, 0 lost; balanced\n")
    assert done.stderr == ""


def test_all_figures_are_there_as_json(folder):
    data = figures(folder, "shop:pipeline", "--events", "6000")
    assert data["sent"] == data["answered"] == 6000
    assert data["unsent"] == data["lost"] == 0
    assert data["balanced"]
    assert data["drained"]
    assert data["throughput"] > 0
    assert data["latency"]["count"] == 6000
    at = data["latency"]["at"]
    assert 0 < at["50"] <= at["99"] <= at["100"]
    stages = by_name(data)
    assert stages["spans"]["outgoing"] == stages["gauges"]["outgoing"] == 3000
    assert 0 < stages["half"]["left_out"] < 3000
    assert stages["show"]["calls"]["p99"] >= stages["show"]["calls"]["p50"] > 0
    assert 0 <= stages["show"]["queue_mean"] <= stages["show"]["queue_max"]
    assert data["cpu_seconds"] > data["made_seconds"] > 0
    assert data["memory_peak"] > 1 << 20


def test_what_sinks_print_does_not_stand_among_the_figures(folder):
    (folder / "shown.toml").write_text(
        'chains = ["own >> out"]\n[stages]\nown = { type = "shop:Asked" }\n'
        'out = { type = "ConsoleSink" }\n'
    )
    words = ("--sinks", "real", "--events", "20", "--json", "-")
    done = bench(folder, "shown.toml", *words)
    assert json.loads(done.stdout)["delivered"] == 20
    assert len(done.stderr.splitlines()) >= 20
    done = bench(folder, "shop:pipeline", *words)
    assert json.loads(done.stdout)["balanced"]
    assert "really" in done.stderr


def test_a_chosen_source_is_driven_alone(folder):
    done = bench(folder, "shop:pipeline", "--events", "500", "--source", "gauges")
    assert "gauges is replaced by made points\n" in done.stdout
    assert "spans sends nothing" in done.stdout
    assert "500 delivered" in done.stdout


def test_real_sinks_are_written_to_and_all_other_stages_too(folder):
    done = bench(folder, "shop:pipeline", "--sinks", "real", "--events", "200")
    lines = [line for line in done.stdout.splitlines() if line.startswith("really")]
    assert lines
    assert all(line.endswith("True") for line in lines)


def test_a_rate_is_kept_and_an_end_comes_in_time(folder):
    words = ("--rate", "2k", "--duration", "1s", "--warm-up", "0")
    data = figures(folder, "shop:refused", *words)
    assert data["sent"] + data["unsent"] == 2000
    assert data["answered"] == data["sent"]


def test_what_cannot_be_sent_at_the_wanted_rate_is_told_and_can_fail(folder):
    words = ["shop.toml", "--rate", "200k", "--duration", "700ms", "--warm-up", "0"]
    words += ["--sink-time", "1s", "--fail-on-loss"]
    done = bench(folder, *words, code=4)
    assert "NEVER SENT" in done.stdout
    assert "could not keep up: " in done.stdout
    assert done.stdout.endswith("balanced\n")


def test_what_is_still_on_its_way_after_the_drain_is_cut_off_and_told(folder):
    words = ("shop.toml", "--duration", "600ms", "--sink-time", "9s", "--drain", "0.1")
    done = bench(folder, *words, code=3)
    assert "did not drain in time: cut off; still busy with events: " in done.stdout
    assert "dropped{drain_timeout}" in done.stdout


def test_a_setting_can_be_tried_without_changing_the_file(folder):
    words = ("shop.toml", "--events", "1000", "--set", "out.queue.capacity=250")
    assert by_name(figures(folder, *words))["out"]["queue_capacity"] == 250
    done = bench(folder, "shop.toml", "--set", "out.que.capacity=1", code=2)
    assert "did you mean 'out.queue.capacity'?" in done.stderr
    done = bench(folder, "shop.toml", "--set", "out=1", code=2)
    assert "out: expected a setting of the stage, such as out.queue" in done.stderr


def test_a_kind_has_one_share(folder):
    done = bench(folder, "shop.toml", "--mix", "spans=1,spans=2", code=2)
    assert "each kind once" in done.stderr


def test_a_report_is_a_page_with_plots(folder):
    words = ("shop:pipeline", "--events", "2000", "--report", "report.html")
    bench(folder, *words)
    page = (folder / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "shop:pipeline under load" in page
    assert "Latency by percentile" in page
    assert [f">{name}</text>" in page for name in ("99.9", "max")] == [True, True]
    assert "2,000" in page


def test_what_all_arrives_in_the_warm_up_tells_no_throughput_and_no_latency(folder):
    words = ("shop:pipeline", "--events=200", "--duration=5s", "--report=report.html")
    told = bench(folder, *words).stdout
    assert "throughput  not known (200 sent, 200 answered for)" in told
    assert "latency     not known: all that arrived was due in the warm-up" in told
    page = (folder / "report.html").read_text()
    assert page.count("<b>not known</b>") == 3
    assert "Latency by percentile" not in page


def test_where_making_the_load_takes_longest_it_says_so(folder):
    (folder / "gate.py").write_text(
        "from sluiceway import Pipeline\n"
        "from sluiceway.sources import OtlpSource\n"
        "from sluiceway.testing import CollectingSink\n"
        "pipeline = Pipeline(OtlpSource(port=0) >> CollectingSink())\n"
    )
    words = ("gate:pipeline", "--events=30000", "--report=report.html")
    said = "making the load decides how fast this goes: your pipeline takes up to "
    assert said in bench(folder, *words).stdout
    assert said in (folder / "report.html").read_text()


def test_a_report_goes_to_stdout_as_a_page_and_nothing_else(folder):
    words = ("shop:pipeline", "--events", "200", "--sinks", "real", "--report", "-")
    done = bench(folder, *words)
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")
    assert "really" in done.stderr
    assert not (folder / "-").exists()


def test_losses_are_told_by_stage_and_reason_and_fail_only_if_asked(folder):
    words = ("shop:refused", "--sinks", "real", "--events", "300")
    done = bench(folder, *words)
    assert "lost at refuse: 300 rejected{unwanted}" in done.stdout
    assert "0 delivered, 300 lost; balanced" in done.stdout
    assert "throughput  0 events/s (300 sent" in done.stdout
    assert "latency     not known: no event arrived\n" in done.stdout
    bench(folder, *words, "--fail-on-loss", code=4)


def test_a_recording_is_sent_again_and_again(folder):
    spans = TelemetryMaker(Shape(mix={"spans": 1}), lambda: 1)(7)
    lines = b"\n".join(map(encode_event, spans))
    (folder / "recorded.jsonl").write_bytes(lines)
    words = ("--recording", "recorded.jsonl", "--events", "100", "--source", "spans")
    done = bench(folder, "shop:pipeline", *words)
    assert "spans is replaced by the events of recorded.jsonl" in done.stdout
    assert "100 sent" in done.stdout


def test_a_sink_that_cannot_open_is_told(folder):
    words = ("shop:locked", "--sinks", "real", "--events", "1")
    done = bench(folder, *words, code=1)
    assert "sluiceway bench: cannot start: RuntimeError: no key" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sinks", "nul"], "did you mean 'null'?"),
        (["--durration", "3"], "did you mean '--duration'?"),
        (["--mix", "span=1"], "error: --mix has 'span'; did you mean 'spans'?"),
        (["--source", "gauge"], "did you mean 'gauges'?"),
        (["--duration", "3parsecs"], "'3parsecs' has the unit 'parsecs'"),
        (["--rate", "0"], "expected more than 0"),
        (["--events", "1.5"], "expected a whole number"),
        (["--bursts", "1000"], "expected EVENTS@SECONDS"),
        (["--bursts", "9@1", "--rate", "5"], "leave out --rate"),
        (["--ramp", "5"], "--ramp needs the --rate"),
        (["--sinks", "real", "--sink-time", "1"], "--sink-time is of null sinks"),
        (["--attributes=-1"], "'-1'; expected a whole number from 0"),
        (["--attributes", "2000"], "error: --attributes is 2000; expected a whole"),
        (["--mix", "spans=0"], "error: --mix has no share above 0"),
        (["--rate", "0.0001"], "error: --rate is 0.0001; expected a number from"),
        (["--rate", "9", "--ramp", "1us"], "error: --ramp is 1e-06; expected"),
        (["--bursts", "9@1us"], "error: --bursts is 1e-06; expected"),
        (["--set", "change.queue.capacity=0"], "error: change.queue.capacity is 0; "),
        (["--duration", "400ms"], "expected more than --warm-up"),
        (["--recording", "absent.jsonl"], "absent.jsonl: cannot be read"),
        (["--report", "absent/page.html"], "absent/page.html: cannot be written"),
        (["--json", "-", "--report", "-"], "--json and --report are both -"),
        (["--json", "."], ".: cannot be written (Is a directory)"),
        (["--attributes", "many"], "'many'; expected a whole number from 0"),
        (["--seed", "1.5"], "'1.5'; expected a whole number from 0"),
        (["--text", "1KB2"], "expected a quantity such as 120 or 1KiB"),
    ],
)
def test_a_wrong_word_is_named_and_nothing_runs(folder, words, told):
    done = bench(folder, "shop:pipeline", *words, code=2)
    assert told in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_told_with_the_nearest_one(folder):
    done = bench(folder, "shp.toml", code=2)
    assert "'shp.toml' is no file" in done.stderr
    assert "did you mean 'shop.toml'?" in done.stderr


def test_a_pipeline_without_such_events_asks_for_a_recording(folder):
    (folder / "checks.py").write_text(
        "from sluiceway import Pipeline, Source\n"
        "from sluiceway.events import HealthCheck\n"
        "from sluiceway.testing import CollectingSink\n"
        "class Checks(Source[HealthCheck]):\n"
        "    async def run(self, send): ...\n"
        "pipeline = Pipeline(Checks() >> CollectingSink())\n"
    )
    done = bench(folder, "checks:pipeline", code=2)
    assert "no source takes spans or points or logs; name one" in done.stderr


def test_without_the_histogram_library_it_says_what_to_install(folder):
    hidden = folder / "hidden" / "hdrh"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden')")
    paths = [str(hidden.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        command("bench", "shop:pipeline", "--events", "1"),
        cwd=folder,
        env=environment({"PYTHONPATH": os.pathsep.join(filter(None, paths))}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'sluiceway[bench]'" in done.stderr


def test_an_interrupt_ends_early_and_still_reports(folder):
    running = subprocess.Popen(
        command("bench", "shop:pipeline", "--sinks", "real", "--duration", "50s"),
        cwd=folder,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not running.stdout.readline().startswith("really"):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=50)
    finally:
        running.kill()
    assert running.returncode == 0, err
    assert "\nthroughput " in out
    assert "\nended early; " in out
    assert out.endswith("0 lost; balanced\n")
