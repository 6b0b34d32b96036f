"""Our verdicts on metrics' names are promtool's, word for word."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import processes

from sluiceway.events import Histogram, MetricKind, MetricPoint, Resource, Scope
from sluiceway.formats.prometheus_lint import UNITS, lint_page, lint_points
from sluiceway.formats.prometheus_pages import BadPageError
from sluiceway.formats.prometheus_text import exposition

SHOP = Resource({"service.name": "shop"})


def promtool(body):
    """The lines that promtool prints, each once."""
    done = subprocess.run(
        [processes.require("promtool"), "check", "metrics"],
        input=body,
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == (3 if said else 0), said
    return sorted(set(said.splitlines()))


def ours(body):
    return sorted(map(str, lint_page(body)))


def family(name, kind: str | None = "gauge", labels="", told: str | None = "it is"):
    """A metric of text 0.0.4 with one series."""
    parts = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
    lines = [f"# HELP {name} {told}"] if told is not None else []
    lines += [f"# TYPE {name} {kind}"] if kind else []
    for part in parts.get(kind, ("",)):
        own = [f'le="+Inf"{"," if labels else ""}'] if part == "_bucket" else [""]
        lines.append(f"{name}{part}{{{own[0]}{labels}}} 1")
    return "\n".join([*lines, ""]).encode()


# What a page has, and what is said of it.
RULES = {
    family("a"): [],
    family("a", told=None): ["a no help text"],
    family("a", told=""): ["a no help text"],
    family("a_total", "counter"): [],
    family("a", "counter"): ['a counter metrics should have "_total" suffix'],
    family("a_total"): ['a_total non-counter metrics should not have "_total" suffix'],
    family("a_total", None): [],
    family("a_milliseconds"): [
        'a_milliseconds use base unit "seconds" instead of "milliseconds"'
    ],
    family("thermometers"): [],
    family("a_hours_left"): ['a_hours_left use base unit "seconds" instead of "hours"'],
    family("a_ms"): ["a_ms metric names should not contain abbreviated units"],
    family("a_MB_used"): [
        "a_MB_used metric names should not contain abbreviated units"
    ],
    family("ms"): [],
    family("a_gauge"): ["a_gauge metric name should not include type 'gauge'"],
    family("a_counter_c"): [
        "a_counter_c metric name should not include type 'counter'"
    ],
    family("gauge_a"): [],
    family("a:b"): ["a:b metric names should not contain ':'"],
    family("aB"): ["aB metric names should be written in 'snake_case' not 'camelCase'"],
    family("a", labels='xY="1"'): [
        "a label names should be written in 'snake_case' not 'camelCase'"
    ],
    family("a_bucket"): [
        'a_bucket non-histogram metrics should not have "_bucket" suffix'
    ],
    family("a_count"): [
        'a_count non-histogram and non-summary metrics should not have "_count" suffix'
    ],
    family("a_sum", "counter"): [
        'a_sum counter metrics should have "_total" suffix',
        'a_sum non-histogram and non-summary metrics should not have "_sum" suffix',
    ],
    family("a_count", None): [],
    family("a_count", "summary"): [],
    family("a", "histogram"): [],
    family("a", "summary"): [],
    family("a", labels='le="1"'): [
        'a non-histogram metrics should not have "le" label'
    ],
    family("a", "histogram", labels='quantile="1"'): [
        'a non-summary metrics should not have "quantile" label'
    ],
    family("a", labels='x="le=\\"1\\",quantile=\\"2\\""'): [],
    b"# HELP a_count is of nobody\na 1\n": ["a no help text"],
    b"# HELP a of a histogram\n# TYPE a histogram\na_count 1\n": [],
    b"": [],
}


@pytest.mark.parametrize(("body", "said"), RULES.items(), ids=map(str, range(99)))
def test_a_rule_is_known(body, said):
    assert ours(body) == sorted(said)


@pytest.mark.servers
def test_promtool_says_the_same_of_each_rule():
    for body, said in RULES.items():
        assert promtool(body) == sorted(said), body


WORDS = st.sampled_from(
    (
        "a",
        "b1",
        "ms",
        "s",
        "S",
        "Kb",
        "sec",
        "total",
        "count",
        "sum",
        "bucket",
        "gauge",
        "counter",
        "histogram",
        "summary",
        "Gauge",
        "requestCount",
        ":",
        "_",
        "aB",
        "untyped",
        "info",
    )
)
UNIT = st.lists(st.sampled_from(sorted(UNITS)), max_size=1)
TYPES = st.sampled_from(["gauge", "counter", "histogram", "summary", "untyped", ""])
LABEL_NAMES = st.sampled_from(["le", "quantile", "a", "aB", "a_B", "_x"])


@st.composite
def families(draw):
    words = draw(st.lists(WORDS, min_size=1, max_size=4)) + draw(UNIT)
    name = "_".join(draw(st.permutations(words)))
    kind = draw(TYPES)
    taken = {"histogram": "le", "summary": "quantile"}.get(kind)
    names = draw(st.sets(LABEL_NAMES, max_size=3)) - {taken}
    labels = ",".join(f'{label}="a=\\"b\\""' for label in sorted(names))
    told = draw(st.sampled_from([None, "", "what it is"]))
    return name, family(name, kind, labels, told)


def overlap(names):
    """Whether a family's name could be that of a part of another."""
    parts = ("_count", "_sum", "_bucket")
    return any(name + part in names for name in names for part in parts)


@pytest.mark.servers
@settings(max_examples=100, deadline=None)
@given(st.lists(families(), min_size=1, max_size=40, unique_by=lambda each: each[0]))
def test_promtool_says_the_same_of_every_page(drawn):
    if not overlap({name for name, _ in drawn}):
        page = b"".join(body for _, body in drawn)
        assert ours(page) == promtool(page)


@pytest.mark.servers
@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            MetricPoint,
            name=st.text(max_size=12)
            | st.lists(WORDS, max_size=4).map(".".join)
            | st.sampled_from(["総数", "a{b}", "1.5", "-", "e.ñ", "total", "x/y-z"]),
            unit=st.sampled_from(["", "1", "ms", "By", "{x}", "KiBy", "1/min", "%"]),
            value=st.integers(0, 9),
            kind=st.just(MetricKind.SUM),
            is_monotonic=st.booleans(),
            description=st.text(max_size=5),
            attributes=st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
            resource=st.just(SHOP),
        ),
        max_size=30,
    )
)
def test_odd_names_make_a_valid_page_and_promtool_says_what_we_say(points):
    page = exposition(points)
    said = [
        f"{found.metric} {found.text}"
        for found in lint_points(points)
        if "is left out" not in found.text
    ]
    assert sorted(said) == promtool(page.body)


def test_an_openmetrics_page_is_judged_like_the_text_that_says_the_same():
    body = (
        b"# TYPE a_ms counter\n# HELP a_ms x\na_ms_total 1\n"
        b"# TYPE t info\n# HELP t x\nt_info 1\n# EOF\n"
    )
    assert ours(body) == [
        "a_ms_total metric names should not contain abbreviated units"
    ]


@pytest.mark.parametrize(
    "body", [b"what?", b"\xff", b"a b\n", b"a 1\n# EOF\n\n# EOF\n"]
)
def test_a_page_that_is_none_is_told_by_its_line(body):
    with pytest.raises(BadPageError, match=r"line [13]:"):
        lint_page(body)


def test_a_finding_on_points_tells_the_name_that_its_author_gave():
    point = MetricPoint(name="checkout.duration", unit="ms", value=1)
    (found,) = lint_points([point])
    assert str(found) == (
        'checkout_duration_milliseconds use base unit "seconds" instead of '
        "\"milliseconds\" (it is 'checkout.duration' here)"
    )


def test_what_cannot_stand_on_the_page_is_a_finding_too():
    counter = {"kind": MetricKind.SUM, "is_monotonic": True}
    points = [
        MetricPoint(name="queue", value=1, **counter),
        MetricPoint(name="queue", value=1),
        MetricPoint(name="総数", value=1),
        MetricPoint(name="h", value=Histogram(1, 1.0, [1], [1.0])),
    ]
    assert [(found.metric, found.text) for found in lint_points(points)] == [
        ("h", "is left out: its value is a Histogram, it is a gauge"),
        ("queue", "is left out: queue belongs to the counter queue already"),
        ("総数", "is left out: no character of its name can stand in Prometheus"),
    ]


def test_points_of_one_series_and_scopes_with_the_same_metric_are_no_finding():
    points = [MetricPoint(name="a", value=1, scope=Scope(name)) for name in "xxy"]
    assert lint_points(points) == []


def test_a_point_without_a_value_hides_no_name():
    points = [MetricPoint(name="a.ms", value=value) for value in (None, 1)]
    assert [found.metric for found in lint_points(points)] == ["a_ms"]
