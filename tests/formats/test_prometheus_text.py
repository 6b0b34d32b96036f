"""Metric points become pages that Prometheus's own parsers read back."""

from __future__ import annotations

import math
import subprocess

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from servers.processes import require

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
from sluiceway.formats.prometheus_text import exposition

SHOP = Resource({"service.name": "shop", "service.instance.id": "1"})
NUMBERS = st.integers() | st.floats()
NAMES = st.sampled_from(["a", "a.total", "a_bucket", "a.sum", "b", "1x", "@"])
# The oracle does not read escaped quotes in an exemplar; Prometheus does.
EXEMPLAR_TEXT = st.text(st.characters(exclude_characters=chr(34) + chr(92)))
COUNTS = st.integers(-1, 2**70)


def histograms():
    bounds = st.lists(st.floats(), max_size=3).map(sorted) | st.just([math.inf])
    return bounds.flatmap(
        lambda bounds: st.builds(
            Histogram,
            count=COUNTS,
            sum=st.none() | st.floats(),
            bucket_counts=st.lists(
                COUNTS, min_size=len(bounds) + 1, max_size=len(bounds) + 1
            )
            | st.lists(COUNTS, max_size=2),
            explicit_bounds=st.just(bounds),
        )
    )


def exponential_histograms():
    buckets = st.builds(
        ExponentialBuckets,
        offset=st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3),
        bucket_counts=st.lists(st.integers(0, 9), max_size=5),
    )
    return st.builds(
        ExponentialHistogram,
        count=COUNTS,
        sum=st.none() | st.floats(),
        scale=st.integers(-10, 20),
        zero_count=st.integers(0, 3),
        positive=buckets,
        negative=buckets,
        zero_threshold=st.floats(0, 1),
    )


def summaries():
    quantile = st.tuples(st.floats(0, 1), st.floats())
    return st.builds(
        Summary,
        count=COUNTS,
        sum=st.floats(),
        quantiles=st.lists(quantile, max_size=3).map(sorted),
    )


VALUES = {
    MetricKind.GAUGE: NUMBERS,
    MetricKind.SUM: NUMBERS,
    MetricKind.HISTOGRAM: histograms(),
    MetricKind.EXPONENTIAL_HISTOGRAM: exponential_histograms(),
    MetricKind.SUMMARY: summaries(),
}
OTHER_POINTS = st.builds(
    MetricPoint,
    name=NAMES | st.text(),
    unit=st.sampled_from(["", "s", "By/s", "1", "é"]),
    description=st.text(),
    kind=st.sampled_from(MetricKind),
    is_monotonic=st.booleans(),
    value=NUMBERS | histograms() | exponential_histograms() | summaries() | st.none(),
    attributes=st.dictionaries(
        st.sampled_from(["a.b", "a_b", "le", "quantile", "job", "é"]),
        st.text(st.characters(), max_size=3) | st.integers(),
        max_size=3,
    ),
    exemplars=st.lists(
        st.builds(
            Exemplar,
            value=st.floats(),
            time_unix_nano=st.integers(0, 2**62),
            trace_id=st.just(bytes(16)),
            filtered_attributes=st.dictionaries(st.text(), EXEMPLAR_TEXT, max_size=2),
        ),
        max_size=2,
    ),
    resource=st.sampled_from([SHOP, Resource(), Resource({"le": "x", "job": "j"})]),
    scope=st.builds(Scope, name=st.sampled_from(["", "lib"])),
)
POINTS = OTHER_POINTS | OTHER_POINTS.flatmap(
    lambda point: VALUES[point.kind].map(
        lambda value: msgspec.structs.replace(point, value=value)
    )
)


def page_of(*points, **options):
    page = exposition(points, **options)
    return page.body.decode(), page


def samples_in(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


@given(st.lists(POINTS, max_size=6), st.booleans())
def test_every_page_is_valid_openmetrics(points, scope_labels):
    text, page = page_of(*points, openmetrics=True, scope_labels=scope_labels)
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = list(parse_openmetrics(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))


@given(st.lists(POINTS, max_size=6), st.booleans())
def test_every_page_is_valid_text_without_a_series_twice(points, scope_labels):
    text, page = page_of(*points, scope_labels=scope_labels)
    assert page.content_type.startswith("text/plain; version=0.0.4")
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    samples = samples_in(text)
    assert len(samples) == len(lines)


@given(st.dictionaries(st.text(), NUMBERS, max_size=8))
def test_every_gauge_is_read_back_or_named_as_left_out(values):
    points = [MetricPoint(name=name, value=value) for name, value in values.items()]
    text, page = page_of(*points)
    assert len(samples_in(text)) == len(points) - len(page.left_out)


def test_each_kind_of_point_has_the_samples_of_its_type():
    counter = MetricPoint(
        name="orders", value=3, kind=MetricKind.SUM, is_monotonic=True
    )
    gauge = MetricPoint(name="open", value=2, kind=MetricKind.SUM)
    histogram = MetricPoint(
        name="wait",
        unit="s",
        kind=MetricKind.HISTOGRAM,
        value=Histogram(3, 1.5, [1, 0, 2], [0.5, 1.0]),
    )
    summary = MetricPoint(
        name="size", kind=MetricKind.SUMMARY, value=Summary(4, 9.0, [(0.5, 2.0)])
    )
    text, page = page_of(counter, gauge, histogram, summary)
    assert page.left_out == {}
    assert samples_in(text) == {
        ("orders_total", ()): 3.0,
        ("open", ()): 2.0,
        ("wait_seconds_bucket", (("le", "0.5"),)): 1.0,
        ("wait_seconds_bucket", (("le", "1.0"),)): 1.0,
        ("wait_seconds_bucket", (("le", "+Inf"),)): 3.0,
        ("wait_seconds_count", ()): 3.0,
        ("wait_seconds_sum", ()): 1.5,
        ("size", (("quantile", "0.5"),)): 2.0,
        ("size_count", ()): 4.0,
        ("size_sum", ()): 9.0,
    }


def test_an_exponential_histogram_becomes_an_explicit_one():
    value = ExponentialHistogram(
        count=6,
        sum=12.0,
        scale=0,
        zero_count=1,
        positive=ExponentialBuckets(0, [2, 3]),
    )
    point = MetricPoint(name="x", kind=MetricKind.EXPONENTIAL_HISTOGRAM, value=value)
    text, _ = page_of(point)
    buckets = {
        labels[0][1]: total
        for (name, labels), total in samples_in(text).items()
        if name == "x_bucket"
    }
    assert buckets == {"0.0": 1, "1.0": 1, "2.0": 3, "4.0": 6, "+Inf": 6}


def test_a_second_family_of_the_same_name_and_another_type_is_left_out():
    text, page = page_of(
        MetricPoint(name="a.b", value=1),
        MetricPoint(name="a_b", value=2, kind=MetricKind.SUM, is_monotonic=True),
        MetricPoint(name="a_b", value=3, attributes={"x": 1}),
    )
    assert list(page.left_out) == [1]
    assert "'a_b' is left out: a_b belongs to the gauge a_b" in page.left_out[1]
    assert text.count("# TYPE") == 1


def test_a_series_of_two_scopes_stands_once_unless_scopes_are_told():
    points = [
        MetricPoint(name="a", value=1, scope=Scope(name="x")),
        MetricPoint(name="a", value=2, scope=Scope(name="y", version="1")),
    ]
    _, page = page_of(*points)
    assert "scope_labels=True" in page.left_out[1]
    text, page = page_of(*points, scope_labels=True)
    assert page.left_out == {}
    assert 'a{otel_scope_name="y",otel_scope_version="1"} 2.0' in text


def test_a_point_without_a_recorded_value_is_left_out_without_a_word():
    text, page = page_of(
        MetricPoint(name="a", value=None), MetricPoint(name="b", value=1, flags=1)
    )
    assert (text, page.left_out) == ("", {})


def test_one_resource_is_told_once_as_the_target():
    text, _ = page_of(
        MetricPoint(name="a", value=1, resource=SHOP),
        MetricPoint(name="b", value=1, resource=SHOP),
    )
    target = 'target_info{service_instance_id="1",service_name="shop"} 1.0'
    assert text.count("target_info{") == 1
    assert target in text
    assert "\na 1.0\n" in text


def test_series_of_several_resources_are_told_apart_by_job_and_instance():
    other = Resource({"service.name": "bank", "service.instance.id": "2"})
    text, page = page_of(
        MetricPoint(name="a", value=1, resource=SHOP, attributes={"job": "x"}),
        MetricPoint(name="a", value=2, resource=other),
    )
    assert page.left_out == {}
    assert 'a{exported_job="x",instance="1",job="shop"} 1.0' in text
    assert 'a{instance="2",job="bank"} 2.0' in text
    assert 'target_info{instance="2",job="bank",' in text


def test_openmetrics_has_units_and_the_exemplar_of_each_bucket():
    exemplar = Exemplar(0.7, 1_500_000_000, bytes(16), bytes(8), {"user": "u" * 200})
    point = MetricPoint(
        name="wait",
        unit="s",
        kind=MetricKind.HISTOGRAM,
        value=Histogram(1, 0.7, [0, 1, 0], [0.5, 1.0]),
        exemplars=[exemplar],
    )
    text, _ = page_of(point, openmetrics=True)
    assert "# UNIT wait_seconds seconds\n" in text
    line = next(line for line in text.splitlines() if 'le="1.0"' in line)
    ids = f'{{span_id="{"0" * 16}",trace_id="{"0" * 32}"}}'
    assert line.endswith(f"# {ids} 0.7 1.5")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (MetricKind.SUM, -1, "it is a counter and its value is -1"),
        (MetricKind.SUM, math.nan, "it is a counter and its value is nan"),
        (MetricKind.GAUGE, Histogram(), "its value is a Histogram, it is a gauge"),
        (MetricKind.GAUGE, 10**400, "too large"),
        (MetricKind.HISTOGRAM, 3, "its value is a int, it is a histogram"),
        (MetricKind.HISTOGRAM, Histogram(1, 1, [1], [1.0]), "1 buckets for 1 bounds"),
        (MetricKind.HISTOGRAM, Histogram(1, 1, [2, -1], [1.0]), "counts -1"),
        (MetricKind.HISTOGRAM, Histogram(0, 0, [0] * 3, [2.0, 1.0]), "2.0 stands"),
        (MetricKind.HISTOGRAM, Histogram(0, 0, [0] * 2, [math.nan]), "is NaN"),
        (MetricKind.SUMMARY, Summary(1, 1.0, [(1.5, 1.0)]), "the quantile 1.5"),
        (MetricKind.SUMMARY, Summary(-1, 1.0), "it counts -1"),
    ],
)
def test_a_point_that_prometheus_could_not_take_is_left_out_alone(kind, value, words):
    bad = MetricPoint(name="x", kind=kind, value=value, is_monotonic=True)
    text, page = page_of(bad, MetricPoint(name="good", value=1))
    assert words in page.left_out[0]
    assert samples_in(text) == {("good", ()): 1.0}


@pytest.mark.servers
def test_promtool_finds_nothing_wrong_with_a_page():
    points = [
        MetricPoint(
            name="http.server.request.duration",
            unit="s",
            description="Time to answer.",
            kind=MetricKind.HISTOGRAM,
            value=Histogram(3, 1.5, [1, 0, 2], [0.5, 1.0]),
            attributes={"http.route": '/a"\\\n', "http.status": 200},
            resource=SHOP,
        ),
        MetricPoint(
            name="orders",
            description="Orders\ntaken.",
            unit="{order}",
            value=3,
            kind=MetricKind.SUM,
            is_monotonic=True,
            resource=SHOP,
        ),
        MetricPoint(name="queue.fill", value=math.nan, unit="1", resource=SHOP),
        MetricPoint(
            name="exp",
            unit="By",
            kind=MetricKind.EXPONENTIAL_HISTOGRAM,
            value=ExponentialHistogram(
                2, 3.0, 20, 0, ExponentialBuckets(-100, [1] * 400)
            ),
            resource=SHOP,
        ),
    ]
    page = exposition(points)
    done = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=page.body,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert page.left_out == {}
