"""PrometheusSink serves what it was given, in the form that a scraper asks for."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import urllib.parse
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from servers.contexts import opened, stage_context
from servers.polling import eventually_async
from servers.processes import prometheus

from sluiceway.errors import ConfigurationError, PartialError, PermanentError
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
from sluiceway.formats.negotiation import accepts_gzip, wants_openmetrics
from sluiceway.sinks.prometheus import PrometheusSink

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,"
    "application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1"
)


def counter(value, **attributes):
    return MetricPoint(
        name="shop.orders",
        description="Orders taken.",
        kind=MetricKind.SUM,
        is_monotonic=True,
        value=value,
        attributes=attributes,
        resource=Resource({"service.name": "shop"}),
    )


async def scrape(sink, **headers):
    """Status, headers and raw body of the sink's page."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    url = f"http://127.0.0.1:{sink.port}{sink.path}"
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(url, headers=named, skip_auto_headers=["Accept-Encoding"]) as got,
    ):
        return got.status, got.headers, await got.read()


def scraped(events, *, make=PrometheusSink, **headers):
    async def scenario():
        async with opened(make(port=0)) as sink:
            await sink.write(events)
            return await scrape(sink, **headers)

    return asyncio.run(scenario())


def test_a_scraper_that_asks_for_nothing_gets_text():
    status, headers, body = scraped([counter(3, kind="a")])
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in headers
    samples = {s.name: s for f in parse_text(body.decode()) for s in f.samples}
    assert samples["shop_orders_total"].value == 3
    assert samples["shop_orders_total"].labels == {"kind": "a"}


def test_prometheus_gets_openmetrics():
    _, headers, body = scraped([counter(3)], Accept=PROMETHEUS_2)
    assert headers["Content-Type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8; "
        "escaping=underscores"
    )
    assert [f.name for f in parse_openmetrics(body.decode())] == [
        "target",
        "shop_orders",
    ]


@pytest.mark.parametrize("asked", ["allow-utf-8", "dots", "values", "underscores"])
def test_a_scraper_that_asks_for_another_escaping_is_told_ours(asked):
    accept = PROMETHEUS_3.replace("allow-utf-8", asked)
    _, headers, body = scraped([counter(3)], Accept=accept)
    assert headers["Content-Type"].endswith("charset=utf-8; escaping=underscores")
    assert b"\nshop_orders_total " in body


def test_a_page_without_series_is_valid_and_has_its_type():
    _, headers, body = scraped([], Accept=PROMETHEUS_2)
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body == b"# EOF\n"


def test_what_is_no_http_is_a_400_that_fills_no_log(caplog):
    async def scenario():
        async with opened(PrometheusSink(port=0)) as sink:
            reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nAuthorization: to\x01ken\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(scenario()).split(b" ")[1] == b"400"
    assert caplog.records == []


def test_a_long_page_is_compressed_for_who_takes_it():
    points = [counter(i, i=i) for i in range(300)]
    _, headers, body = scraped(points, Accept_Encoding="gzip")
    _, _, plain = scraped(points, Accept_Encoding="gzip;q=0")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert plain.count(b"shop_orders_total{") == 300


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (PROMETHEUS_2, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", False),
        ("text/plain;version=0.0.4,application/openmetrics-text;q=0.9", False),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.6", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x,*/*", False),
        (";;,,=;q", False),
    ],
)
def test_the_preferred_form_that_we_have_is_served(accept, openmetrics):
    assert wants_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("accept", "takes"),
    [(None, False), ("gzip", True), ("br, *;q=0.1", True), ("*, gzip;q=0", False)],
)
def test_gzip_is_for_who_accepts_it(accept, takes):
    assert accepts_gzip(accept) is takes


def test_the_state_outlives_a_close_and_goes_on_after_it():
    def delta(start):
        return MetricPoint(
            name="d",
            value=1,
            kind=MetricKind.SUM,
            temporality=Temporality.DELTA,
            start_time_unix_nano=start,
            time_unix_nano=start + 1,
        )

    async def scenario():
        sink = PrometheusSink(port=0)
        for start in (1, 2):
            async with opened(sink):
                await sink.write([delta(start)])
                _, _, body = await scrape(sink)
        return body, sink.port

    body, port = asyncio.run(scenario())
    assert b"\nd 2.0\n" in body
    assert port == 0


def test_a_page_can_be_mounted_in_an_application_of_the_users():
    async def scenario():
        async with opened(PrometheusSink(port=None)) as sink:
            await sink.write([counter(3)])
            app = web.Application()
            app.router.add_get("/internal/metrics", sink.handle)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/internal/metrics"
            async with aiohttp.ClientSession() as session, session.get(url) as got:
                text = await got.text()
            await runner.cleanup()
            return text, sink.port

    text, port = asyncio.run(scenario())
    assert "shop_orders_total 3.0\n" in text
    assert port is None


def gauge(name, value=1, **more):
    return MetricPoint(name=name, value=value, **more)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (gauge("shop.orders"), "'shop.orders' cannot be shown: shop_orders belongs to"),
        (counter(-1), "it is a counter and its value is -1"),
        (gauge("a", 10**400), "its value is too large for a float"),
        (gauge("\n"), "no character of its name can stand in Prometheus"),
        (gauge("target.info"), "target_info belongs to the info target already"),
        (gauge("good_"), "a series of the same name and labels already"),
        (gauge("h", Histogram(1, 1.0, [1]), kind=MetricKind.HISTOGRAM), None),
        (
            gauge("h", Histogram(1, 1.0, [1], [1.0]), kind=MetricKind.HISTOGRAM),
            "it has",
        ),
        (
            gauge(
                "e",
                ExponentialHistogram(
                    1, scale=-3000, positive=ExponentialBuckets(0, [1])
                ),
                kind=MetricKind.EXPONENTIAL_HISTOGRAM,
            ),
            "it has the scale -3000",
        ),
    ],
)
def test_what_cannot_stand_on_the_page_is_rejected_and_the_rest_is_shown(bad, words):
    async def scenario():
        async with opened(PrometheusSink(port=0)) as sink:
            failed = {}
            try:
                await sink.write([counter(1), gauge("good"), bad, gauge("last")])
            except PartialError as error:
                failed = error.failed
            return failed, await scrape(sink), sink.statistics().series

    failed, (_, _, body), series = asyncio.run(scenario())
    for line in (b'shop_orders_total{job="shop"} 1.0\n', b"good 1.0\n", b"last 1.0\n"):
        assert line in body
    assert (*failed,) == ((2,) if words else ())
    assert series == (3 if words else 4)
    if words:
        assert words in str(failed[2])
        assert failed[2].reason == "not_exportable"


def test_a_name_is_free_again_once_its_last_series_has_ended():
    async def scenario():
        sink = PrometheusSink(port=None)
        one, two = gauge("a", attributes={"k": 1}), gauge("a", attributes={"k": 2})
        other = gauge("a", kind=MetricKind.SUM, is_monotonic=True, attributes={"k": 3})
        await sink.write([one, two, gauge("a", None, attributes={"k": 1})])
        with pytest.raises(PermanentError):
            await sink.write([other])
        await sink.write([gauge("a", None, attributes={"k": 2}), other])
        await sink.write([gauge("a", 5, attributes={"k": 3}, kind=MetricKind.GAUGE)])
        return (await sink.scrape(None, None)).body

    assert asyncio.run(scenario()) == b'# HELP a a\n# TYPE a gauge\na{k="3"} 5.0\n'


def test_a_series_that_changes_its_type_in_vain_keeps_its_place():
    async def scenario():
        sink = PrometheusSink(port=None)
        counts = {"kind": MetricKind.SUM, "is_monotonic": True}
        first, second = gauge("a", attributes={"k": 1}), gauge("a", attributes={"k": 2})
        await sink.write([first, second])
        with pytest.raises(PermanentError, match="belongs to the gauge a already"):
            await sink.write([gauge("a", attributes={"k": 1}, **counts)])
        await sink.write([gauge("a", None, attributes={"k": 2})])
        with pytest.raises(PermanentError, match="belongs to the gauge a already"):
            await sink.write([gauge("a", attributes={"k": 2}, **counts)])
        await sink.write([gauge("a", 7, attributes={"k": 1}, **counts)])
        return (await sink.scrape(None, None)).body

    assert asyncio.run(scenario()).endswith(b'a_total{k="1"} 7.0\n')


def test_a_large_write_lets_others_run():
    async def scenario():
        sink, turns = PrometheusSink(port=None), 0
        points = [gauge("a", attributes={"k": n}) for n in range(20_000)]
        writing = asyncio.ensure_future(sink.write(points))
        while not writing.done():
            await asyncio.sleep(0)
            turns += 1
        return turns, sink.statistics().series

    turns, series = asyncio.run(scenario())
    assert (turns >= 10, series) == (True, 20_000)


def test_a_description_that_is_no_text_does_not_spoil_the_page():
    status, _, body = scraped([MetricPoint(name="a", value=1, description=5)])
    assert (status, body) == (200, b"# HELP a 5\n# TYPE a gauge\na 1.0\n")


def test_scopes_are_told_in_labels_if_asked_for():
    point = MetricPoint(name="a", value=1, scope=Scope("lib", "2"))
    _, _, body = scraped(
        [point], make=lambda **k: PrometheusSink(scope_labels=True, **k)
    )
    assert b'a{otel_scope_name="lib",otel_scope_version="2"} 1.0' in body


def test_what_is_no_metric_point_is_rejected_alone():
    sink = PrometheusSink(port=None)
    with pytest.raises(PartialError) as caught:
        asyncio.run(sink.write([counter(1), {"no": "point"}]))
    assert list(caught.value.failed) == [1]
    assert sink.statistics().series == 1


def test_a_port_that_is_taken_is_named_and_nothing_is_left_open():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*port=0"):
            asyncio.run(PrometheusSink(port=port).open(stage_context()))


@pytest.mark.parametrize(
    "settings",
    [
        {"port": -1},
        {"port": 70000},
        {"port": True},
        {"path": "metrics"},
        {"path": "/{metrics}"},
        {"path": None},
        {"path": "/a b"},
        {"path": "/a?b=c"},
        {"path": "/a#b"},
        {"path": "/metrics\n"},
        {"host": 9464},
    ],
)
def test_an_address_that_cannot_be_served_is_refused(settings):
    ((name, value),) = settings.items()
    words = re.escape(f"PrometheusSink.{name} is {value!r}; expected")
    with pytest.raises(ConfigurationError, match=words):
        PrometheusSink(**settings)


@pytest.mark.servers
def test_a_real_prometheus_scrapes_the_page_and_answers_promql(tmp_path):
    wait = MetricPoint(
        name="shop.wait",
        unit="s",
        kind=MetricKind.HISTOGRAM,
        value=Histogram(4, 1.0, [2, 2, 0], [0.1, 0.5]),
        resource=Resource({"service.name": "shop"}),
    )

    async def scenario():
        async with opened(PrometheusSink(port=0)) as sink:
            await sink.write([counter(3, kind="a"), counter(4, kind="b"), wait])
            target = f"127.0.0.1:{sink.port}"
            with prometheus(tmp_path, {"shop": target}) as server:
                ask = partial(query_of, server)
                assert await ask("sum by (job) (shop_orders_total)") == {"shop": 7.0}
                quantile = "histogram_quantile(0.5, shop_wait_seconds_bucket)"
                assert await ask(quantile) == {"shop": 0.1}
                about = 'target_info{service_name="shop"}'
                assert await ask(about) == {"shop": 1.0}
                await sink.write([counter(10, kind="a")])
                later = 'shop_orders_total{kind="a"} > 3'
                assert await ask(later) == {"shop": 10.0}
                return await asyncio.to_thread(server.get, "/api/v1/targets")

    targets = json.loads(asyncio.run(scenario()))["data"]["activeTargets"]
    assert [(t["health"], t["lastError"]) for t in targets] == [("up", "")]


async def query_of(server, query):
    """The query's first non-empty answer: values by job."""
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})

    async def answer():
        found = json.loads(await asyncio.to_thread(server.get, path))
        rows = found["data"]["result"]
        return {row["metric"]["job"]: float(row["value"][1]) for row in rows}

    return await eventually_async(answer)
