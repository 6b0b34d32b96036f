"""The ``ot`` member of a tracestate, by the specification's tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.formats.tracestate import (
    FULL,
    adjusted_count,
    consistent_trace_state,
    format_threshold,
    parse_threshold,
    probability_of,
    randomness_of,
    read_ot,
    threshold_of,
    trace_state_with_threshold,
)

SPEC_TABLE = [
    (1, "0", "0", "0"),
    (2, "8", "8", "8"),
    (3, "aab", "aaab", "aaaab"),
    (4, "c", "c", "c"),
    (5, "ccd", "cccd", "ccccd"),
    (8, "e", "e", "e"),
    (10, "e66", "e666", "e6666"),
    (16, "f", "f", "f"),
    (100, "fd71", "fd70a", "fd70a4"),
    (1000, "ffbe7", "ffbe77", "ffbe76d"),
    (10000, "fff972", "fff9724", "fff97247"),
    (100000, "ffff584", "ffff583a", "ffff583a5"),
    (1000000, "ffffef4", "ffffef39", "ffffef391"),
]


@pytest.mark.parametrize(("one_in", "three", "four", "five"), SPEC_TABLE)
def test_thresholds_are_those_of_the_specification(one_in, three, four, five):
    written = [format_threshold(threshold_of(1 / one_in, n)) for n in (3, 4, 5)]
    assert written == [three, four, five]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (1 / 3, "aaaaaaaaaaaaac"),
        (2 / 3, "55555555555558"),
        (2.0**-56, "ffffffffffffff"),
        (1.0, "0"),
    ],
)
def test_full_precision_is_that_of_the_collector(probability, text):
    assert format_threshold(threshold_of(probability, 14)) == text


@given(st.floats(min_value=2.0**-56, max_value=1.0))
def test_a_rounded_threshold_stays_near_its_probability(probability):
    threshold = threshold_of(probability)
    assert 0 <= threshold < FULL
    assert probability_of(threshold) == pytest.approx(probability, rel=2.0**-12)


@given(st.integers(min_value=0, max_value=FULL - 1))
def test_a_threshold_is_read_as_it_was_written(threshold):
    state = trace_state_with_threshold("", threshold)
    assert read_ot(state) == (threshold, None)
    assert adjusted_count(threshold) == pytest.approx(1 / probability_of(threshold))


def test_probability_zero_keeps_nothing():
    assert threshold_of(0.0) == FULL


def test_the_last_seven_bytes_of_a_trace_id_are_its_randomness():
    trace_id = bytes.fromhex("ffffffffffffffffffc0000000000000")
    assert randomness_of(trace_id) == 0xC0000000000000


@pytest.mark.parametrize(
    "text", ["", "C", "0x1", "g", "000000000000000", "1 2", "-1", "ff_f"]
)
def test_a_malformed_threshold_counts_as_absent(text):
    assert parse_threshold(text) is None
    assert read_ot(f"ot=th:{text}")[0] is None


@pytest.mark.parametrize("text", ["", "1", "c000000000000", "C0000000000000", "z" * 14])
def test_a_malformed_randomness_counts_as_absent_and_is_not_passed_on(text):
    assert read_ot(f"ot=rv:{text};th:8") == (1 << 55, None)
    assert trace_state_with_threshold(f"ot=rv:{text}", 1 << 55) == "ot=th:8"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "ot=th:c"),
        ("ot=th:8", "ot=th:c"),
        ("ot=th:8;rv:00000000000001", "ot=th:c;rv:00000000000001"),
        ("ot=rv:00000000000001;th:8", "ot=rv:00000000000001;th:c"),
        ("ot=xy:1;th:8;z9:a.b", "ot=xy:1;th:c;z9:a.b"),
        ("vendor=1", "ot=th:c,vendor=1"),
        ("a=1, ot=th:8 ,b=2", "ot=th:c,a=1,b=2"),
        ("a=1,,b=th:8", "ot=th:c,a=1,b=th:8"),
        ("ot=th:8,ot=th:1;xx:1", "ot=th:c"),
        ("boot=th:1", "ot=th:c,boot=th:1"),
    ],
)
def test_writing_a_threshold_leaves_everything_else_as_it_was(before, after):
    assert trace_state_with_threshold(before, 0xC0000000000000) == after


def test_erasing_a_threshold_leaves_the_rest():
    state = "a=1,ot=th:8;rv:00000000000001"
    assert trace_state_with_threshold(state, None) == "ot=rv:00000000000001,a=1"
    assert trace_state_with_threshold("ot=th:8,a=1", None) == "a=1"


def test_the_first_of_two_equal_keys_counts():
    assert read_ot("ot=th:8;th:c")[0] == 1 << 55
    assert read_ot("ot=th:8,ot=th:c")[0] == 1 << 55


def test_a_full_tracestate_loses_its_last_member_rather_than_its_validity():
    members = [f"v{number}=1" for number in range(32)]
    state = trace_state_with_threshold(",".join(members), 0)
    assert state.split(",") == ["ot=th:0", *members[:31]]


def test_a_long_value_loses_unknown_sub_keys_from_the_right():
    extras = ";".join(f"x{number}:{'y' * 20}" for number in range(12))
    state = trace_state_with_threshold(f"ot={extras};rv:00000000000001", 0)
    value = state.removeprefix("ot=")
    assert len(value) <= 256
    assert value.startswith("th:0;x0:")
    assert read_ot(state) == (0, 1)


@given(st.text(max_size=300))
def test_no_tracestate_breaks_the_reader_or_the_writer(text):
    threshold, randomness = read_ot(text)
    written = trace_state_with_threshold(text, 1 << 55)
    assert read_ot(written) == (1 << 55, randomness)
    assert threshold is None or 0 <= threshold < FULL


@pytest.mark.parametrize(
    ("state", "sampled", "kept"),
    [
        ("", True, ""),
        ("a=b", True, "a=b"),
        ("ot=th:c,a=b", True, "ot=th:c,a=b"),
        ("ot=th:c,a=b", False, "a=b"),
        ("ot=th:d,a=b", True, "a=b"),
        ("ot=th:d,a=b", False, "ot=th:d,a=b"),
        ("a=b,ot=th:8;rv:70000000000000", True, "ot=rv:70000000000000,a=b"),
        ("ot=th:xyz", True, "ot=th:xyz"),
    ],
)
def test_a_threshold_that_contradicts_the_decision_is_erased(state, sampled, kept):
    trace_id = bytes(9) + b"\xc0" + bytes(6)
    assert consistent_trace_state(state, trace_id, sampled) == kept
