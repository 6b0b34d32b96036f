"""PrometheusScrapeSource against pages that are well, bad, slow and endless."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import sys

import pytest
from servers.contexts import stage_context
from waiting import turns, until

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.events import Histogram, MetricKind, Summary
from sluiceway.formats.prometheus_text import exposition
from sluiceway.sources import PrometheusScrapeSource
from sluiceway.testing import (
    CollectingSink,
    ManualClock,
    MisbehavingServer,
    check_source,
)

NOW = 1_700_000_000_000_000_000
TEXT = {"Content-Type": "text/plain; version=0.0.4"}
STRICT = {"Content-Type": "application/openmetrics-text; version=1.0.0"}
PAGE = b"""\
# HELP orders_total Orders.
# TYPE orders_total counter
orders_total{region="eu"} 3
# TYPE fill gauge
fill 0.5
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 1.5
wait_seconds_count 3
# TYPE size summary
size{quantile="0.5"} 2
size_sum 9
size_count 4
"""
OWN = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}


def by_name(points):
    return {point.name: point for point in points}


async def looks(server, *pages, **settings):
    """What one look after the other brings; a page is what the server does."""
    source = PrometheusScrapeSource([f"127.0.0.1:{server.port}"], **settings)
    sink = CollectingSink()
    found = []
    pipeline = Pipeline(source >> sink, clock=ManualClock(time_ns=NOW))
    async with pipeline:
        for page in pages:
            await server.behave(**page)
            await pipeline.flush()
            found.append([*sink.events])
            sink.events.clear()
        statistics = source.statistics()[f"{server.url}/metrics"]
    assert pipeline.ledger().balanced
    return found, statistics


def page(body=PAGE, headers=TEXT, **more):
    return {"what": "answers", "body": body, "headers": headers, **more}


def looked(run, *pages, **settings):
    async def scenario():
        async with MisbehavingServer() as server:
            return await looks(server, *pages, **settings)

    return run(scenario())


def test_a_page_of_text_brings_a_point_for_each_series(run):
    ((points), _) = looked(run, page())
    found = by_name(points[0])
    assert found.keys() == {"orders_total", "fill", "wait_seconds", "size"} | OWN
    orders = found["orders_total"]
    assert (orders.kind, orders.is_monotonic, orders.value) == (MetricKind.SUM, True, 3)
    assert (orders.attributes, orders.description) == ({"region": "eu"}, "Orders.")
    assert found["fill"].value == 0.5
    assert found["wait_seconds"].value == Histogram(3, 1.5, [1, 2], [0.1])
    assert found["size"].value == Summary(4, 9.0, [(0.5, 2.0)])
    assert {point.time_unix_nano for point in points[0]} == {NOW}


def test_a_look_tells_of_itself(run):
    points, statistics = looked(run, page())
    found = by_name(points[0])
    assert found["up"].value == 1
    assert found["scrape_samples_scraped"].value == 9
    assert found["scrape_duration_seconds"].value >= 0
    assert (statistics.up, statistics.samples, statistics.error) == (True, 9, "")


def test_points_are_about_their_target(run):
    async def scenario():
        async with MisbehavingServer() as server:
            found, _ = await looks(server, page(), job="shop")
            return found[0], server.port

    points, port = run(scenario())
    for point in points:
        assert point.resource.attributes == {
            "service.name": "shop",
            "service.instance.id": f"127.0.0.1:{port}",
            "server.address": "127.0.0.1",
            "server.port": port,
            "url.scheme": "http",
        }


def test_the_target_info_is_a_part_of_the_resource_and_scope_labels_the_scope(run):
    body = (
        b"# TYPE target info\n"
        b'target_info{job="x",service_version="1.2"} 1\n'
        b"# TYPE a gauge\n"
        b'a{otel_scope_name="lib",otel_scope_version="2",otel_scope_k="v",b="c"} 1\n'
        b"# EOF\n"
    )
    points, _ = looked(run, page(body, STRICT))
    found = by_name(points[0])
    assert "target_info" not in found
    about = found["a"].resource.attributes
    assert (about["service_version"], "job" in about) == ("1.2", False)
    scope = found["a"].scope
    assert (scope.name, scope.version, scope.attributes) == ("lib", "2", {"k": "v"})
    assert found["a"].attributes == {"b": "c"}


def test_what_our_own_page_says_comes_back_as_it_was(run):
    points, _ = looked(run, page())
    told = [p for p in points[0] if p.name not in OWN]
    for openmetrics in (False, True):
        ours = exposition(told, openmetrics=openmetrics)
        again, _ = looked(run, page(ours.body, {"Content-Type": ours.content_type}))
        found = by_name(again[0])
        for point in told:
            assert found[point.name].value == point.value
            assert found[point.name].attributes == point.attributes
            assert found[point.name].is_monotonic is point.is_monotonic


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"a 1 1600000000123\n", TEXT),
        (b"# TYPE a gauge\na 1 1600000000.123\n# EOF\n", STRICT),
    ],
)
def test_a_time_that_a_page_tells_is_kept_and_its_series_never_goes_stale(
    run, body, headers
):
    empty = page(b"# EOF\n" if headers is STRICT else b"", headers)
    (first, second), _ = looked(run, page(body, headers), empty)
    time = by_name(first)["a"].time_unix_nano
    assert round(time, -6) == 1_600_000_000_123_000_000
    assert by_name(second).keys() == OWN
    (first, second), _ = looked(run, page(body, headers), empty, honor_timestamps=False)
    assert by_name(first)["a"].time_unix_nano == NOW
    assert by_name(second)["a"].value is None


def test_a_series_that_is_gone_ends_once(run):
    rest = b"# TYPE fill gauge\nfill 0.7\n"
    (_, second, third), _ = looked(run, page(), page(rest), page(rest))
    gone = {p.name: p for p in second if p.flags & 1}
    assert gone.keys() == {"orders_total", "wait_seconds", "size"}
    assert {point.value for point in gone.values()} == {None}
    assert gone["orders_total"].attributes == {"region": "eu"}
    assert by_name(second)["fill"].value == 0.7
    assert [point for point in third if point.flags & 1] == []


def called_on_the_loop(work):
    """The names of the functions that the loop's own thread called meanwhile."""
    names = set()

    def note(frame, event, _):
        if event == "call" and frame.f_locals.get("before") != {}:  # nothing to end
            names.add(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize(("series", "beside"), [(1, False), (40_000, True)])
def test_a_long_page_is_worked_on_beside_the_loop_until_it_is_gone(run, series, beside):
    body = b"".join(b'fill{n="%d"} 1\n' % n for n in range(series))
    found = []

    def work():
        found.extend(looked(run, page(body), {"what": "closes"})[0])

    names = called_on_the_loop(work)
    assert len(found[0]) == series + len(OWN)
    assert len([point for point in found[1] if point.flags & 1]) == series
    assert ({"read_page", "points_in", "look_at"} <= names) is not beside
    assert ("stale" in names) is not beside


def test_all_series_of_a_target_that_is_down_end_and_come_back(run):
    down = {"what": "closes"}
    (_, second, third, fourth), _ = looked(run, page(), down, down, page())
    assert len([p for p in second if p.flags & 1]) == 4
    assert by_name(second)["up"].value == 0
    assert by_name(third).keys() == OWN
    assert by_name(fourth)["orders_total"].value == 3


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"what": "refuses"}, "Connection refused"),
        ({"what": "resets"}, "the connection failed"),
        ({"what": "closes"}, "the connection failed"),
        ({"what": "half_closes"}, "the connection failed"),
        ({"what": "stalls"}, "no page within 0.2 s"),
        ({"what": "drips"}, "no page within 0.2 s"),
        ({"what": "garbage"}, "not HTTP/1.1"),
        ({"what": "cuts", "body": PAGE}, "the connection failed"),
        ({"what": "floods"}, "more than 5000 bytes"),
        (page(status=503, body=b"busy\n"), "it answered 503: busy"),
        (page(status=302), "it answered 302"),
        (page(b"", status=204), "it answered 204"),
        (page(b"<html>", {"Content-Type": "text/html"}), "of the type 'text/html'"),
        (page(b"\x1f\x8b", {**TEXT, "Content-Encoding": "gzip"}), "gzip"),
        (page(PAGE, {**TEXT, "Content-Encoding": "br"}), "packed by 'br'"),
        (
            page(gzip.compress(b"#" * 10**6), {**TEXT, "Content-Encoding": "gzip"}),
            "unpacks to more than 5000 bytes",
        ),
        (page(b"a 1\nb 2\nc x\nd 4\n"), "line 3: "),
        (page(b"a 1\n<b> 2\n"), "line 2: "),
        (page(b"a 1\n\xff\n"), "line 2: it is not UTF-8"),
        (page(b"a\n" * 3), "line 1: "),
        (page(b'a{b="c} 1\n'), "line 1: "),
        (page(b"# TYPE a nonsense\na 1\n"), "line "),
        (page(b"# TYPE a gauge\na 1\n", STRICT), "EOF"),
        (page(b"# TYPE a gauge\n\na 1\n# EOF\n", STRICT), "line 2: "),
        (page(b"# TYPE a gauge\na{b='c'} 1\n# EOF\n", STRICT), "line 2: "),
        (page(b"a{b='%d'} 1\n" * 10), "line 1"),
        (page(b"".join(b"a%d 1\n" % n for n in range(11))), "more than 10 samples"),
    ],
)
def test_a_page_that_cannot_be_had_is_told_with_its_target_and_harms_no_other(
    run, caplog, told, words
):
    caplog.set_level(logging.WARNING)

    async def scenario():
        async with MisbehavingServer() as bad, MisbehavingServer() as good:
            await bad.behave(**told)
            await good.behave(**page())
            source = PrometheusScrapeSource(
                [bad.url, good.url], timeout=0.2, max_body=5000, sample_limit=10
            )
            sink = CollectingSink()
            pipeline = Pipeline(source >> sink)
            async with pipeline:
                await pipeline.flush()
                await pipeline.flush()
            return bad.url, good.port, sink.events, source.statistics()

    url, port, points, statistics = run(scenario())
    ups = {
        (p.resource.attributes["server.port"], p.value)
        for p in points
        if p.name == "up"
    }
    assert ups == {(port, 1), (int(url.rpartition(":")[2]), 0)}
    assert "orders_total" in by_name(points)
    assert words in statistics[f"{url}/metrics"].error
    (record,) = caplog.records
    assert record.getMessage().startswith(f"cannot scrape {url}/metrics: ")
    assert words in record.getMessage()


def test_a_target_that_fails_again_after_it_was_well_is_told_again(run, caplog):
    caplog.set_level(logging.WARNING)
    down = {"what": "closes"}
    looked(run, down, down, page(), down)
    assert caplog.text.count("cannot scrape") in (2, 3)


def test_a_password_is_sent_and_shown_nowhere(run, caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario():
        async with MisbehavingServer() as server:
            await server.behave(**page(b"no swordfish sesame", status=401))
            url = f"http://me:swordfish@127.0.0.1:{server.port}/m?token=sesame"
            source = PrometheusScrapeSource([url], headers={"X-Key": "open-sesame"})
            pipeline = Pipeline(source >> CollectingSink())
            async with pipeline:
                await pipeline.flush()
            return server.requests[0], repr(source) + repr(source.statistics())

    request, shown = run(scenario())
    assert request.target == "/m?token=sesame"
    assert request.headers["authorization"] == "Basic bWU6c3dvcmRmaXNo"
    assert request.headers["x-key"] == "open-sesame"
    assert not re.search("swordfish|sesame", caplog.text + shown)


def test_a_scrape_asks_as_prometheus_does(run):
    async def scenario():
        async with MisbehavingServer() as server:
            await looks(server, page(), timeout=5)
            return server.requests[0]

    request = run(scenario())
    assert (request.method, request.target) == ("GET", "/metrics")
    assert request.headers["accept"].startswith("application/openmetrics-text;")
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["x-prometheus-scrape-timeout-seconds"] == "5"


def test_a_packed_page_and_a_long_one_are_read(run):
    long = b"".join(b'a{n="%d"} 1\n' % n for n in range(5000))
    packed = page(gzip.compress(long), {**TEXT, "Content-Encoding": "gzip"})
    (first, second), _ = looked(run, page(long), packed)
    assert len(first) == len(second) == 5003


def test_targets_are_scraped_at_the_interval(run):
    async def scenario():
        clock = ManualClock(time_ns=NOW)
        async with MisbehavingServer() as server:
            await server.behave(**page())
            sink = CollectingSink()
            source = PrometheusScrapeSource([server.url], 15)
            async with Pipeline(source >> sink, clock=clock):
                for count in (1, 2, 3):
                    await turns(50)  # until the source waits
                    await clock.advance(15)
                    await until(lambda count=count: len(sink.events) == 7 * count)
                    assert len(server.requests) == count
            return [p.time_unix_nano - NOW for p in sink.events if p.name == "up"]

    assert run(scenario())[:3] == [15 * 10**9, 30 * 10**9, 45 * 10**9]


@pytest.mark.parametrize(
    ("targets", "settings", "words"),
    [
        ([], {}, "targets is empty"),
        ("host:1", {}, "targets is 'host:1'; expected a list"),
        (["ftp://h"], {}, "targets has 'ftp://h'; expected an address"),
        (["http://u:secret@:x"], {}, "expected an address"),
        ([7], {}, "targets has '7'"),
        (["h:1", "http://h:1/metrics"], {}, "has 'http://h:1/metrics' twice"),
        (["h:1"], {"interval": 0}, "interval is 0; expected seconds above 0"),
        (["h:1"], {"interval": "1"}, "interval is '1'"),
        (["h:1"], {"interval": 5, "timeout": 6}, "timeout is 6; expected"),
        (["h:1"], {"timeout": 0}, "timeout is 0; expected"),
        (["h:1"], {"max_body": 0}, "max_body is 0; expected a whole number"),
        (["h:1"], {"sample_limit": 1.5}, "sample_limit is 1.5"),
        (["h:1"], {"headers": {"a b": "c"}}, "headers has the name 'a b'"),
        (None, {}, "targets is 'None'; expected a list"),
        (["h:1"], {"job": 5}, "job is 5; expected"),
        (["h:1"], {"certificate": 5}, "certificate is 5; expected the path"),
        (["h:1"], {"client_key": "k"}, "client_key needs a client_certificate"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(targets, settings, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        PrometheusScrapeSource(targets, **settings)
    assert "secret" not in str(caught.value)


def test_a_certificate_that_is_not_there_is_told_at_the_opening(tmp_path):
    source = PrometheusScrapeSource(["h:1"], certificate=tmp_path / "none.pem")
    with pytest.raises(ConfigurationError, match=r"cannot use .*none\.pem for TLS"):
        asyncio.run(source.open(stage_context()))


def test_the_source_keeps_the_rules_of_sources():
    check_source(lambda: PrometheusScrapeSource(["127.0.0.1:9"], interval=0.01))
