"""Pages are read whole or refused with their line, whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.formats.prometheus_families import Origin
from sluiceway.formats.prometheus_pages import (
    BadPageError,
    points_in,
    read_page,
    samples_in,
)

ORIGIN = Origin(10)
PIECES = st.sampled_from(
    [
        "# TYPE a counter\n",
        "# TYPE a histogram\n",
        "# TYPE a gaugehistogram\n",
        "# TYPE a stateset\n",
        "# HELP a b\\n\\\\\n",
        "# UNIT a_s s\n",
        "# EOF\n",
        "\n",
        "a 1\n",
        "a_total 1 1600000000000\n",
        'a{b="c\\"d"} NaN\n',
        'a{b="c",} +Inf\n',
        'a_bucket{le="1"} 1\n',
        'a_bucket{le="x"} 1\n',
        'a_bucket{le="+Inf"} 2 # {trace_id="00"} 1\n',
        "a_count 2\n",
        "a_count NaN\n",
        "a_count Inf\n",
        "a_sum 2\n",
        'a{quantile="0.5"} 1\n',
        "a 1e400 9e99\n",
        '{"a.b","c"="d"} 1\n',
        "a{",
        '"',
        "\x85",
        "\r\n",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


@settings(max_examples=1000)
@given(TEXTS.map(str.encode) | st.binary(max_size=60), st.booleans())
def test_every_page_is_read_or_refused_with_a_reason(body, openmetrics):
    words, points = "line ", []
    try:
        page = read_page(body, openmetrics=openmetrics, sample_limit=100)
        points = points_in(page, ORIGIN)
    except BadPageError as error:
        words = str(error)
    assert words.startswith("line ")
    assert all(point.name for point in points)


def test_an_error_names_the_line_and_shows_it():
    with pytest.raises(BadPageError) as caught:
        read_page(b"a 1\nb x\nc 1\n", openmetrics=False, sample_limit=9)
    assert str(caught.value).startswith("line 2: ")
    assert str(caught.value).endswith("(near 'b x')")


def test_a_long_line_is_shown_in_part():
    with pytest.raises(BadPageError) as caught:
        read_page(b"a " + b"x" * 10_000, openmetrics=False, sample_limit=9)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("count", "fits"), [(9, True), (10, False)])
def test_samples_are_counted_up_to_the_limit(count, fits):
    body = b"".join(b"a%d 1\n" % n for n in range(count))
    if fits:
        page = read_page(body, openmetrics=False, sample_limit=9)
        assert samples_in(page) == count
    else:
        with pytest.raises(BadPageError, match="more than 9 samples"):
            read_page(body, openmetrics=False, sample_limit=9)


def test_lines_end_with_a_newline_and_nothing_else():
    body = 'a{b="c\x85d\u2028e"} 1\n'.encode()
    (family,) = read_page(body, openmetrics=False, sample_limit=9).families
    assert family.samples[0].labels == {"b": "c\x85d\u2028e"}


@pytest.mark.parametrize(
    "bad",
    [
        'h_bucket{le="+Inf"} NaN\nh_count NaN\n',
        'h_bucket{le="+Inf"} +Inf\nh_count +Inf\n',
        'h_bucket{le="x"} 1\n',
        'h_bucket{le="+Inf"} 1 9e400\n',
        'h_bucket{le="+Inf"} 1 99999999999999999999\n',
        'h_bucket{le="+Inf"} 1 -1\n',
    ],
)
def test_a_series_that_means_nothing_is_left_out_alone(bad):
    body = f'# TYPE h histogram\n{bad}h_bucket{{x="y",le="+Inf"}} 2\n'
    page = read_page(body.encode(), openmetrics=False, sample_limit=9)
    (point,) = points_in(page, ORIGIN)
    assert (point.attributes, point.value.count) == ({"x": "y"}, 2)


def test_a_series_that_was_created_at_no_time_is_left_out():
    body = b"# TYPE a counter\na_total 1\na_created 1e300\n# EOF\n"
    assert points_in(read_page(body, openmetrics=True, sample_limit=9), ORIGIN) == []


def test_a_counter_keeps_its_suffix_since_a_gauge_may_have_the_name_without():
    body = b"# TYPE a gauge\na 1\n# TYPE a_total counter\na_total 2\n"
    page = read_page(body, openmetrics=False, sample_limit=9)
    points = points_in(page, ORIGIN)
    assert {point.name: point.value for point in points} == {"a": 1, "a_total": 2}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"# TYPE a_total counter\na_total 1\n", ["a_total"]),
        (b"# TYPE a counter\na 1\n", ["a"]),
        (b'#\tTYPE  a\tcounter  \na{b="c"} 1\na{b="d"} 1\n', ["a", "a"]),
        (b"# TYPE a gauge\na 1\n# TYPE b counter\nb 1\n", ["a", "b"]),
    ],
)
def test_a_counter_keeps_the_name_that_its_page_has_for_it(body, names):
    page = read_page(body, openmetrics=False, sample_limit=9)
    points = points_in(page, ORIGIN)
    assert [point.name for point in points] == names
    assert points[-1].is_monotonic


def test_a_native_histogram_is_left_out_alone():
    native = "{count:3,sum:6,schema:0,zero_threshold:0.1,zero_count:3}"
    body = f"# TYPE n histogram\nn {native}\n# TYPE a gauge\na 1\n# EOF\n".encode()
    page = read_page(body, openmetrics=True, sample_limit=9)
    assert [point.name for point in points_in(page, ORIGIN)] == ["a"]
