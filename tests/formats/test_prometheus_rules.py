"""The formats' rules and the mapping's, row by row.

Sources: Prometheus text format 0.0.4, OpenMetrics 1.0, content negotiation;
OpenTelemetry specification ``compatibility/prometheus_and_openmetrics``.
"""

from __future__ import annotations

import asyncio
import math
import subprocess

import pytest
from cli.demo_runs import run as run_demo
from servers import processes

from sluiceway import Pipeline
from sluiceway.events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Summary,
)
from sluiceway.formats.negotiation import wants_openmetrics
from sluiceway.formats.prometheus_text import exposition
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink

PROTOBUF = (
    "application/vnd.google.protobuf;"
    "proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
TRACE = {"trace_id": b"t" * 16, "span_id": b"s" * 8}
IDS = f'span_id="{"73" * 8}",trace_id="{"74" * 16}"'


def gauge(name="a", value=1, **more):
    return MetricPoint(name=name, value=value, **more)


def counter(name="a", value=1, **more):
    kind = {"kind": MetricKind.SUM, "is_monotonic": True}
    return MetricPoint(name=name, value=value, **kind, **more)


def histogram(counts, bounds, total=1.0, **more):
    value = Histogram(sum(counts), total, counts, bounds)
    return MetricPoint(name="h", value=value, kind=MetricKind.HISTOGRAM, **more)


def exponential(**fields):
    value = ExponentialHistogram(**fields)
    return MetricPoint(name="h", value=value, kind=MetricKind.EXPONENTIAL_HISTOGRAM)


def summary(quantiles, count=1, total=1.0):
    value = Summary(count, total, quantiles)
    return MetricPoint(name="s", value=value, kind=MetricKind.SUMMARY)


def exemplar(value, time=0, attributes=None, **ids):
    return Exemplar(value, time, filtered_attributes=attributes or {}, **ids)


def lines_of(*points, openmetrics=False, **options):
    page = exposition(points, openmetrics=openmetrics, **options)
    return page.body.decode().split("\n")


SHOP = Resource({"service.name": "shop"})
BANK = Resource({"service.name": "bank", "service.namespace": "eu"})

# What the points are, and a line that the page of text 0.0.4 has for them.
TEXT = {
    "HELP escapes backslash and newline only": (
        [gauge(description='a "q" \\ \n b')],
        '# HELP a a "q" \\\\ \\n b',
    ),
    "a label escapes quotes too": (
        [gauge(attributes={"x": '"\\\n'})],
        'a{x="\\"\\\\\\n"} 1.0',
    ),
    "a metric without a description is its own help": (
        [gauge("a.b")],
        "# HELP a_b a.b",
    ),
    "a value may be NaN": ([gauge(value=math.nan)], "a NaN"),
    "a value may be infinite": ([gauge(value=-math.inf)], "a -Inf"),
    "a counter's family has the suffix": ([counter()], "# TYPE a_total counter"),
    "a counter's sample has the suffix": ([counter()], "a_total 1.0"),
    "a suffix that is there is not doubled": ([counter("a_total")], "a_total 1.0"),
    "a sum that may fall is a gauge": (
        [MetricPoint(name="a", value=1, kind=MetricKind.SUM)],
        "# TYPE a gauge",
    ),
    "a histogram ends with infinity": (
        [histogram([1, 2], [0.5])],
        'h_bucket{le="+Inf"} 3.0',
    ),
    "buckets are cumulative": (
        [histogram([1, 2, 3], [0.5, 1.0])],
        'h_bucket{le="1.0"} 3.0',
    ),
    "a bound of infinity does not stand twice": (
        [histogram([1, 2, 0], [0.5, math.inf])],
        'h_bucket{le="+Inf"} 3.0',
    ),
    "a histogram without buckets has one": (
        [histogram([], [])],
        'h_bucket{le="+Inf"} 0.0',
    ),
    "a histogram's count is its infinite bucket": (
        [histogram([1, 2], [0.5])],
        "h_count 3.0",
    ),
    "an exponential histogram becomes an explicit one": (
        [exponential(count=3, sum=1.0, positive=ExponentialBuckets(0, [1, 2]))],
        'h_bucket{le="2.0"} 1.0',
    ),
    "its zero bucket has a bound": (
        [exponential(count=2, sum=1.0, zero_count=2)],
        'h_bucket{le="0.0"} 2.0',
    ),
    "a summary has its quantiles": ([summary([(0.5, 2.0)])], 's{quantile="0.5"} 2.0'),
    "an empty label is no label": ([gauge(attributes={"x": ""})], "a 1.0"),
    "a reserved label is exported beside it": (
        [gauge(attributes={"le": "1"})],
        'a{exported_le="1"} 1.0',
    ),
    "no label begins with two underscores": (
        [gauge(attributes={"__name__": "x"})],
        'a{_name_="x"} 1.0',
    ),
    "a label that begins with a digit is a key": (
        [gauge(attributes={"1x": "y"})],
        'a{key_1x="y"} 1.0',
    ),
    "keys that become one join their values by their order": (
        [gauge(attributes={"a_b": "2", "a.b": "1"})],
        'a{a_b="1;2"} 1.0',
    ),
    "a name that begins with a digit gets an underscore": ([gauge("1a")], "_1a 1.0"),
    "a colon may stay": ([gauge("a:b")], "a:b 1.0"),
    "unit and type are appended in this order": (
        [counter("foo.bar", unit="By")],
        "foo_bar_bytes_total 1.0",
    ),
    "a rate is spelt": (
        [counter("app.requests", unit="1/s")],
        "app_requests_per_second_total 1.0",
    ),
    "the unit 1 adds nothing to a gauge": ([gauge("fill", unit="1")], "fill 1.0"),
    "a unit in braces adds nothing": ([counter("o", unit="{order}")], "o_total 1.0"),
    "m is metres": ([gauge("x", unit="m")], "x_meters 1.0"),
    "m is minutes behind a slash": ([gauge("x", unit="1/m")], "x_per_minute 1.0"),
    "kBy is kilobytes": ([gauge("x", unit="kBy")], "x_kilobytes 1.0"),
    "KBy is kilobytes": ([gauge("x", unit="KBy")], "x_kilobytes 1.0"),
    "an unknown unit stays": ([gauge("x", unit="furlong")], "x_furlong 1.0"),
    "the resource is a target": (
        [gauge(resource=SHOP)],
        'target_info{service_name="shop"} 1.0',
    ),
    "the target is a gauge in text": (
        [gauge(resource=SHOP)],
        "# TYPE target_info gauge",
    ),
    "several resources are told by job": (
        [gauge(resource=SHOP), gauge(resource=BANK)],
        'a{job="eu/bank"} 1.0',
    ),
}
STRICT = {
    "the family of a counter has no suffix": ([counter()], "# TYPE a counter"),
    "its sample has": ([counter()], "a_total 1.0"),
    "HELP escapes quotes too": ([gauge(description='"')], '# HELP a \\"'),
    "a unit is told where the name ends with it": (
        [gauge("a", unit="s")],
        "# UNIT a_seconds seconds",
    ),
    "the target is an info": ([gauge(resource=SHOP)], "# TYPE target info"),
    "bounds are canonical: whole": (
        [histogram([1, 0], [1])],
        'h_bucket{le="1.0"} 1.0',
    ),
    "bounds are canonical: small": (
        [histogram([1, 0], [1e-5])],
        'h_bucket{le="1e-05"} 1.0',
    ),
    "bounds are canonical: large": (
        [histogram([1, 0], [1e6])],
        'h_bucket{le="1e+06"} 1.0',
    ),
    "an exemplar has seconds": (
        [counter(exemplars=[exemplar(1, 1_520_879_607_789_000_000, **TRACE)])],
        f"a_total 1.0 # {{{IDS}}} 1.0 1520879607.789",
    ),
    "an exemplar stands at its bucket": (
        [histogram([0, 1], [0.5], exemplars=[exemplar(0.7, **TRACE)])],
        f'h_bucket{{le="+Inf"}} 1.0 # {{{IDS}}} 0.7',
    ),
    "an exemplar on a bound belongs below it": (
        [histogram([1, 0], [0.5], exemplars=[exemplar(0.5)])],
        'h_bucket{le="0.5"} 1.0 # {} 0.5',
    ),
    "of the exemplars of a bucket the last stands": (
        [histogram([2], [], exemplars=[exemplar(1), exemplar(2)])],
        'h_bucket{le="+Inf"} 2.0 # {} 2.0',
    ),
    "trace and span win over attributes": (
        [counter(exemplars=[exemplar(1, attributes={"trace_id": "x"}, **TRACE)])],
        f"a_total 1.0 # {{{IDS}}} 1.0",
    ),
    "an exemplar has 128 characters at most": (
        [counter(exemplars=[exemplar(1, attributes={"x": "é" * 128})])],
        "a_total 1.0 # {} 1.0",
    ),
    "these are characters and not bytes": (
        [counter(exemplars=[exemplar(1, attributes={"x": "é" * 127})])],
        f'a_total 1.0 # {{x="{"é" * 127}"}} 1.0',
    ),
}
# What must not stand on a page of OpenMetrics.
ABSENT = {
    "a gauge has no exemplar": ([gauge(exemplars=[exemplar(1)])], " # "),
    "a histogram of negative buckets has no sum": (
        [histogram([1, 0], [-1.0])],
        "h_sum",
    ),
    "and no count without it": ([histogram([1, 0], [-1.0])], "h_count"),
    "a histogram without a sum has no count": ([histogram([1], [], None)], "h_count"),
    "an info has no unit": ([gauge(resource=SHOP)], "# UNIT target"),
    "a quantile is not negative": ([summary([(0.5, -2.0)])], "quantile"),
    "there are no blank lines": ([gauge(), counter("b")], "\n\n"),
    "an empty resource is no target": ([gauge()], "target"),
    "a resource of nothing that can be told neither": (
        [gauge(resource=Resource({"x": ""}))],
        "target",
    ),
}


def of(table):
    return pytest.mark.parametrize(
        ("points", "line"), list(table.values()), ids=list(table)
    )


@of(TEXT)
def test_a_rule_of_the_text_format_is_kept(points, line):
    assert lines_of(*points).count(line) == 1


@of(STRICT)
def test_a_rule_of_openmetrics_is_kept(points, line):
    assert lines_of(*points, openmetrics=True).count(line) == 1


@of(ABSENT)
def test_what_openmetrics_forbids_is_not_written(points, line):
    assert line not in "\n".join(lines_of(*points, openmetrics=True))


def test_openmetrics_ends_with_its_mark_and_text_with_a_line():
    assert lines_of(gauge(), openmetrics=True)[-2:] == ["# EOF", ""]
    assert lines_of(gauge())[-1] == ""


def test_the_target_stands_first_and_families_are_not_mixed():
    points = [
        gauge("z", resource=SHOP),
        gauge("a", resource=SHOP),
        gauge("z", resource=SHOP, attributes={"x": 1}),
    ]
    names = [line.partition("{")[0] for line in lines_of(*points) if line[:1] != "#"]
    assert names == ["target_info", "a 1.0", "z 1.0", "z", ""]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (counter("foo"), gauge("foo_total")),
        (gauge("foo"), counter("foo")),
        (histogram([1], []), gauge("h_count")),
        (histogram([1], []), counter("h")),
        (summary([]), gauge("s_sum")),
        (gauge("s_created"), summary([])),
        (gauge("target_info", resource=SHOP), gauge("a", resource=SHOP)),
    ],
)
def test_two_families_never_write_the_same_sample(first, second):
    assert len(exposition([first, second], openmetrics=True).left_out) == 1


def test_scope_labels_tell_name_version_schema_and_attributes():
    scope = Scope("lib", "1", schema_url="https://x/1", attributes={"a.b": "c"})
    assert (
        'a{otel_scope_a_b="c",otel_scope_name="lib",'
        'otel_scope_schema_url="https://x/1",otel_scope_version="1"} 1.0'
    ) in lines_of(gauge(scope=scope), scope_labels=True)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=1.0.0", True),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=1.0.0;escaping=dots", True),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", False),
        (f"{PROTOBUF};q=0.7,application/openmetrics-text;version=1.0.0;q=0.6", True),
        ("application/vnd.google.protobuf", False),
        ("image/png", False),
    ],
)
def test_what_cannot_be_served_falls_back_to_the_next_and_at_last_to_text(
    accept, openmetrics
):
    assert wants_openmetrics(accept) is openmetrics


def promtool(page):
    done = subprocess.run(
        [processes.require("promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


@pytest.mark.servers
def test_promtool_finds_nothing_wrong_with_the_runtimes_metrics(run):
    telemetry, sink = Telemetry("shop"), CollectingSink()
    telemetry.observe_runtime()

    async def scenario():
        async with Pipeline(telemetry.metrics >> sink):
            await asyncio.sleep(0)

    run(scenario())
    page = exposition(sink.events)
    assert page.left_out == {}
    assert b"process_threads " in page.body
    assert promtool(page.body) == (0, "")


@pytest.mark.servers
def test_promtool_finds_nothing_wrong_with_what_the_demo_pushed(tmp_path):
    with processes.pushgateway(tmp_path) as gateway:
        run_demo("demo", "--duration", "1", PROMETHEUS_PUSH_GATEWAY=gateway.url)
        page = gateway.get("/metrics")
    assert "http_server_request_duration_seconds_bucket" in page
    assert promtool(page.encode()) == (0, "")
