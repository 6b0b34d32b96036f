"""Large bodies let others run: counted in turns of the loop, not in seconds."""

from __future__ import annotations

import asyncio

import pytest

from sluiceway.events import LogRecord, MetricPoint, Resource, Scope, Span
from sluiceway.formats.compression import compress, decompress
from sluiceway.formats.otlp_protobuf import decode_encoded, decode_traces, encode_traces
from sluiceway.notes import Provenance
from sluiceway.sinks.http import packed
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.sinks.otlp_settings import Signal
from sluiceway.sinks.otlp_signals import SLICE_BYTES
from sluiceway.sources.otlp_intake import KINDS, Intake, Limits


def spans(count, attributes):
    return [
        Span(
            name=f"span {n % 7}",
            trace_id=n.to_bytes(16, "big"),
            span_id=n.to_bytes(8, "big"),
            attributes={f"key {a}": f"value {n} {a}" for a in range(attributes)},
        )
        for n in range(1, count + 1)
    ]


MANY = [(f"key {n}", n) for n in range(60_000)]


def notes_of(attributes):
    """What a span leaves that has ended."""
    ids = b"t" * 16, b"s" * 8, b""
    whose = Provenance(Resource(), Scope())
    return ("a", *ids, 1, 2, attributes, 1, "", 0, None, whose)


async def turns_during(work):
    """What ``work`` returns, and how often another task ran meanwhile."""
    turns = 0

    async def turn():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(turn())
    try:
        return await work, turns
    finally:
        other.cancel()


def encoded(signal, events):
    return asyncio.run(turns_during(OtlpSink()._encode(signal, events)))


@pytest.mark.parametrize(("count", "attributes"), [(40_000, 2), (500, 128), (20, 5000)])
def test_a_large_batch_is_encoded_in_slices(count, attributes):
    events = spans(count, attributes)
    body, turns = encoded(Signal.TRACES, events)
    assert turns >= min(count - 1, len(body) // (2 * SLICE_BYTES))
    assert decode_traces(body) == events


def test_one_giant_event_does_not_make_the_slices_after_it_large():
    events = [*spans(1, 5000), *spans(4000, 10)]
    body, turns = encoded(Signal.TRACES, events)
    assert turns >= len(body) // (2 * SLICE_BYTES)


@pytest.mark.parametrize(
    ("signal", "giant"),
    [
        (Signal.LOGS, LogRecord(body="x" * 20_000_000)),
        (Signal.LOGS, LogRecord(body=list(range(60_000)))),
        (Signal.LOGS, LogRecord(body=1, attributes=dict.fromkeys(MANY, "value"))),
        (Signal.METRICS, MetricPoint(name="m", value=1, attributes=dict(MANY))),
        (Signal.TRACES, spans(1, 60_000)[0]),
        (Signal.TRACES, notes_of({"long": "x" * 20_000_000})),
        (Signal.TRACES, notes_of(dict.fromkeys(MANY, "value"))),
    ],
)
def test_one_giant_event_is_encoded_beside_the_loop(signal, giant):
    body, turns = encoded(signal, [giant])
    assert len(body) > 300_000
    assert turns > 2


def test_one_giant_event_among_many_small_ones_is_encoded_beside_the_loop():
    small = [LogRecord(body="small") for _ in range(500)]
    giant = LogRecord(body="x", attributes=dict.fromkeys(MANY, "value"))
    _, turns = encoded(Signal.LOGS, [*small[1:], giant, *small[:200]])
    assert turns > 2


def test_a_small_batch_is_encoded_at_once():
    points = [MetricPoint(name=f"m{n}", value=n) for n in range(500)]
    body, turns = encoded(Signal.METRICS, points)
    assert (turns, body[0]) == (0, 0x0A)


def test_a_large_body_is_packed_beside_the_loop():
    body = encode_traces(spans(20_000, 3))
    result, turns = asyncio.run(turns_during(packed(body)))
    assert decompress(result, len(body)) == body
    assert turns > 10


@pytest.mark.parametrize("decode", [True, False])
def test_a_large_body_is_unpacked_and_decoded_beside_the_loop(decode):
    events = spans(20_000, 3)
    plain = encode_traces(events)

    async def scenario():
        intake = Intake(Limits(2**30, "accepted", 1.0, 1.0, decode))
        body, unpacking = await turns_during(intake.unpack(compress(plain)))
        decoded = intake.decode(KINDS["/v1/traces"], "protobuf", body)
        found, decoding = await turns_during(decoded)
        return found, unpacking, decoding

    found, unpacking, decoding = asyncio.run(scenario())
    assert (found if decode else decode_encoded(found)) == events
    assert unpacking > 2
    assert decoding > (10 if decode else 0)
