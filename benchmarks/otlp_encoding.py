"""OTLP by us, by the generated classes and by the OpenTelemetry SDK.

The decision it settles: a codec of our own, with a memo of encoded attributes (issue 4:
encoding at most 1/12 of the SDK encoder's time per span where attributes repeat and 1/3
where each is new; decoding no slower than the generated classes). All are measured in
one interleaved run; read the figures as ratios. JSON stands beside protobuf's own.

Run it with ``python -m benchmarks.otlp_encoding``.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace import SpanKind as SdkKind

from benchmarks.report import Figure, cost
from sluiceway.events import Resource, Scope, Span, SpanKind
from sluiceway.formats import otlp_json
from sluiceway.formats.otlp_protobuf import Encoder, decode_traces

BATCH = 500
ROUNDS = 31
AIMS = {False: 12, True: 3}  # times as cheap as the SDK's, by whether all are distinct
RESOURCE = Resource({"service.name": "shop", "service.version": "1.2.3"})
SCOPE = Scope("benchmarks", "1.0")
START = 1_700_000_000_000_000_000


def make_span(number: int, *, distinct: bool) -> Span:
    mark, step = (f"/{number}", number) if distinct else ("", 0)
    return Span(
        name="GET /cart",
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=(number + 1).to_bytes(8, "big"),
        start_time_unix_nano=START + number,
        end_time_unix_nano=START + number + 1_000_000,
        kind=SpanKind.SERVER,
        flags=0x101,
        attributes={
            "http.request.method": "GET" + mark,
            "http.route": "/cart/{id}" + mark,
            "http.response.status_code": 200 + step,
            "server.address": "shop.example.com" + mark,
            "cart.items": 3 + step,
            "url.scheme": "https" + mark,
        },
        resource=RESOURCE,
        scope=SCOPE,
    )


def sdk_span(span: Span, resource: SdkResource) -> ReadableSpan:
    trace = int.from_bytes(span.trace_id, "big")
    flags = TraceFlags(1)

    def context(span_id: bytes) -> SpanContext:
        return SpanContext(trace, int.from_bytes(span_id, "big"), False, flags)

    return ReadableSpan(
        span.name,
        context(span.span_id),
        context(span.parent_span_id),
        resource,
        span.attributes,
        kind=SdkKind.SERVER,
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=InstrumentationScope(SCOPE.name, SCOPE.version),
    )


def key_value(key: str, value: Any) -> KeyValue:
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def generated_encode(spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(
        [key_value(key, value) for key, value in RESOURCE.attributes.items()]
    )
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = SCOPE.name, SCOPE.version
    for span in spans:
        scope.spans.add(
            name=span.name,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            start_time_unix_nano=span.start_time_unix_nano,
            end_time_unix_nano=span.end_time_unix_nano,
            kind=span.kind,
            flags=span.flags,
            attributes=[
                key_value(key, value) for key, value in span.attributes.items()
            ],
        )
    return request.SerializeToString()


def generated_access(body: bytes) -> list[Any]:
    """Parse and read each field once, into tuples; no events are made of them."""
    return [
        (
            span.trace_id,
            span.span_id,
            span.trace_state,
            span.parent_span_id,
            span.flags,
            span.name,
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            {
                pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
                for pair in span.attributes
            },
            span.dropped_attributes_count,
            [*span.events],
            span.dropped_events_count,
            [*span.links],
            span.dropped_links_count,
            span.status.code,
            span.status.message,
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def sdk_encode(spans: list[ReadableSpan]) -> bytes:
    return encode_spans(spans).SerializeToString()


def protobufs_json(request: ExportTraceServiceRequest) -> str:
    """Protobuf's own JSON, of a message that is there; its ids are base64."""
    return json_format.MessageToJson(request, indent=None, use_integers_for_enums=True)


def parse_protobufs_json(text: str) -> ExportTraceServiceRequest:
    """The message; no events are made of it."""
    return json_format.Parse(text, ExportTraceServiceRequest())


def nanoseconds(function: Any, argument: Any) -> float:
    start = time.perf_counter_ns()
    result = function(argument)
    spent = time.perf_counter_ns() - start
    assert result
    return spent / BATCH


def measure(*, distinct: bool, rounds: int = ROUNDS) -> dict[str, float]:
    """Median nanoseconds a span; with ``distinct`` no attribute is ever seen twice."""
    encoder, json_encoder = Encoder(), otlp_json.Encoder()
    resource = SdkResource(RESOURCE.attributes)
    found: dict[str, list[float]] = {}
    for turn in range(rounds):
        first = 1 + turn * BATCH
        spans = [make_span(first + n, distinct=distinct) for n in range(BATCH)]
        theirs = [sdk_span(span, resource) for span in spans]
        body = encoder.traces(spans) if not distinct else Encoder().traces(spans)
        assert decode_traces(body) == spans
        assert len(generated_access(body)) == BATCH
        json, message = (
            json_encoder.traces(spans),
            ExportTraceServiceRequest.FromString(body),
        )
        assert otlp_json.decode_traces(json) == spans
        contest = [
            ("encode: sluiceway", encoder.traces, spans),
            ("encode: generated classes", generated_encode, spans),
            ("encode: SDK encoder", sdk_encode, theirs),
            ("decode: sluiceway, to Span", decode_traces, body),
            ("decode: generated classes, attribute access", generated_access, body),
            ("encode JSON: sluiceway", json_encoder.traces, spans),
            ("encode JSON: protobuf's own", protobufs_json, message),
            ("decode JSON: sluiceway, to Span", otlp_json.decode_traces, json),
            (
                "decode JSON: protobuf's own",
                parse_protobufs_json,
                protobufs_json(message),
            ),
        ]
        # Whoever runs after another finds its garbage and a cold cache.
        random.shuffle(contest)
        for name, function, argument in contest:
            found.setdefault(name, []).append(nanoseconds(function, argument))
    return {name: statistics.median(times) for name, times in found.items()}


def by_task_and_cost(entry: tuple[str, float]) -> tuple[str, float]:
    return entry[0].partition(":")[0], entry[1]


def figures(*, short: bool = False) -> list[Figure]:
    found = []
    for distinct, aim in AIMS.items():
        medians = measure(distinct=distinct, rounds=9 if short else ROUNDS)
        words = f"6 {'distinct' if distinct else 'repeating'} attributes"
        found.append(
            cost(
                f"OTLP encoding, {words}, per span",
                medians["encode: sluiceway"],
                medians["encode: SDK encoder"],
                unit="ns",
                times=aim,
            )
        )
        found.append(
            cost(
                f"OTLP decoding, {words}, per span",
                medians["decode: sluiceway, to Span"],
                medians["decode: generated classes, attribute access"],
                unit="ns",
                times=1,
            )
        )
        for task, ours in (("encode", "sluiceway"), ("decode", "sluiceway, to Span")):
            found.append(
                cost(
                    f"OTLP/JSON, {task}, {words}, per span",
                    medians[f"{task} JSON: {ours}"],
                    medians[f"{task} JSON: protobuf's own"],
                    unit="ns",
                )
            )
    return found


def main() -> None:
    for title, distinct in (("repeating", False), ("distinct", True)):
        print(f"six {title} attributes, {BATCH} spans a request, median ns/span")
        found = measure(distinct=distinct)
        ours = {
            "encode": found["encode: sluiceway"],
            "decode": found["decode: sluiceway, to Span"],
            "encode JSON": found["encode JSON: sluiceway"],
            "decode JSON": found["decode JSON: sluiceway, to Span"],
        }
        for name, spent in sorted(found.items(), key=by_task_and_cost):
            ratio = spent / ours[name.partition(":")[0]]
            print(f"  {name:<46}{spent:>8.0f}{ratio:>8.2f}x")


if __name__ == "__main__":
    main()
