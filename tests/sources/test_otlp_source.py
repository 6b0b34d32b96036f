"""OtlpSource, row by row of the table in its ``otlp_answers``."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import suppress

import aiohttp
import pytest
from servers.otlp_sources import D, E, R, Taker, X, serving
from servers.polling import eventually_async
from waiting import turns

from sluiceway.delivery import Delivery, Outcome
from sluiceway.errors import ConfigurationError, TransientError
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats.otlp_protobuf import (
    decode_response,
    decode_status,
    encode_logs,
    encode_metrics,
    encode_traces,
)
from sluiceway.sinks.prometheus import PrometheusSink
from sluiceway.sources.otlp import OtlpSource
from sluiceway.sources.otlp_answers import RefusedError, outcome_answer
from sluiceway.testing import stage_context

PROTOBUF = "application/x-protobuf"
SPANS = [Span(name=f"s{n}", trace_id=b"t" * 16, span_id=b"s" * 8) for n in range(3)]
BODY = encode_traces(SPANS)


async def post(session, body=BODY, path="/v1/traces", **headers):
    """One request's status, headers and body."""
    names = {"Content-Type": PROTOBUF}
    names |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.post(path, data=body, headers=names) as answer:
        return answer.status, answer.headers, await answer.read()


def exchange(body=BODY, path="/v1/traces", *, endings=(), options=None, **headers):
    """One request to a source of its own: the answer, and what the pipeline got."""

    async def scenario():
        taker = Taker(endings)
        async with serving(taker, **(options or {})) as (_, session):
            status, head, answer = await post(session, body, path, **headers)
        return status, head, answer, taker.events

    return asyncio.run(scenario())


RECORD = LogRecord(body="hello")
POINT = MetricPoint(name="m", value=1, time_unix_nano=1)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/traces", BODY, Span),
        ("/v1/metrics", encode_metrics([POINT]), MetricPoint),
        ("/v1/logs", encode_logs([RECORD]), LogRecord),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "none", ""])
def test_each_signal_is_taken_and_answered_in_its_content_type(
    path, body, kind, encoding
):
    sent = gzip.compress(body) if encoding == "gzip" else body
    status, head, answer, events = exchange(sent, path, Content_Encoding=encoding)
    assert (status, head["Content-Type"], answer) == (200, PROTOBUF, b"")
    assert {type(event) for event in events} == {kind}


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"", {}), (gzip.compress(b""), {"Content_Encoding": "gzip"}), (b"\n\x00", {})],
)
def test_an_empty_request_is_a_success_that_the_pipeline_never_sees(body, headers):
    status, head, answer, events = exchange(body, **headers)
    assert (status, head["Content-Type"], answer, events) == (200, PROTOBUF, b"", [])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff\xff\xff", {}),
        (BODY[:-1], {}),
        (b"no gzip", {"Content_Encoding": "gzip"}),
        (b"", {"Content_Encoding": "gzip"}),
        (gzip.compress(BODY)[:-4], {"Content_Encoding": "gzip"}),
        (gzip.compress(BODY) + b"tail", {"Content_Encoding": "gzip"}),
        (gzip.compress(b"") * 100, {"Content_Encoding": "gzip"}),
        (gzip.compress(b"\xff\xff"), {"Content_Encoding": "gzip"}),
    ],
)
def test_what_cannot_be_read_is_a_400_with_a_status(body, headers):
    status, head, answer, events = exchange(body, **headers)
    code, words = decode_status(answer)
    assert (status, head["Content-Type"], code, events) == (400, PROTOBUF, 3, [])
    assert words.startswith(("a body that is no OTLP", "a gzip body that"))


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content_Type": "application/xml"}, "are application/x-protobuf and"),
        ({"Content_Type": "text/plain"}, "'text/plain'"),
        ({"Content_Encoding": "br"}, "supported is gzip"),
        ({"Content_Encoding": "gzip, gzip"}, "supported is gzip"),
    ],
)
def test_other_kinds_of_bodies_are_a_415_that_names_what_is_supported(headers, words):
    status, _, answer, events = exchange(**headers)
    assert (status, events) == (415, [])
    assert words.encode() in answer


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_a_405(method):
    async def scenario():
        async with (
            serving(Taker()) as (source, session),
            session.request(method, "/v1/logs") as answer,
        ):
            return answer.status, answer.headers["Allow"], source.statistics().answers

    assert asyncio.run(scenario()) == (405, "POST", {405: 1})


def test_another_path_is_a_404():
    async def scenario():
        async with serving(Taker()) as (source, session):
            status, _, _ = await post(session, path="/v1/profiles")
            return status, source.statistics().answers

    assert asyncio.run(scenario()) == (404, {404: 1})


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_is_a_413(chunked):
    async def pieces():
        for _ in range(11):
            yield b"x" * 100

    body = pieces() if chunked else b"x" * 1001
    status, _, answer, events = exchange(body, options={"max_body": 1000})
    assert (status, decode_status(answer)[0], events) == (413, 8, [])


def bomb(size):
    """A gzip body of little that unpacks to much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1024 * 1024)
    packed = [packer.compress(zeros) for _ in range(size // len(zeros))]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize("tail", [b"", gzip.compress(b"")])
def test_a_bomb_is_a_413_with_flat_memory(tail):
    body = bomb(200 * 1024 * 1024) + tail
    limit = 16 * 1024 * 1024
    tracemalloc.start()
    try:
        options = {"max_body": limit}
        status, *_ = exchange(body, Content_Encoding="gzip", options=options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert status == 413
    assert len(body) < 300_000
    assert peak < limit + 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ([(D, 3)], 200),
        ([(R, 3)], 400),
        ([(E, 3)], 503),
        ([(X, 3)], 503),
        ([(D, 2), (E, 1)], 503),
        ([(R, 2), (X, 1)], 503),
    ],
)
def test_with_ack_delivered_the_outcome_decides(endings, expected):
    options = {"ack": "delivered"}
    status, head, answer, _ = exchange(endings=endings, options=options)
    assert status == expected
    assert head.get("Retry-After") == ("1" if expected == 503 else None)
    if expected != 200:
        assert "the sink's words" in decode_status(answer)[1]


@pytest.mark.parametrize("error", [None, TransientError()])
def test_a_loss_without_words_is_told_by_its_counts(error):
    outcome = Outcome(E, delivered=4, dropped=2, errored=1, error=error)
    words = "not delivered: 2 dropped, 1 errored, 0 rejected"
    with pytest.raises(RefusedError, match=words):
        outcome_answer(outcome)


def test_with_ack_delivered_some_rejections_are_a_partial_success():
    options = {"ack": "delivered"}
    status, _, answer, _ = exchange(endings=[(D, 2), (R, 1)], options=options)
    assert (status, decode_response(answer)) == (200, (1, "the sink's words"))


def test_only_ack_delivered_asks_the_engine_for_deliveries():
    assert OtlpSource(ack="delivered").wants_delivery is True
    assert OtlpSource().wants_delivery is False


def test_a_delivery_that_takes_too_long_is_a_503():
    async def scenario():
        delivery = Delivery(3)

        async def send(events):
            return delivery

        options = {"ack": "delivered", "deliver_timeout": 0.1}
        async with serving(send, **options) as (_, session):
            status, head, answer = await post(session)
        delivery.settle(D, 3)
        return status, head["Retry-After"], decode_status(answer)[1]

    assert asyncio.run(scenario()) == (503, "1", "not delivered within 0.1 s")


def test_without_room_in_time_the_answer_is_a_503_and_the_send_is_withdrawn():
    async def scenario():
        taker = Taker(room=False)
        async with serving(taker, accept_timeout=0.1) as (source, session):
            status, head, answer = await post(session)
            taker.room.set()
            again = await post(session)
            statistics = source.statistics()
        return status, head["Retry-After"], answer, again[0], taker, statistics

    status, retry_after, answer, again, taker, statistics = asyncio.run(scenario())
    assert (status, retry_after, again) == (503, "1", 200)
    assert decode_status(answer) == (14, "the pipeline is full")
    assert (taker.cancelled, len(taker.events)) == (1, 3)
    assert (statistics.answers, statistics.events) == ({503: 1, 200: 1}, 3)


def test_before_run_and_after_its_end_the_answer_is_a_503():
    async def scenario():
        source = OtlpSource(port=0)
        await source.open(stage_context())
        base = f"http://127.0.0.1:{source.port}"
        async with aiohttp.ClientSession(base) as session:
            before = await post(session)
            running = asyncio.create_task(source.run(Taker()))
            await asyncio.sleep(0)
            during = await post(session)
            stopped = source.stop()
            await running
            after = await post(session)
        await source.close()
        return stopped, [
            (s, h.get("Retry-After")) for s, h, _ in (before, during, after)
        ]

    stopped, answers = asyncio.run(scenario())
    assert stopped is True
    assert answers == [(503, "1"), (200, None), (503, "1")]


def test_a_stop_lets_requests_under_way_finish_and_refuses_new_ones():
    async def scenario():
        taker = Taker(room=False)
        async with serving(taker) as (source, session):
            first = asyncio.create_task(post(session))
            await taker.asked.wait()
            source.stop()
            second = await post(session)
            ended_early = source.running.done()
            taker.room.set()
            await source.running
            return (await first)[0], second[0], ended_early, len(taker.events)

    assert asyncio.run(scenario()) == (200, 503, False, 3)


async def is_arriving(source):
    return source._intake.arriving._count > 0


def test_a_stop_waits_for_a_body_that_is_arriving():
    async def scenario():
        taker = Taker()
        halfway, go_on = asyncio.Event(), asyncio.Event()

        async def slowly():
            yield BODY[:10]
            halfway.set()
            await go_on.wait()
            yield BODY[10:]

        async with serving(taker) as (source, session):
            first = asyncio.create_task(post(session, slowly()))
            await halfway.wait()
            await eventually_async(lambda: is_arriving(source))
            source.stop()
            await asyncio.sleep(0)
            go_on.set()
            await source.running
            return (await first)[0], len(taker.events)

    assert asyncio.run(scenario()) == (200, 3)


def test_a_source_can_be_opened_again_and_its_port_is_bound_only_meanwhile():
    async def scenario():
        source = OtlpSource(port=0)
        statuses = []
        for _ in range(2):
            await source.open(stage_context())
            running = asyncio.create_task(source.run(Taker()))
            await asyncio.sleep(0)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{source.port}") as s:
                statuses.append((await post(s))[0])
            source.stop()
            await running
            bound = source.port
            await source.close()
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", bound)
        return statuses, source.port

    assert asyncio.run(scenario()) == ([200, 200], 0)


def test_a_port_in_use_is_told_at_open_and_leaves_nothing_behind():
    async def scenario():
        first = OtlpSource(port=0)
        await first.open(stage_context())
        second = OtlpSource(port=first.port)
        with pytest.raises(ConfigurationError, match=f"{first.port} .*in use"):
            await second.open(stage_context())
        await second.close()
        await first.close()
        return repr(second)

    assert "closed" in asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("no-such-host.invalid", r"\((?!Unknown error).+\)$"),
        ("a" * 100, r"\(.+\)$"),
        ("203.0.113.1", r"\((Cannot assign requested|could not bind).*\)$"),
    ],
)
@pytest.mark.parametrize("make", [OtlpSource, PrometheusSink])
def test_a_host_that_cannot_be_listened_on_is_told_with_the_systems_words(
    make, host, words
):
    with pytest.raises(ConfigurationError, match=words) as caught:
        asyncio.run(make(host=host, port=0).open(stage_context()))
    assert str(caught.value).startswith(f"{make.__name__} cannot listen on {host}:0 (")


async def converse(port, data, *, more=None):
    """What a raw client reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            while more is not None and not reader.at_eof():
                writer.write(more)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        return await reader.readuntil(b"\r\n")
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


HEAD = (
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n"
    b"Content-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\n"
)


def test_a_client_that_drips_its_body_is_a_408():
    async def scenario():
        async with serving(Taker(), read_timeout=0.2) as (source, _):
            return await converse(source.port, HEAD, more=b"x")

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 408")


def test_a_client_that_left_after_a_408_is_forgotten_at_close():
    async def scenario():
        async with serving(Taker(), read_timeout=0.1) as (source, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(HEAD + b"only the beginning")
            status = await reader.readline()
            writer.close()
            await writer.wait_closed()
            await turns(20)
        return status, asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(scenario()) == (b"HTTP/1.1 408 Request Timeout\r\n", set())


@pytest.mark.parametrize("data", [b"", b"POST /v1/tra", HEAD[:-4]])
def test_a_client_that_never_finishes_its_head_is_cut_off(data):
    async def scenario():
        async with serving(Taker(), idle_timeout=0.2) as (source, _):
            return await converse(source.port, data)

    assert asyncio.run(scenario()) == b""


@pytest.mark.parametrize(
    "data",
    [
        HEAD.replace(b"Host", b"Authorization: Bearer to\x01ken\r\nHost"),
        HEAD.replace(b"POST", b"\x16\x03\x01"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HEAD[:-4] + b"\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400_that_fills_no_log(data, caplog):
    async def scenario():
        async with serving(Taker()) as (source, _):
            return await converse(source.port, data)

    assert asyncio.run(scenario()).split(b" ")[1] == b"400"
    assert caplog.records == []


def test_a_client_that_goes_away_in_its_body_harms_nobody(caplog):
    async def scenario():
        taker = Taker()
        async with serving(taker) as (source, session):
            _, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(HEAD + b"half")
            await writer.drain()
            writer.transport.abort()
            return (await post(session))[0], len(taker.events)

    assert asyncio.run(scenario()) == (200, 3)
    assert caplog.records == []


def test_a_send_that_fails_is_a_500_and_is_logged(caplog):
    async def scenario():
        async def send(events):
            raise LookupError("a bug")

        async with serving(send) as (_, session):
            status, _, answer = await post(session)
            return status, decode_status(answer)

    assert asyncio.run(scenario()) == (500, (13, "the receiver failed"))
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("host", 4318, "OtlpSource.host is 4318; expected an address such as"),
        ("port", 65536, "OtlpSource.port is 65536"),
        ("port", "4318", "OtlpSource.port is '4318'"),
        ("max_body", 0, "OtlpSource.max_body is 0"),
        ("ack", "deliverd", "did you mean 'delivered'?"),
        ("accept_timeout", 0, "OtlpSource.accept_timeout is 0"),
        ("deliver_timeout", None, "OtlpSource.deliver_timeout is None"),
        ("read_timeout", float("inf"), "OtlpSource.read_timeout is inf"),
        ("idle_timeout", True, "OtlpSource.idle_timeout is True"),
    ],
)
def test_what_is_wrong_in_code_is_refused_with_its_name(setting, value, words):
    with pytest.raises(ConfigurationError) as caught:
        OtlpSource(**{setting: value})
    assert words in str(caught.value)
