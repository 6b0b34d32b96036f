"""PrometheusSink(live=telemetry): a scrape shows what is true now."""

from __future__ import annotations

import asyncio
import threading

import pytest
from servers.polling import eventually_async

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PrometheusSink
from sluiceway.sinks.live import Live
from sluiceway.testing import CollectingSink


async def page_of(sink):
    return (await sink.scrape(None, None)).body.decode()


def test_a_scrape_shows_what_no_collection_has_brought_yet(run):
    telemetry = Telemetry("shop", export_interval=3600)
    orders = telemetry.meter("shop").counter("orders")

    async def main():
        page, other = PrometheusSink(port=None, live=telemetry), CollectingSink()
        async with Pipeline(telemetry.metrics >> [page, other]):
            orders.add(2)
            assert "orders_total 2.0\n" in await page_of(page)
            orders.add(3)
            assert "orders_total 5.0\n" in await page_of(page)
            assert other.events == []
        assert other.events[-1].value == 5
        assert "orders_total 5.0\n" in await page_of(page)

    run(main())


def test_one_page_holds_what_is_live_beside_what_came(run):
    mine, theirs = Telemetry("mine"), Telemetry("theirs", export_interval=3600)
    mine.meter("m").gauge("level").set(1)
    theirs.meter("t").gauge("level").set(2)

    async def main():
        page = PrometheusSink(port=None, live=mine)
        async with Pipeline(theirs.metrics >> page) as pipeline:
            await pipeline.flush()
            told = await page_of(page)
        assert 'job="mine"} 1.0' in told
        assert 'job="theirs"} 2.0' in told

    run(main())


@pytest.mark.parametrize("sums", ["delta", "lowmemory"])
def test_delta_sums_are_not_taken_from_others(run, caplog, sums):
    telemetry = Telemetry("shop", temporality=sums)
    telemetry.meter("shop").counter("orders").add(2)
    page = PrometheusSink(port=None, live=telemetry)
    assert f"sums that are {sums}" in caplog.text
    assert "orders" not in run(page_of(page))
    assert telemetry.collect()[0].value == 2


def test_who_cannot_be_asked_is_refused():
    with pytest.raises(ConfigurationError, match=r"PrometheusSink.live is 5; expected"):
        PrometheusSink(live=5)


class Hanging:
    """One that answers when it is let."""

    def __init__(self):
        self.asked = 0
        self.let = threading.Event()

    def collect(self):
        self.asked += 1
        self.let.wait(30)
        return []


def test_one_that_hangs_is_asked_once_and_keeps_no_page_away(run):
    hanging = Hanging()

    async def main():
        live = Live(hanging, "live", longest=0.05)
        assert await asyncio.gather(*(live.points() for _ in range(3))) == [[]] * 3
        assert await live.points() == []
        assert hanging.asked == 1
        hanging.let.set()

        async def is_asked_again():
            await live.points()
            return hanging.asked == 2

        await eventually_async(is_asked_again)

    run(main())


class Failing:
    def collect(self):
        raise ValueError("no")


def test_one_that_fails_is_named_once_and_keeps_no_page_away(run, caplog):
    page = PrometheusSink(port=None, live=Failing())
    for _ in range(3):
        assert run(page_of(page)) == ""
    assert caplog.text.count("ValueError('no')") == 1
