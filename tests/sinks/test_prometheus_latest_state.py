"""The latest state holds one point for each series and adds deltas up exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.events import (
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Temporality,
)
from sluiceway.formats.histograms import added, explicit
from sluiceway.formats.identity import identity_of
from sluiceway.formats.prometheus_text import exposition
from sluiceway.instrument import Telemetry
from sluiceway.sinks.latest import LatestState

SIZES = st.floats(1e-3, 1e3)
SLACK = 1e-9  # bounds are powers of roots, which floats only come near to


def delta(value, start, time, kind=MetricKind.SUM, **more):
    return MetricPoint(
        name="a",
        value=value,
        kind=kind,
        temporality=Temporality.DELTA,
        start_time_unix_nano=start,
        time_unix_nano=time,
        **more,
    )


def state_after(*points):
    state = LatestState()
    return state, state.update(points)


def test_a_later_point_supersedes_an_older_one_in_either_order():
    old = MetricPoint(name="a", value=1, time_unix_nano=1)
    new = MetricPoint(name="a", value=2, time_unix_nano=2)
    for order in ((old, new), (new, old)):
        state, update = state_after(*order)
        assert state.points() == [new]
        assert (update.superseded, update.refused) == (1, {})


def test_the_same_point_again_supersedes_nothing():
    point = MetricPoint(name="a", value=1)
    state, update = state_after(point, point)
    assert (len(state), update.superseded) == (1, 0)


def test_series_differ_by_name_attributes_scope_and_resource():
    points = [
        MetricPoint(name="a", value=0),
        MetricPoint(name="b", value=0),
        MetricPoint(name="a", value=0, attributes={"x": 1}),
        MetricPoint(name="a", value=0, attributes={"x": True}),
        MetricPoint(name="a", value=0, attributes={"x": "1"}),
        MetricPoint(name="a", value=0, scope=Scope(name="s")),
        MetricPoint(name="a", value=0, resource=Resource({"service.name": "s"})),
    ]
    state, update = state_after(*points)
    assert (len(state), update.superseded) == (len(points), 0)


def test_the_order_of_attributes_and_equal_resources_make_no_other_series():
    first = MetricPoint(
        name="a", value=0, attributes={"x": 1, "y": 2}, resource=Resource({"r": 1})
    )
    second = MetricPoint(
        name="a", value=1, attributes={"y": 2, "x": 1}, resource=Resource({"r": 1})
    )
    state, _ = state_after(first, second)
    assert state.points() == [second]


def test_a_point_without_a_value_ends_its_series():
    state, _ = state_after(
        MetricPoint(name="a", value=1), MetricPoint(name="a", value=None)
    )
    assert state.points() == []


def test_what_is_no_metric_point_is_refused_by_its_index():
    state, update = state_after(MetricPoint(name="a", value=1), "text")
    assert len(state) == 1
    assert {index: str(error) for index, error in update.refused.items()} == {
        1: "expected a MetricPoint, got a str"
    }


def test_a_copy_is_updated_alone():
    state, _ = state_after(delta(1, 0, 10))
    other = state.copy()
    other.update([delta(2, 10, 20)])
    assert state.points()[0].value == 1
    assert other.points()[0].value == 3


@given(st.lists(st.integers(0, 100), min_size=1, max_size=10))
def test_deltas_that_follow_each_other_add_up_from_the_first_start(values):
    deltas = [delta(v, 5 + i, 6 + i) for i, v in enumerate(values)]
    state, update = state_after(*deltas)
    (point,) = state.points()
    assert point.value == sum(values)
    assert point.temporality is Temporality.CUMULATIVE
    assert (point.start_time_unix_nano, point.time_unix_nano) == (5, 5 + len(values))
    assert update.refused == {}


@pytest.mark.parametrize(
    "late", [delta(5, 5, 20), delta(5, 10, 20), delta(5, 12, 19), delta(5, 1, 30)]
)
def test_a_delta_that_may_have_been_added_already_is_refused(late):
    state, update = state_after(delta(1, 10, 20), late)
    assert state.points()[0].value == 1
    assert update.refused[1].reason == "out_of_order"


def test_deltas_of_two_writers_overlap_and_add_up():
    times = [(0, 10), (5, 15), (10, 20), (15, 25)]
    state, update = state_after(*(delta(1, *each) for each in times))
    assert (state.points()[0].value, update.refused) == (4, {})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_deltas_add_up_over_every_gap(values_and_gaps):
    at, deltas = 1, []
    for value, gap in values_and_gaps:
        deltas.append(delta(value, at + gap, at + gap + 1))
        at += gap + 1
    state, update = state_after(*deltas)
    (point,) = state.points()
    assert point.value == sum(value for value, _ in values_and_gaps)
    assert point.start_time_unix_nano == 1 + values_and_gaps[0][1]
    assert update.refused == {}


def test_a_counter_that_was_idle_goes_on_from_where_it_stood():
    telemetry, state = Telemetry("shop", temporality="delta"), LatestState()
    orders = telemetry.meter("shop").counter("orders")
    for amount in (5, None, None, 2):
        if amount:
            orders.add(amount)
        state.update(telemetry.collect())
    assert "orders_total 7.0\n" in exposition(state.points()).body.decode()


def test_points_that_nobody_has_seen_are_told_by_their_index():
    old, new = (MetricPoint(name="a", value=at, time_unix_nano=at) for at in (1, 2))
    end = MetricPoint(name="b", value=None)
    other = MetricPoint(name="b", value=1)
    state, update = state_after(old, other, new, old, end, new)
    assert set(update.overtaken) == {0, 1, 3}
    assert (update.superseded, len(state)) == (3, 1)
    assert state.update([new]).overtaken == set()


def test_a_delta_histogram_of_other_buckets_starts_the_series_again():
    kind = MetricKind.HISTOGRAM
    first = delta(Histogram(1, 1.0, [1, 0], [1.0]), 1, 2, kind)
    same = delta(Histogram(2, 3.0, [0, 2], [1.0], 2.0, 2.0), 2, 3, kind)
    other = delta(Histogram(1, 1.0, [1, 0], [9.0]), 3, 4, kind)
    state, _ = state_after(first, same)
    assert state.points()[0].value == Histogram(3, 4.0, [1, 2], [1.0])
    state.update([other])
    assert state.points()[0].value == other.value


@given(st.lists(SIZES, max_size=30), st.lists(SIZES, max_size=30), st.integers(-4, 8))
def test_added_exponential_histograms_count_every_measurement(first, second, scale):
    total = added(exponential(first, scale), exponential(second, 8))
    assert total.count == len(first) + len(second)
    seen = explicit(total)
    assert sum(seen.bucket_counts) == total.count
    for bound, below in zip(seen.explicit_bounds, cumulated(seen), strict=False):
        surely = sum(value <= bound * (1 - SLACK) for value in first + second)
        at_most = sum(value <= bound * (1 + SLACK) for value in first + second)
        assert surely <= below <= at_most


def test_negative_measurements_lie_below_the_zero_bucket():
    value = ExponentialHistogram(
        count=4,
        zero_count=1,
        negative=ExponentialBuckets(0, [2, 1]),
        zero_threshold=0.5,
    )
    seen = explicit(value)
    assert seen.explicit_bounds == [-4.0, -2.0, -1.0, 0.5]
    assert seen.bucket_counts == [0, 1, 2, 1, 0]


def test_a_wider_zero_bucket_takes_what_it_covers():
    narrow = ExponentialHistogram(
        count=3, sum=3.0, positive=ExponentialBuckets(-2, [1, 1, 1])
    )
    wide = ExponentialHistogram(count=1, sum=0.0, zero_count=1, zero_threshold=1.0)
    for total in (added(narrow, wide), added(wide, narrow)):
        assert (total.count, total.zero_count, total.zero_threshold) == (4, 3, 1.0)
        assert total.positive == ExponentialBuckets(0, [1])


def test_buckets_that_are_far_apart_are_joined_and_not_filled_up():
    far = [
        ExponentialHistogram(count=1, scale=20, positive=ExponentialBuckets(at, [1]))
        for at in (-(2**30), 2**30)
    ]
    total = added(*far)
    assert len(total.positive.bucket_counts) <= 160
    assert sum(total.positive.bucket_counts) == 2


@pytest.mark.parametrize("value", [10**30, "\ud800", object])
def test_attributes_that_no_wire_can_carry_are_still_told_apart(value):
    first, second = identity_of({"x": value}), identity_of({"x": None})
    assert first != second
    assert first == identity_of({"x": value})


def cumulated(histogram):
    total = 0
    for count in histogram.bucket_counts:
        total += count
        yield total


def exponential(values, scale):
    """The exponential histogram of the values, measured at a high scale."""
    fine = LatestState()
    points = [
        delta(single(value), 0, 0, MetricKind.EXPONENTIAL_HISTOGRAM) for value in values
    ]
    fine.update([delta(empty(scale), 0, 0, MetricKind.EXPONENTIAL_HISTOGRAM), *points])
    return fine.points()[0].value


def empty(scale):
    return ExponentialHistogram(scale=scale, sum=0.0)


def single(value):
    """One measurement at scale 0: bucket ``i`` holds ``(2 ** i, 2 ** (i + 1)]``."""
    index = 0
    while 2.0**index >= value:
        index -= 1
    while 2.0 ** (index + 1) < value:
        index += 1
    return ExponentialHistogram(
        count=1, sum=value, scale=0, positive=ExponentialBuckets(index, [1])
    )


class Spiteful:
    """Raises from whatever is asked of it."""

    def __hash__(self):
        raise RuntimeError("spite")

    __eq__ = __repr__ = __str__ = __bool__ = __int__ = __iter__ = __and__ = __hash__


JUNK = [None, 5, -1.5, ["x"], {"a": 1}, b"\xff", object(), Spiteful()]
FIELDS = MetricPoint.__struct_fields__


def spoilt(field, junk):
    good = MetricPoint(name="bad", value=1)
    setattr(good, field, junk)
    return good


SPOILT = [spoilt(field, junk) for field in FIELDS for junk in JUNK]
SPOILT += [MetricPoint(name="bad", value=1, resource=Resource(junk)) for junk in JUNK]
SPOILT += [
    MetricPoint(name="bad", value=1, resource=Resource({"service.name": junk}))
    for junk in JUNK
]
SPOILT += [MetricPoint(name="bad", value=1, attributes={"k": junk}) for junk in JUNK]
SPOILT += [delta(Histogram(bucket_counts=junk), 0, 1) for junk in JUNK]


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("bad", SPOILT, ids=range(len(SPOILT)))
def test_a_point_of_wrong_types_costs_its_neighbours_nothing_now_and_later(
    bad, openmetrics
):
    state, update = state_after(
        MetricPoint(name="one", value=1), bad, MetricPoint(name="two", value=2)
    )
    assert set(update.refused) <= {1}
    page = exposition(state.points(), openmetrics=openmetrics).body.decode()
    assert "one 1.0\n" in page
    assert "two 2.0\n" in page


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("resource", None, "Resource"), ("name", ["x"], "str"), ("flags", "1", "int")],
)
def test_a_refused_point_is_told_which_field_is_wrong(field, value, expected):
    _, update = state_after(spoilt(field, value))
    words = f"a MetricPoint's {field} is {value!r}; expected {expected}"
    assert str(update.refused[0]) == words
    assert update.refused[0].reason == "malformed_point"


def test_a_series_goes_on_after_a_point_that_cannot_be_added():
    kind = MetricKind.HISTOGRAM
    good = [
        delta(Histogram(1, 1.0, [1, 0], [1.0]), at, at + 1, kind) for at in range(4)
    ]
    spoilt = Histogram(1, 1.0, [None, 0], [1.0])
    state, update = state_after(*good[:2], delta(spoilt, 2, 3, kind), *good[2:])
    assert list(update.refused) == [2]
    assert state.points()[0].value.count == 4
    state, update = state_after(delta(spoilt, 0, 1, kind), *good[1:])
    assert update.refused == {}
    assert state.points()[0].value.count == 3
