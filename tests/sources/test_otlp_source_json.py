"""OtlpSource in JSON, and whom it lets in."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import ssl

import aiohttp
import pytest
from servers.certificates import certificate
from servers.otlp_sources import D, E, R, Taker, serving

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats.otlp_json import encode_logs, encode_metrics, encode_traces
from sluiceway.formats.otlp_protobuf import encode_traces as encode_protobuf
from sluiceway.inlet import Inlet
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.sources.otlp import OtlpSource
from sluiceway.testing import CollectingSink, stage_context

JSON = "application/json"
SPANS = [Span(name=f"s{n}", trace_id=b"t" * 16, span_id=b"s" * 8) for n in range(3)]
BODY = encode_traces(SPANS)


def exchange(body=BODY, path="/v1/traces", *, endings=(), options=None, **headers):
    """One request to a source of its own: the answer, and what the pipeline got."""
    names = {"Content-Type": JSON}
    names |= {name.replace("_", "-"): value for name, value in headers.items()}

    async def scenario():
        taker = Taker(endings)
        async with (
            serving(taker, **(options or {})) as (_, session),
            session.post(path, data=body, headers=names) as answer,
        ):
            return answer.status, answer.headers, await answer.read(), taker.events

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/traces", BODY, Span),
        ("/v1/metrics", encode_metrics([MetricPoint(name="m", value=1)]), MetricPoint),
        ("/v1/logs", encode_logs([LogRecord(body="hello")]), LogRecord),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("kind_of", [JSON, "application/json; charset=utf-8"])
def test_each_signal_is_taken_and_answered_in_json(path, body, kind, encoding, kind_of):
    sent = gzip.compress(body) if encoding == "gzip" else body
    status, head, answer, events = exchange(
        sent, path, Content_Encoding=encoding, Content_Type=kind_of
    )
    assert (status, head["Content-Type"].split(";")[0], answer) == (200, JSON, b"{}")
    assert {type(event) for event in events} == {kind}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"resourceSpans":[]}'])
def test_an_empty_request_is_a_success_that_the_pipeline_never_sees(body):
    status, _, answer, events = exchange(body)
    assert (status, answer, events) == (200, b"{}", [])


@pytest.mark.parametrize(
    "body", [b"{", BODY[:-1], b'{"resourceSpans":5}', encode_protobuf(SPANS)]
)
def test_what_cannot_be_read_is_a_400_with_a_status_in_json(body):
    status, head, answer, events = exchange(body)
    assert (status, head["Content-Type"].split(";")[0], events) == (400, JSON, [])
    assert json.loads(answer)["code"] == 3
    assert "no OTLP" in json.loads(answer)["message"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/traces", BODY, "rejectedSpans"),
        (
            "/v1/metrics",
            encode_metrics([MetricPoint(name="m", value=n) for n in range(3)]),
            "rejectedDataPoints",
        ),
        ("/v1/logs", encode_logs([LogRecord()] * 3), "rejectedLogRecords"),
    ],
)
def test_a_partial_success_has_the_signals_own_word(path, body, field):
    options = {"ack": "delivered"}
    status, _, answer, _ = exchange(
        body, path, endings=[(D, 2), (R, 1)], options=options
    )
    partial = {field: "1", "errorMessage": "the sink's words"}
    assert (status, json.loads(answer)) == (200, {"partialSuccess": partial})


def test_what_is_not_delivered_is_a_503_in_json_with_a_retry_after():
    options = {"ack": "delivered"}
    status, head, answer, _ = exchange(endings=[(E, 3)], options=options)
    assert (status, head["Retry-After"]) == (503, "1")
    assert json.loads(answer)["code"] == 14


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer one", 200),
        ("bearer  two ", 200),
        ("Bearer three", 401),
        ("Bearer on", 401),
        ("Bearer", 401),
        ("Basic one", 401),
        ("Bearer \xff", 401),
        ("", 401),
    ],
)
def test_where_tokens_are_given_a_request_shows_one(authorization, expected):
    options = {"tokens": ["one", "two"]}
    status, head, answer, events = exchange(
        options=options, Authorization=authorization
    )
    assert status == expected
    assert (head.get("WWW-Authenticate") == "Bearer") is (expected == 401)
    assert len(events) == (3 if expected == 200 else 0)
    assert b"one" not in answer
    assert expected == 200 or json.loads(answer)["code"] == 16


def test_tokens_are_secret():
    source = OtlpSource(tokens=["s3cret"])
    assert "s3cret" not in repr(source) + repr(vars(source))


@pytest.mark.parametrize("tokens", ["one", [""], ["a b"], ["é"], [None], 5])
def test_tokens_that_no_header_carries_are_refused_and_not_shown(tokens):
    with pytest.raises(ConfigurationError, match=r"OtlpSource\.tokens") as caught:
        OtlpSource(tokens=tokens)
    assert "one" not in str(caught.value)


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_our_sink_gets_in_with_its_token(protocol):
    async def scenario():
        source, sink, inlet = (
            OtlpSource(port=0, tokens=["t0ken"]),
            CollectingSink(),
            Inlet(),
        )
        async with Pipeline(source >> sink):
            sender = Pipeline(
                inlet
                >> OtlpSink(
                    f"http://127.0.0.1:{source.port}",
                    protocol=protocol,
                    headers={"Authorization": "Bearer t0ken"},
                )
            )
            async with sender:
                await inlet.emit_many(SPANS)
            assert not sender.ledger().lost
        return sink.events

    assert asyncio.run(scenario()) == SPANS


needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command"
)


@needs_openssl
def test_over_tls_a_client_shows_its_certificate_where_an_authority_is_given(tmp_path):
    server, key = certificate(tmp_path, "server", "127.0.0.1")
    client, client_key = certificate(tmp_path, "client", "127.0.0.1")

    async def scenario():
        options = {"certificate": server, "certificate_key": key}
        taker = Taker()
        async with serving(taker, client_authority=client, **options) as (source, _):
            statuses = []
            for shown in ((client, client_key), None):
                context = ssl.create_default_context(cafile=server)
                if shown:
                    context.load_cert_chain(*shown)
                url = f"https://127.0.0.1:{source.port}/v1/traces"
                headers = {"Content-Type": JSON}
                async with aiohttp.ClientSession() as session:
                    try:
                        async with session.post(
                            url, data=BODY, headers=headers, ssl=context
                        ) as answer:
                            statuses.append(answer.status)
                    except aiohttp.ClientError as error:
                        statuses.append(type(error).__name__)
        return statuses, len(taker.events)

    statuses, taken = asyncio.run(scenario())
    assert statuses[0] == 200
    assert statuses[1] != 200
    assert taken == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"client_authority": "a.pem"}, "expected a file"),
        ({"certificate_key": "a.pem"}, "expected a file"),
        ({"certificate": 5}, "certificate"),
    ],
)
def test_certificates_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        OtlpSource(**options)


def test_a_certificate_that_cannot_be_used_is_named_at_open(tmp_path):
    file = tmp_path / "server.pem"
    for content in (None, "none"):
        if content:
            file.write_text(content)
        source = OtlpSource(port=0, certificate=file)
        with pytest.raises(ConfigurationError, match=r"server\.pem"):
            asyncio.run(source.open(stage_context()))
