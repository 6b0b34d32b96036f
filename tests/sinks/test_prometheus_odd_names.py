"""OpenTelemetry's odd names reach a real Prometheus, and promtool, as valid ones."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.parse

import pytest
from servers.polling import eventually_async
from servers.processes import prometheus, require

from sluiceway import Inlet, Pipeline
from sluiceway.events import MetricKind, MetricPoint
from sluiceway.formats.prometheus_lint import lint_page
from sluiceway.formats.prometheus_text import exposition
from sluiceway.sinks import PrometheusSink

pytestmark = pytest.mark.servers

# Name, unit and whether it is a counter, and the series that Prometheus has.
NAMES = [
    ("http.server.duration", "s", False, "http_server_duration_seconds"),
    ("http/requests", "{request}", True, "http_requests_total"),
    ("requests_total", "", True, "requests_total"),
    ("total", "", True, "total_total"),
    ("queue-length", "1", False, "queue_length"),
    ("2xx.rate", "1/s", False, "_2xx_rate_per_second"),
    ("シ.cpu-使用率", "%", False, "cpu_percent"),
    ("naïve.café", "By", False, "na_ve_caf_bytes"),
    ("a b\tc\nd", "", False, "a_b_c_d"),
    ('quoted"{le="1"}', "", False, "quoted_le_1"),
    ("rule:job:rate", "", False, "rule:job:rate"),
    ("__name__", "", False, "name"),
    ("camelCase", "ms", False, "camelCase_milliseconds"),
    ("jobs.count", "", False, "jobs_count"),
    ("disk.free", "GiBy", False, "disk_free_gibibytes"),
    ("speed", "m/s", False, "speed_meters_per_second"),
    ("🦆.ducks", "🦆", False, "ducks"),
    ("x" * 300, "", False, "x" * 300),
]
ODD_KEYS = {
    "http.route": "/a",
    "1st": "x",
    "__name__": "y",
    "ключ": "z",
    "le": "1",
    "a b": 'c"\\\n',
    "job": "mine",
    "": "empty",
}
LABELS = {
    "http_route": "/a",
    "key_1st": "x",
    "_name_": "y",
    "exported_le": "1",
    "a_b": 'c"\\\n',
    "exported_job": "mine",
    "_": "empty;z",
}
NOWHERE = ["総数", "", "-", "...", "🦆"]


def point(name, unit="", *, counter=False, **more):
    kind = MetricKind.SUM if counter else MetricKind.GAUGE
    given = {"kind": kind, "is_monotonic": counter, **more}
    return MetricPoint(name=name, unit=unit, value=1, **given)


POINTS = [point(name, unit, counter=counter) for name, unit, counter, _ in NAMES]
SERIES = {series for *_, series in NAMES}


def test_promtool_reads_them_all_and_says_what_we_say():
    page = exposition(POINTS)
    assert page.left_out == {}
    done = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=page.body,
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode().splitlines()
    assert done.returncode == 3
    assert sorted(set(said)) == sorted(map(str, lint_page(page.body)))


def test_names_of_which_nothing_can_stay_are_left_out_alone_and_named():
    page = exposition([*map(point, NOWHERE), point("a")])
    assert sorted(page.left_out) == [*range(len(NOWHERE))]
    assert all("no character of its name" in why for why in page.left_out.values())
    assert b"\na 1.0\n" in page.body


def test_a_real_prometheus_takes_them_all_under_the_names_promised(run, tmp_path):
    async def scenario():
        sink, inlet = PrometheusSink(port=0), Inlet("points")
        async with Pipeline(inlet >> sink) as pipeline:
            await inlet.emit_many([*POINTS, point("labelled", attributes=ODD_KEYS)])
            await pipeline.flush()
            target = {"shop": f"127.0.0.1:{sink.port}"}
            with prometheus(tmp_path, target) as server:
                return await eventually_async(lambda: series_of(server), seconds=30)

    series = {found["__name__"]: found for found in run(scenario(), timeout=60)}
    assert set(series) >= SERIES
    labels = series["labelled"]
    assert {name: labels[name] for name in LABELS} == LABELS
    assert labels["job"] == "shop"


async def series_of(server):
    """All that was scraped, once it was."""
    every = urllib.parse.urlencode({"match[]": '{job="shop"}'})
    text = await asyncio.to_thread(server.get, f"/api/v1/series?{every}")
    found = json.loads(text)["data"]
    return found if any(one["__name__"] == "labelled" for one in found) else None


def test_the_names_of_a_points_samples_are_told_beforehand():
    jobs = MetricPoint(name="jobs.total", value=None, unit="{job}")
    assert PrometheusSink.sample_names(jobs) == ["jobs_total"]
    jobs.kind, jobs.is_monotonic = MetricKind.SUM, True
    names = ["jobs", "jobs_total", "jobs_created"]
    assert PrometheusSink.sample_names(jobs) == names
    wait = MetricPoint(name="wait", value=None, unit="s", kind=MetricKind.HISTOGRAM)
    assert "wait_seconds_bucket" in PrometheusSink.sample_names(wait)
