"""Propagation: a trace travels in the headers of HTTP and in the metadata of gRPC.

Law: what breaks its rules is no parent and never raises; the names of headers have no
case. Source: W3C Trace Context level 2, sections 3.2 and 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from typing import Any, Final

from attrs import field, frozen

from sluiceway.instrument import Telemetry

from . import validation
from .creating import refused, understood
from .exceptions import FlextValidationError, is_a, shown
from .fields import by, with_checks
from .models import SAMPLED, FlextTrace
from .result import FlextResult

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
NO_PARENT: Final = "no_parent"  # there is no such header
MALFORMED: Final = "malformed"  # there is one, and it breaks the rules
METADATA_KEY: Final = re.compile(r"[0-9a-z_.\-]+")  # gRPC over HTTP/2, "Requests"
NAMES: Final = frozenset({TRACEPARENT, TRACESTATE})

Carrier = Mapping[str, Any] | Iterable[tuple[Any, Any]]


@frozen(field_transformer=with_checks)
class FlextTraceContext:
    """What an operation elsewhere tells of itself, so that others can be parts of it.

    Args:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        trace_flags: W3C's; 1 means that the trace is sampled.
        trace_state: the text of ``tracestate``; ``""`` for none.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    trace_id: str = field(metadata=by(validation.identifier, 32))
    span_id: str = field(metadata=by(validation.identifier, 16))
    trace_flags: int = field(default=SAMPLED, metadata=by(validation.flags))
    trace_state: str = field(default="", metadata=by(validation.trace_state))


Told = FlextTrace | FlextTraceContext


def flext_inject_context(
    trace: Told, carrier: MutableMapping[str, str]
) -> FlextResult[MutableMapping[str, str]]:
    """Tell a receiver of a trace, in the headers of a request.

    Args:
        trace: whose part the receiver's work is.
        carrier: the headers, which are changed; what they told of a trace before is
            replaced, in whatever case it was written.
    """
    return headers_of(trace).flat_map(
        lambda headers: understood(lambda: filled(carrier, headers))
    )


def flext_grpc_metadata(
    trace: Told, metadata: Iterable[tuple[str, str | bytes]] = ()
) -> FlextResult[tuple[tuple[str, str | bytes], ...]]:
    """Metadata of gRPC that tell a receiver of a trace.

    Args:
        trace: whose part the receiver's work is.
        metadata: what else there is, its keys in any case, as gRPC wants them in lower
            case; what it told of a trace is left out.
    """

    def joined(headers: dict[str, str]) -> tuple[tuple[str, str | bytes], ...]:
        if isinstance(metadata, str | bytes) or not isinstance(metadata, Iterable):
            raise FlextValidationError("metadata", metadata, "pairs of key and value")
        others = [metadatum(pair) for pair in metadata]
        return (
            *(pair for pair in others if pair[0] not in NAMES),
            *headers.items(),
        )

    return headers_of(trace).flat_map(lambda told: understood(lambda: joined(told)))


def flext_extract_context(carrier: Carrier) -> FlextResult[FlextTraceContext]:
    """What a request tells of the trace that it is a part of.

    Args:
        carrier: headers as a mapping, or headers or metadata of gRPC as pairs; names in
            any case, values as text, bytes or lists of them.

    Returns:
        What to give as ``parent`` to ``flext_create_trace``; a failure with the code
        ``"no_parent"`` if nothing is told, ``"malformed"`` if that breaks the rules.
    """
    return understood(lambda: gathered(carrier)).flat_map(context_in)


def context_in(headers: dict[str, list[str]]) -> FlextResult[FlextTraceContext]:
    """The context that headers tell whose names are in lower case."""
    found: dict[str, str] = {}
    w3c = w3c_propagator()
    w3c.inject(found, w3c.extract(headers))
    context = context_of(found)
    if context is not None:
        return FlextResult.ok(context)
    told = headers.get(TRACEPARENT)
    if not told:
        return FlextResult.fail("there is no traceparent", NO_PARENT)
    value = shown(TRACEPARENT, told[0] if len(told) == 1 else told)
    text = f"traceparent is {value}; expected one, such as 00-<32 hex>-<16 hex>-01"
    return FlextResult.fail(text, MALFORMED, {"field": TRACEPARENT})


def current_context() -> FlextTraceContext | None:
    """The operation that runs here, whoever began it; None if there is none."""
    headers: dict[str, str] = {}
    w3c_propagator().inject(headers)
    return context_of(headers)


def w3c_propagator() -> Any:
    """What reads and writes ``traceparent``; its carriers may hold lists."""
    return own_telemetry().propagator


@cache
def own_telemetry() -> Telemetry:
    """What is asked where no backend is: of traceparents, and for the sampler.

    Its propagator is W3C's, whatever ``OTEL_PROPAGATORS`` says.
    """
    return Telemetry(propagators=["tracecontext"])


def context_of(headers: Mapping[str, str]) -> FlextTraceContext | None:
    """The context of headers that are well formed, if they tell of one."""
    parent = headers.get(TRACEPARENT)
    if parent is None:
        return None
    _, trace_id, span_id, flags = parent.split("-")
    state = headers.get(TRACESTATE, "")
    return FlextTraceContext(trace_id, span_id, int(flags, 16), state)


def headers_of(trace: Told) -> FlextResult[dict[str, str]]:
    """The headers that tell of a trace."""
    if not (is_a(trace, FlextTrace) or is_a(trace, FlextTraceContext)):
        expected = "a FlextTrace or a FlextTraceContext"
        return refused(FlextValidationError("trace", trace, expected))
    flags = trace.trace_flags & 0x03  # those that are known
    headers = {TRACEPARENT: f"00-{trace.trace_id}-{trace.span_id}-{flags:02x}"}
    if trace.trace_state:
        headers[TRACESTATE] = trace.trace_state
    return FlextResult.ok(headers)


def filled(
    carrier: MutableMapping[str, str], headers: dict[str, str]
) -> MutableMapping[str, str]:
    """The carrier with these headers and none of their kind besides."""
    if not isinstance(carrier, MutableMapping):
        raise FlextValidationError("carrier", carrier, "a mapping that can be changed")
    for name in [*carrier]:
        if isinstance(name, str) and name.lower() in NAMES:
            carrier.pop(name, None)
    carrier.update(headers)
    return carrier


def gathered(carrier: Carrier) -> dict[str, list[str]]:
    """What a carrier tells of a trace, by names in lower case."""
    if isinstance(carrier, str | bytes) or not isinstance(carrier, Iterable):
        raise FlextValidationError("carrier", carrier, "a mapping of headers, or pairs")
    pairs = carrier.items() if isinstance(carrier, Mapping) else carrier
    found: dict[str, list[str]] = {}
    for name, value in (pair_of("carrier", pair) for pair in pairs):
        if name.lower() in NAMES:
            found.setdefault(name.lower(), []).extend(texts(value))
    return found


def pair_of(field: str, pair: object) -> tuple[str, Any]:
    """The name and the value of a header."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise FlextValidationError(field, pair, "pairs of name and value")
    name, value = pair
    return next(iter(texts(name)), ""), value


def metadatum(pair: object) -> tuple[str, Any]:
    """A pair of gRPC's, with its key in lower case."""
    name, value = pair_of("metadata", pair)
    key = name.lower()
    if METADATA_KEY.fullmatch(key) is None:
        expected = "keys of ASCII letters, digits, '_', '-' and '.'"
        raise FlextValidationError("metadata", name, expected)
    if not is_sendable(key, value):
        expected = "printable ASCII, or bytes where the key ends in -bin"
        raise FlextValidationError(f"metadata[{key!r}]", value, expected)
    return key, value


def is_sendable(key: str, value: object) -> bool:
    """Whether gRPC takes a value of this key (gRPC over HTTP/2, "Requests")."""
    if key.endswith("-bin"):
        return isinstance(value, bytes)
    told = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(told, str) and validation.VISIBLE.fullmatch(told) is not None


def texts(value: object) -> list[str]:
    """The texts that a value is or holds; what is none is left out."""
    values = value if isinstance(value, list | tuple) else [value]
    return [
        each if isinstance(each, str) else each.decode("latin-1")
        for each in values
        if isinstance(each, str | bytes)
    ]
