"""PushgatewaySink in a pipeline: what coalesces, what is pushed last and booked."""

from __future__ import annotations

import gzip
import logging

import pytest
from servers.contexts import opened
from waiting import until

from sluiceway import (
    BatchBy,
    DeliveryStatus,
    Inlet,
    Pipeline,
    Retry,
    Source,
    SupersededError,
)
from sluiceway.errors import PartialError
from sluiceway.events import MetricKind, MetricPoint, Resource, Temporality
from sluiceway.instrument import Telemetry
from sluiceway.sinks import PushgatewaySink
from sluiceway.sources import IterableSource
from sluiceway.testing import MisbehavingServer

AT_ONCE = BatchBy(max_events=1000, flush_interval=0)
IN_ONE = BatchBy(max_events=1000, flush_interval=3600)


def gauge(value, name="a", **more):
    return MetricPoint(name=name, value=value, time_unix_nano=value, **more)


def delta(value, at):
    return MetricPoint(
        name="d",
        value=value,
        kind=MetricKind.SUM,
        temporality=Temporality.DELTA,
        start_time_unix_nano=at,
        time_unix_nano=at + 1,
    )


def samples(request):
    return [line for line in request.body.decode().splitlines() if line[0] != "#"]


def pushed(run, events, **settings):
    """The ledger's line of the sink, and the requests."""

    async def scenario():
        async with MisbehavingServer() as server:
            sink = PushgatewaySink(server.url, name="gw", **settings)
            pipeline = Pipeline(IterableSource(events) >> sink)
            await pipeline.run()
        assert pipeline.ledger().balanced
        return pipeline.ledger()["gw"], server.requests

    return run(scenario())


def test_of_a_series_the_last_point_travels_and_the_others_are_merged(run, caplog):
    caplog.set_level(logging.WARNING)
    books, requests = pushed(run, [gauge(1), gauge(2), gauge(9, "b"), gauge(3)])
    assert (books.delivered, books.merged, books.lost) == (2, 2, 0)
    assert [samples(request) for request in requests] == [["a 3.0", "b 9.0"]]
    assert caplog.records == []


def test_a_point_that_comes_late_is_merged_and_takes_nothing_back(run):
    books, requests = pushed(
        run, [gauge(3), gauge(1)], batch=BatchBy(max_events=1, flush_interval=0)
    )
    assert (books.delivered, books.merged, books.lost) == (1, 1, 0)
    assert [samples(request) for request in requests] == [["a 3.0"]] * 2


def test_deltas_are_all_delivered_since_their_sum_is(run):
    books, requests = pushed(run, [delta(1, 1), delta(2, 2), delta(4, 3)])
    assert (books.delivered, books.merged) == (3, 0)
    assert samples(requests[0]) == ["d 7.0"]


def test_a_bad_point_is_rejected_beside_what_is_merged(run, caplog):
    caplog.set_level(logging.WARNING)
    books, _ = pushed(run, [gauge(1), gauge(2), "text"])
    assert (books.delivered, books.merged) == (1, 1)
    assert books.rejected == {"not_a_metric": 1}
    (record,) = caplog.records
    assert "1 event failed: PermanentError" in record.getMessage()


def test_what_comes_while_a_push_is_in_flight_is_one_push(run):
    async def scenario():
        inlet: Inlet = Inlet("points")
        async with MisbehavingServer() as server:
            await server.behave("stalls", times=1)
            sink = PushgatewaySink(
                server.url,
                name="gw",
                batch=AT_ONCE,
                timeout=0.2,
                retry=Retry(initial=0.001),
            )
            pipeline = Pipeline(inlet >> sink)
            async with pipeline:
                await inlet.emit(gauge(1))
                await until(lambda: len(server.requests) == 1)
                for value in range(2, 30):
                    await inlet.emit(gauge(value))
        return pipeline.ledger(), server.requests

    ledger, requests = run(scenario())
    assert samples(requests[-1]) == ["a 29.0"]
    assert ledger["gw"].lost == 0
    assert ledger["gw"].delivered + ledger["gw"].merged == 29
    assert ledger["gw"].delivered == len(requests) - 1
    assert ledger.balanced


def test_the_last_state_is_pushed_when_the_pipeline_stops(run):
    telemetry = Telemetry("shop", export_interval=3600)
    orders = telemetry.meter("shop").counter("orders")

    async def scenario():
        async with MisbehavingServer() as server:
            sink = PushgatewaySink(server.url, batch=IN_ONE)
            async with Pipeline(telemetry.metrics >> sink):
                orders.add(3)
        return server.requests

    requests = run(scenario())
    assert "orders_total 3.0" in samples(requests[-1])


class Asking(Source):
    """Sends the points as one batch, and keeps what became of it."""

    name = "asking"
    wants_delivery = True

    async def run(self, send):
        self.outcome = await (await send([gauge(1), gauge(2)]))


def test_who_waits_for_a_merged_point_hears_that_it_was_delivered(run):
    async def scenario():
        source = Asking()
        async with MisbehavingServer() as server:
            await Pipeline(source >> PushgatewaySink(server.url)).run()
        return source.outcome

    outcome = run(scenario())
    assert (outcome.status, outcome.delivered) == (DeliveryStatus.DELIVERED, 2)


def test_a_write_tells_which_points_did_not_travel(run):
    async def scenario():
        async with (
            MisbehavingServer() as server,
            opened(PushgatewaySink(server.url)) as sink,
        ):
            with pytest.raises(PartialError) as caught:
                await sink.write([gauge(1), gauge(2)])
            with pytest.raises(SupersededError):
                await sink.write([gauge(1)])
            return caught.value.failed

    assert {at: error.reason for at, error in run(scenario()).items()} == {
        0: "superseded"
    }


def test_workers_of_one_service_do_not_overwrite_each_other(run):
    async def scenario():
        async with MisbehavingServer() as server:
            for instance in "12":
                about = {"service.name": "shop", "service.instance.id": instance}
                async with opened(PushgatewaySink(server.url)) as sink:
                    await sink.write([gauge(1, resource=Resource(about))])
        return [request.target for request in server.requests]

    assert run(scenario()) == [
        "/metrics/job/shop/instance/1",
        "/metrics/job/shop/instance/2",
    ]


def test_a_push_is_compressed_if_that_is_asked_for(run):
    _, (request,) = pushed(run, [gauge(1)], compression="gzip")
    assert request.headers["content-encoding"] == "gzip"
    assert gzip.decompress(request.body).endswith(b"a 1.0\n")
    assert request.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_a_deletion_has_no_body_and_no_type(run):
    _, requests = pushed(
        run, [gauge(1)], delete_on_close=True, compression="gzip", job="j", grouping={}
    )
    assert [(r.method, r.target) for r in requests] == [
        ("PUT", "/metrics/job/j"),
        ("DELETE", "/metrics/job/j"),
    ]
    assert requests[1].body == b""
    assert "content-encoding" not in requests[1].headers


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_the_method_is_the_one_that_was_asked_for(run, method):
    _, (request,) = pushed(run, [gauge(1)], method=method)
    assert request.method == method
