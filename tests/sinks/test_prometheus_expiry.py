"""Series of which nothing comes any more leave the page, if they are told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from attrs import evolve
from servers.contexts import stage_context

from sluiceway.errors import ConfigurationError
from sluiceway.events import MetricKind, MetricPoint, Resource
from sluiceway.sinks import PrometheusSink
from sluiceway.testing import ManualClock


def gauge(name, service="shop", value=1, kind=MetricKind.GAUGE):
    resource = Resource({"service.name": service})
    return MetricPoint(name=name, kind=kind, value=value, resource=resource)


@asynccontextmanager
async def page_of(clock, **settings):
    """A sink on this clock, and what tells the metrics that its page shows."""
    sink = PrometheusSink(port=None, **settings)
    await sink.open(evolve(stage_context("page"), clock=clock))

    async def names():
        lines = (await sink.scrape(None, None)).body.decode().splitlines()
        return [line.split("{")[0].split()[0] for line in lines if line[0] != "#"]

    try:
        yield sink, names
    finally:
        await sink.close()


def test_a_series_leaves_when_nothing_has_come_of_it_for_so_long():
    async def scenario():
        clock = ManualClock()
        async with page_of(clock, expire_after=300) as (sink, names):
            await sink.write([gauge("gone"), gauge("kept")])
            clock.move(200)
            await sink.write([gauge("kept")])
            clock.move(100)
            assert await names() == ["target_info", "gone", "kept"]
            clock.move(0.001)
            assert await names() == ["target_info", "kept"]
            assert sink.statistics().series == 1

    asyncio.run(scenario())


def test_a_service_that_is_gone_takes_its_target_info_along_and_may_come_back():
    async def scenario():
        clock = ManualClock()
        async with page_of(clock, expire_after=60) as (sink, names):
            await sink.write([gauge("up", "a"), gauge("up", "b")])
            clock.move(59)
            await sink.write([gauge("up", "b")])
            clock.move(2)
            assert await names() == ["target_info", "up"]
            await sink.write([gauge("up", "a")])
            assert await names() == ["target_info", "target_info", "up", "up"]

    asyncio.run(scenario())


def test_memory_is_given_back_though_nobody_scrapes():
    async def scenario():
        clock = ManualClock()
        async with page_of(clock, expire_after=10) as (sink, _):
            for number in range(50):
                await sink.write([gauge("up", f"service-{number}")])
                clock.move(1)
            assert sink.statistics().series == 11

    asyncio.run(scenario())


def test_a_name_is_free_for_another_kind_when_its_series_have_left():
    async def scenario():
        clock = ManualClock()
        async with page_of(clock, expire_after=10) as (sink, names):
            await sink.write([gauge("size")])
            clock.move(11)
            await names()
            await sink.write([gauge("size", kind=MetricKind.SUM)])
            assert await names() == ["target_info", "size"]

    asyncio.run(scenario())


def test_without_the_setting_a_series_stays():
    async def scenario():
        clock = ManualClock()
        async with page_of(clock) as (sink, names):
            await sink.write([gauge("kept")])
            clock.move(1e6)
            assert await names() == ["target_info", "kept"]

    asyncio.run(scenario())


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), "5m", True])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(ConfigurationError, match=r"PrometheusSink\.expire_after is"):
        PrometheusSink(port=None, expire_after=seconds)
