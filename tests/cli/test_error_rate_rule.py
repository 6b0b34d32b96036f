"""The demo's error-rate rule, told the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.cli.demo.rules import ErrorRate
from sluiceway.events import AlertStatus, Span, SpanKind, StatusCode
from sluiceway.testing import check_accumulator


def requests(count, failed=0, *, kind=SpanKind.SERVER):
    return [
        Span(
            name="GET /",
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            kind=kind,
            end_time_unix_nano=1_000 + index,
            status_code=StatusCode.ERROR if index < failed else StatusCode.UNSET,
        )
        for index in range(count)
    ]


def test_it_fires_once_above_the_threshold_and_resolves_when_errors_are_old():
    rule = ErrorRate(threshold=0.1, window=3.0, at_least=5)
    assert rule.add(requests(20, failed=2), now=0.0) == []
    (firing,) = rule.add(requests(5, failed=5), now=1.0)
    assert (firing.status, firing.message) == (
        AlertStatus.FIRING,
        "28% of the last 25 requests failed",
    )
    assert rule.add(requests(1), now=1.1) == []
    assert rule.next_deadline() == 3.0
    assert rule.tick(3.0) == []
    (resolved,) = rule.tick(4.0)
    assert resolved.status is AlertStatus.RESOLVED
    assert resolved.labels == firing.labels
    assert resolved.starts_at_unix_nano == firing.starts_at_unix_nano
    assert firing.status is AlertStatus.FIRING


def test_a_few_requests_mean_nothing_and_inner_spans_are_no_requests():
    rule = ErrorRate(at_least=10)
    assert rule.add(requests(9, failed=9), now=0.0) == []
    assert rule.add(requests(50, 50, kind=SpanKind.INTERNAL), now=0.0) == []
    assert len(rule.add(requests(1, failed=1), now=0.0)) == 1


batches = st.lists(
    st.tuples(st.floats(0, 2), st.integers(0, 30), st.integers(0, 30)), max_size=30
)


@given(batches)
def test_alerts_alternate_and_agree_with_a_count_of_the_window(history):
    rule = ErrorRate(threshold=0.1, window=3.0, at_least=10)
    now, seen, firing = 0.0, [], False
    for wait, good, bad in history:
        now += wait
        seen += [(now, False)] * good + [(now, True)] * bad
        recent = [failed for at, failed in seen if at + 3.0 > now]
        share = sum(recent) / len(recent) if len(recent) >= 10 else 0.0
        expected = share > (0.05 if firing else 0.1)
        alerts = rule.add(requests(good + bad, failed=bad), now)
        assert len(alerts) == (expected != firing)
        firing = expected


def test_it_is_an_accumulator_by_the_book():
    check_accumulator(ErrorRate, requests(30, failed=10))


@pytest.fixture
def idle():
    return ErrorRate()


def test_without_requests_it_never_asks_to_be_woken(idle):
    assert idle.next_deadline() is None


def test_it_does_not_flap_between_the_threshold_and_its_half():
    rule = ErrorRate(threshold=0.1, window=10.0, at_least=10)
    assert len(rule.add(requests(100, failed=11), now=0.0)) == 1
    assert rule.add(requests(60), now=1.0) == []
    assert len(rule.add(requests(60), now=2.0)) == 1
