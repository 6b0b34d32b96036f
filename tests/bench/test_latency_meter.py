"""The end-to-end latencies of a load: from when an event was due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.bench.meter import Meter
from sluiceway.delivery import DELIVERED, Delivery, DeliveryStatus
from sluiceway.testing import ManualClock


def answered(count, first, last, now, *, lost=0, warm_up=0.0):
    clock = ManualClock()
    meter = Meter(clock, warm_up)
    delivery = Delivery(count)
    meter.sent(delivery, first, last, count)
    clock.move(now)
    delivery.settle(DeliveryStatus.DROPPED, lost)
    delivery.settle(DELIVERED, count - lost)
    return meter


@given(st.integers(1, 500), st.floats(0, 5), st.floats(0, 5))
def test_each_event_of_a_batch_counts_once_between_the_oldest_and_the_newest(
    count, first, length
):
    latency = answered(count, first, first + length, 20.0).percentiles()
    assert latency.count == count
    assert latency[100.0] == pytest.approx(20 - first, rel=0.002)
    assert latency[0.0] >= (20 - first - length) * 0.998
    assert latency.mean <= (20 - first) * 1.002


def test_throughput_counts_from_the_end_of_the_warm_up_to_the_last_answer():
    meter = answered(100, 1.0, 1.5, 3.0, warm_up=1.0)
    assert meter.throughput == pytest.approx(50)
    assert answered(100, 0.0, 0.1, 0.9, warm_up=1.0).throughput == 0


@pytest.mark.parametrize(("steady", "told"), [(True, 100), (False, 400 / 3.5)])
def test_what_was_gathered_before_the_warm_up_ended_makes_nothing_faster(steady, told):
    clock = ManualClock()
    meter = Meter(clock, 0.5, steady=steady)
    for second in range(4):  # 100 events a second, let go once a second
        clock.move(1.0)
        for _ in range(10):
            clock.move(0.0001)
            delivery = Delivery(10)
            meter.sent(delivery, second, second + 0.99, 10)
            delivery.settle(DELIVERED, 10)
    assert meter.throughput == pytest.approx(told, rel=0.002)


def test_what_was_due_during_the_warm_up_has_no_latency():
    meter = answered(100, 0.5, 1.5, 3.0, warm_up=1.0)
    assert meter.percentiles().count == 0
    assert meter.throughput == pytest.approx(50)


def test_lost_events_are_answered_for_and_have_no_latency():
    meter = answered(100, 0.0, 0.0, 1.0, lost=30)
    assert (meter.events_answered, meter.events_arrived) == (100, 70)
    assert meter.percentiles().count == 70


def test_what_was_never_sent_is_as_late_as_it_is_when_the_load_ends():
    clock = ManualClock()
    meter = Meter(clock)
    clock.move(10.0)
    meter.unsent(2.0, 2.0, 5)
    assert meter.events_unsent == 5
    assert meter.percentiles()[50.0] == pytest.approx(8, rel=0.002)


def test_a_latency_beyond_an_hour_counts_as_an_hour():
    assert answered(1, 0.0, 0.0, 9000.0).percentiles()[50.0] == pytest.approx(
        3600, rel=0.002
    )


def test_what_was_cut_off_on_its_way_is_as_late_as_it_is_then():
    clock = ManualClock()
    meter = Meter(clock)
    delivery = Delivery(10)
    meter.sent(delivery, 0.0, 0.0, 10)
    clock.move(4.0)
    meter.cut_off = True
    delivery.settle(DeliveryStatus.DROPPED, 10)
    assert meter.percentiles().count == 10
    assert meter.percentiles()[0.0] == pytest.approx(4, rel=0.002)
    assert meter.throughput == 0
