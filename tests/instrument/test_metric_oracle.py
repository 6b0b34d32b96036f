"""The SDK is told the same, and must find the same."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import metrics as api
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics import export as sdk_export
from opentelemetry.sdk.metrics import view as sdk_view

from sluiceway.events import ExponentialHistogram, Histogram, Temporality
from sluiceway.instrument import ExponentialAggregation, Telemetry, View

SYNCHRONOUS = ["counter", "up_down_counter", "histogram", "fine", "gauge"]
OBSERVABLE = ["observable_counter", "observable_up_down_counter", "observable_gauge"]
DELTA = dict.fromkeys(
    (sdk.Counter, sdk.ObservableCounter, sdk.Histogram),
    sdk_export.AggregationTemporality.DELTA,
)
ATTRIBUTES = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "y"]))
AMOUNTS = st.one_of(st.integers(0, 1000), st.floats(0, 1e6).map(lambda x: round(x, 3)))
MEASUREMENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SYNCHRONOUS), AMOUNTS, ATTRIBUTES),
        st.just("collect"),
    ),
    max_size=60,
)
BUCKETS = [1, 10, 100.5]


class Told:
    """One meter, of either side, and what its observables are told."""

    def __init__(self, meter):
        self.sums = {}
        self.instruments = {
            name: getattr(meter, f"create_{name}")(name)
            for name in ("counter", "up_down_counter", "gauge")
        }
        self.instruments["histogram"] = meter.create_histogram(
            "histogram", explicit_bucket_boundaries_advisory=BUCKETS
        )
        self.instruments["fine"] = meter.create_histogram("fine")
        for name in OBSERVABLE:
            getattr(meter, f"create_{name}")(name, [self.observe])

    def observe(self, options):
        for key, value in self.sums.items():
            yield api.Observation(value, dict(key))

    def measure(self, name, amount, attributes):
        if name == "fine":
            amount = amount or 1  # the SDK's scale goes wrong after a zero
        instrument = self.instruments[name]
        for method in ("add", "set", "record"):
            if hasattr(instrument, method):
                getattr(instrument, method)(amount, attributes)
        key = tuple(sorted(attributes.items()))
        self.sums[key] = self.sums.get(key, 0) + amount


def approximately(number):
    return None if number is None else float(f"{number:.9g}")


def ours(telemetry):
    found = {}
    for point in telemetry.collect():
        value = point.value
        if isinstance(value, Histogram):
            value = (value.count, value.bucket_counts, *ends(value))
        elif isinstance(value, ExponentialHistogram):
            positive = value.positive
            counts = [*positive.bucket_counts]
            # without buckets the SDK says 0, which would coarsen what it is added to
            scale = (value.scale, positive.offset) if counts else None
            value = (value.count, value.zero_count, scale, counts, *ends(value))
        else:
            value = approximately(value)
        key = (point.name, tuple(sorted(point.attributes.items())))
        delta = point.temporality is Temporality.DELTA
        found[key] = (value, point.is_monotonic, delta)
    return found


def at_scales_of(told, others):
    """What is told, its exponential buckets no finer than the others'.

    For a new interval of deltas we begin at the finest scale, the SDK where it ended.
    """
    return {
        key: (coarsened(value, others[key][0]), *rest) if key in others else whole
        for key, whole in told.items()
        for value, *rest in [whole]
    }


def coarsened(value, other):
    """Buckets of a scale that is not above the other's; all else as it is."""
    places = [
        v[2] if isinstance(v, tuple) and len(v) == 7 else None for v in (value, other)
    ]
    if None in places or places[0][0] <= places[1][0]:
        return value
    (scale, offset), (wanted, _) = places
    buckets = Counter()
    for index, count in enumerate(value[3], offset):
        if count:
            buckets[index >> (scale - wanted)] += count
    first, last = min(buckets), max(buckets)
    counts = [buckets[index] for index in range(first, last + 1)]
    return (*value[:2], (wanted, first), counts, *value[4:])


def ends(value):
    return tuple(map(approximately, (value.sum, value.min, value.max)))


def theirs(reader):
    found = {}
    data = reader.get_metrics_data()
    metrics = [
        metric
        for resource in (data.resource_metrics if data else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    for metric in metrics:
        of_gauge = isinstance(metric.data, sdk_export.Gauge)
        delta = not of_gauge and (
            metric.data.aggregation_temporality
            is sdk_export.AggregationTemporality.DELTA
        )
        monotonic = getattr(metric.data, "is_monotonic", False)
        for point in metric.data.data_points:
            key = (metric.name, tuple(sorted(point.attributes.items())))
            found[key] = (value_of(point), monotonic, delta)
    return found


def value_of(point):
    if isinstance(point, sdk_export.HistogramDataPoint):
        return (point.count, list(point.bucket_counts), *ends(point))
    if isinstance(point, sdk_export.ExponentialHistogramDataPoint):
        counts = list(point.positive.bucket_counts)
        while counts and not counts[-1]:
            counts.pop()
        scale = (point.scale, point.positive.offset) if counts else None
        return (point.count, point.zero_count, scale, counts, *ends(point))
    return approximately(point.value)


@pytest.mark.parametrize("preference", ["cumulative", "delta"])
@given(measurements=MEASUREMENTS)
@example([("fine", 0, {}), ("fine", 2, {}), "collect", ("fine", 0, {})])
def test_the_sdk_finds_the_same(preference, measurements):
    telemetry = Telemetry(
        "shop",
        temporality=preference,
        views=[View("fine", aggregation=ExponentialAggregation(max_size=8))],
    )
    reader = sdk_export.InMemoryMetricReader(
        preferred_temporality=DELTA if preference == "delta" else None
    )
    fine = sdk_view.View(
        instrument_name="fine",
        aggregation=sdk_view.ExponentialBucketHistogramAggregation(max_size=8),
    )
    provider = sdk.MeterProvider([reader], views=[fine], shutdown_on_exit=False)
    mine, other = Told(telemetry.meter("m")), Told(provider.get_meter("m"))
    for measurement in [*measurements, "collect"]:
        if measurement == "collect":
            mine_told, others_told = ours(telemetry), theirs(reader)
            levelled = at_scales_of(mine_told, others_told)
            assert levelled == at_scales_of(others_told, mine_told)
        else:
            mine.measure(*measurement)
            other.measure(*measurement)
    provider.shutdown()
