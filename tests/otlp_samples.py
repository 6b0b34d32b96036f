"""Events with all that OTLP has a form for, and what to do to their bytes."""

from __future__ import annotations

from sluiceway.events import (
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    Link,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    Summary,
)

TRACE, SPAN = bytes(range(16)), bytes(range(8))
ATTRIBUTES = {
    "text": "été",
    "long": "x" * 150,
    "int": -3,
    "small": 7,
    "float": 0.5,
    "yes": True,
    "none": None,
    "bytes": b"\xff",
    "list": [1, "a", [None]],
    "dict": {"a": {"b": 1}},
}
RESOURCE = Resource({"service.name": "shop"}, "https://schema/1")
SCOPE = Scope("library", "1.0", {"a": 1})


def sample_spans():
    return [
        Span(
            name=f"span {number}",
            trace_id=TRACE,
            span_id=SPAN,
            parent_span_id=SPAN if number else b"",
            start_time_unix_nano=1_700_000_000_000_000_000,
            end_time_unix_nano=1_700_000_001_000_000_000,
            attributes=ATTRIBUTES if number != 1 else {"text": "short", "int": 300},
            status_code=2,
            status_message="failed",
            events=[SpanEvent("event", 5, {"a": 1})],
            links=[Link(TRACE, SPAN, "a=b", {"a": "b"}, 1, 1)],
            flags=0x101,
            resource=RESOURCE,
            scope=SCOPE,
        )
        for number in range(3)
    ]


def sample_points():
    buckets = ExponentialBuckets(-2, [1, 300, 0])
    values = {
        MetricKind.GAUGE: 3,
        MetricKind.SUM: 0.5,
        MetricKind.HISTOGRAM: Histogram(3, 1.5, [1, 2], [0.5], 0.1, 0.9),
        MetricKind.EXPONENTIAL_HISTOGRAM: ExponentialHistogram(
            3, 1.5, -1, 1, buckets, buckets, 0.1, 0.9, 0.01
        ),
        MetricKind.SUMMARY: Summary(3, 1.5, [(0.5, 0.2), (1.0, 0.9)]),
    }
    return [
        MetricPoint(
            name="metric",
            value=value,
            kind=kind,
            unit="s",
            description="what",
            attributes={"a": "b", "n": 1},
            time_unix_nano=7,
            start_time_unix_nano=6,
            exemplars=[Exemplar(1.0, 5, TRACE, SPAN, {"a": 1})],
            metadata={"m": 1},
            resource=RESOURCE,
            scope=SCOPE,
        )
        for kind, value in values.items()
    ]


def sample_records():
    return [
        LogRecord(
            time_unix_nano=7,
            observed_time_unix_nano=8,
            severity_number=9,
            severity_text="INFO",
            body=body,
            attributes=ATTRIBUTES,
            trace_id=TRACE,
            span_id=SPAN,
            flags=1,
            event_name="event",
            resource=RESOURCE,
            scope=SCOPE,
        )
        for body in ("a line", {"a": [1]})
    ]


def mutated(body, chance):
    """The body with one to three things done to it."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed)) if changed else 0
        match chance.randrange(6):
            case 0:
                del changed[at:]
            case 1 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 2 if changed:
                changed[at] = chance.choice(
                    (0, 0x7F, 0x80, 0xFF, chance.randrange(256))
                )
            case 3:
                changed[at:at] = chance.randbytes(chance.randint(1, 12))
            case 4:
                del changed[at : at + chance.randint(1, 12)]
            case _:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + chance.randint(1, 40)]
    return bytes(changed)
