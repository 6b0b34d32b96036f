"""OpenTelemetry names and attributes become names that Prometheus takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.formats.prometheus_names import (
    job_and_instance,
    label_name,
    labels_of,
    metric_name,
)

METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("cpu_usage", "1", "cpu_usage"),
        ("requests", "1/s", "requests_per_second"),
        ("throughput", "By/s", "throughput_bytes_per_second"),
        ("speed", "m/s", "speed_meters_per_second"),
        ("custom_metric", "By/{custom}", "custom_metric_bytes"),
        ("queue", "{item}", "queue"),
        ("queue", "{item}/min", "queue_per_minute"),
        ("response_time_seconds", "s", "response_time_seconds"),
        ("http.server.request.duration", "s", "http_server_request_duration_seconds"),
        ("bytes.sent", "By", "bytes_sent"),
        ("disk.used", "GiBy", "disk_used_gibibytes"),
        ("cache.hit", "%", "cache_hit_percent"),
        ("pressure", "mm[Hg]", "pressure_mm_Hg"),
        ("123metric", "", "_123metric"),
        ("metric@@##$$name", "", "metric_name"),
        ("rule:http", "", "rule:http"),
        ("a__b", "", "a_b"),
        ("@#$%", "s", ""),
    ],
)
def test_a_gauge_is_named_by_the_mapping_rules(name, unit, expected):
    assert metric_name(name, unit)[0] == expected


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("items", "1", "items"),
        ("cpu_seconds_total", "s", "cpu_seconds"),
        ("otelcol_process_cpu_seconds", "s", "otelcol_process_cpu_seconds"),
        ("foo.bar", "By", "foo_bar_bytes"),
        ("requests", "1/s", "requests_per_second"),
        ("total", "", "total"),
    ],
)
def test_a_counter_is_named_without_the_total_that_its_samples_append(
    name, unit, expected
):
    assert metric_name(name, unit, counter=True)[0] == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("label.with.dots", "label_with_dots"),
        ("123label", "key_123label"),
        ("_x", "_x"),
        ("a__b", "a_b"),
        ("__name__", "_name_"),
        ("ようこそ", "_"),
        ("", "_"),
    ],
)
def test_a_label_is_named_by_the_mapping_rules(key, expected):
    assert label_name(key) == expected


def test_keys_that_become_one_label_join_their_values_in_the_order_of_the_keys():
    assert labels_of({"a_b": "second", "a.b": "first"}) == {"a_b": "first;second"}


def test_a_label_that_somebody_else_sets_is_exported_beside_it():
    labels = labels_of({"le": 1, "job": "mine"}, taken={"le", "job"})
    assert labels == {"exported_le": "1", "exported_job": "mine"}
    labels = labels_of({"job": "mine"}, taken={"job", "exported_job"})
    assert labels == {"exported_exported_job": "mine"}


def test_values_that_are_no_text_are_written_as_json():
    labels = labels_of({"b": True, "i": 7, "l": [1, "x"], "raw": b"\x00\xff"})
    assert labels == {"b": "true", "i": "7", "l": '[1,"x"]', "raw": "AP8="}


def test_a_value_without_text_is_an_absent_label():
    assert labels_of({"none": None, "empty": ""}) == {}


def test_job_has_the_namespace_in_front_and_instance_is_the_instance_id():
    resource = {
        "service.name": "shop",
        "service.namespace": "eu",
        "service.instance.id": "7",
    }
    assert job_and_instance(resource) == {"job": "eu/shop", "instance": "7"}


@given(name=st.text(), unit=st.text(), counter=st.booleans())
def test_every_metric_name_is_empty_or_legal(name, unit, counter):
    family, suffix = metric_name(name, unit, counter=counter)
    assert family == "" or METRIC.fullmatch(family)
    assert not suffix or family.endswith("_" + suffix)


@given(st.dictionaries(st.text(), VALUES))
def test_every_label_is_legal_and_every_value_can_be_encoded(attributes):
    for name, value in labels_of(attributes).items():
        assert LABEL.fullmatch(name)
        assert value.encode()
