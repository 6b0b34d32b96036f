"""How to test stages of your own: plain pytest, a manual clock, no event loop needed.

Run it: python -m pytest examples
"""

import asyncio

import pytest
from custom_stages import CountPerMinute, Countdown, Divide, FirstOfEach, Mailbox

from sluiceway import PermanentError, Pipeline, TransientError
from sluiceway.testing import (
    CollectingSink,
    check_accumulator,
    check_processor,
    check_sampler,
    check_sink,
    check_source,
)


def test_divide_divides():
    assert Divide(by=3).process([9, 4]) == [3, 1]
    check_processor(lambda: Divide(by=3), [9, 4, 0])


def test_the_first_of_equal_events_is_kept_until_the_period_is_over():
    sampler = FirstOfEach(period=60)
    assert sampler.sample([1, 1, 2], now=0.0) == [1, 2]
    assert sampler.sample([1], now=59.9) == []
    assert sampler.sample([1], now=60.0) == [1]
    check_sampler(lambda: FirstOfEach(period=60), [1, 1, 2])


def test_counts_come_out_once_a_minute():
    accumulator = CountPerMinute()
    assert accumulator.add([1, 1, 2], now=10.0) == []
    assert accumulator.next_deadline() == 70.0
    assert accumulator.tick(now=70.0) == [{1: 2, 2: 1}]
    assert accumulator.next_deadline() is None
    check_accumulator(CountPerMinute, [1, 1, 2])


def test_a_mailbox_says_whether_trying_again_can_help():
    mailbox = Mailbox(room=2)
    asyncio.run(mailbox.write([{}]))
    with pytest.raises(TransientError, match="at the moment"):
        asyncio.run(mailbox.write([{}, {}]))
    with pytest.raises(PermanentError, match="never fit"):
        asyncio.run(mailbox.write([{}, {}, {}]))
    check_sink(lambda: Mailbox(room=100), [{}, {}])


def test_a_countdown_waits_for_each_number():
    countdown, sink = Countdown(3), CollectingSink()
    asyncio.run(Pipeline(countdown >> sink).run())
    assert sink.events == [3, 2, 1]
    assert countdown.arrived == 3
    check_source(lambda: Countdown(3), [3, 2, 1])
