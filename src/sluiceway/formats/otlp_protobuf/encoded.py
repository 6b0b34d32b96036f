"""Telemetry that stays as it was encoded, one event for each span, point or record.

Law: an item is the bytes of one repeated field as they came; what surrounds it is an
``Envelope``, which its neighbours share. Protobuf's repeated fields are merged by being
written one after the other, so that a request is made of items without reading them.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, Self

import msgspec

from .peeking import (
    record_attribute,
    record_trace_id,
    trace_of,
    with_attribute,
    with_field,
)
from .read_logs import decode_logs
from .read_metrics import decode_metrics
from .read_traces import decode_traces
from .writing import embedded, utf8, varint


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A message round items: a resource's, a scope's or a metric's.

    Attributes:
        parent: the message that it stands in; None for the request itself.
        tag: of its own field in the parent.
        fields: its other fields than the items.
        data: a metric's data, the one message between it and the items.
    """

    parent: Envelope | None
    tag: bytes
    fields: bytes
    data: Envelope | None = None


class Run(msgspec.Struct):
    """Neighbours in one message, as they stand there one after the other.

    Attributes:
        envelope: the message; None for the request itself.
        parts: their bytes, to be joined.
        size: how many bytes these are.
    """

    envelope: Envelope | None
    parts: list[bytes]
    size: int = 0


class Encoded(msgspec.Struct, gc=False):
    """One item of telemetry, not decoded.

    Attributes:
        envelope: what surrounds it.
        data: its field: tag, length and message.
    """

    envelope: Envelope
    data: bytes

    def size(self) -> int:
        """Bytes that it takes in a request, without what it shares with others."""
        return len(self.data)

    def copy(self) -> Self:
        """Another one of the same bytes."""
        return type(self)(self.envelope, self.data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.data)} bytes>"


class EncodedSpan(Encoded, gc=False):
    """A span that is not decoded; a sampler can read and set its sampling."""

    def trace(self) -> tuple[bytes, str]:
        """The trace's id and the W3C tracestate; empty where there is none.

        Raises:
            MalformedError: the bytes are no span.
        """
        return trace_of(self.data)

    def set_trace_state(self, value: str) -> None:
        """Give it another tracestate."""
        self.data = with_field(self.data, embedded(b"\x1a", utf8(value)))


class EncodedPoint(Encoded, gc=False):
    """A metric's data point that is not decoded."""


class EncodedRecord(Encoded, gc=False):
    """A log record that is not decoded; a sampler can read and set its sampling."""

    @property
    def trace_id(self) -> bytes:
        """The trace's id; empty if there is none.

        Raises:
            MalformedError: the bytes are no log record.
        """
        return record_trace_id(self.data)

    @property
    def attributes(self) -> EncodedAttributes:
        """Its attributes, each read when it is asked for."""
        return EncodedAttributes(self)


class EncodedAttributes:
    """The attributes of an encoded log record, as far as a sampler needs them.

    Args:
        record: whose they are; setting one changes its bytes.
    """

    def __init__(self, record: EncodedRecord) -> None:
        self._record = record

    def get(self, key: str, default: Any = None) -> Any:
        """The value of an attribute.

        Raises:
            MalformedError: the bytes are no log record.
        """
        value = record_attribute(self._record.data, key)
        return default if value is None else value

    def __setitem__(self, key: str, value: str) -> None:
        self._record.data = with_attribute(self._record.data, key, value)


ENCODED: Final[Mapping[type, Callable[[bytes], list[Any]]]] = {
    EncodedSpan: decode_traces,
    EncodedPoint: decode_metrics,
    EncodedRecord: decode_logs,
}


def decode_encoded(items: list[Any]) -> list[Any]:
    """The events of items of one type, one for each.

    Raises:
        MalformedError: the bytes of one are malformed.
    """
    return ENCODED[type(items[0])](join_encoded(items))


def join_encoded(items: Iterable[Encoded]) -> bytes:
    """The request of the items, in their order; they must be of one signal.

    Neighbours whose envelopes are equal share one. The bytes are copied once, at the
    end: what holds a large copy beside another makes the allocator give memory back to
    the system and fetch it again, which costs more than the copying.
    """
    runs = runs_of(items)
    while runs and runs[0].envelope is not None:
        runs = united([enclosed(run, run.envelope) for run in runs if run.envelope])
    return b"".join(chain.from_iterable(run.parts for run in runs))


def runs_of(items: Iterable[Encoded]) -> list[Run]:
    """Neighbours in one envelope."""
    runs: list[Run] = []
    around: Envelope | None = None
    parts: list[bytes] = []
    for item in items:
        envelope = item.envelope
        if envelope is not around:
            if envelope != around:
                parts = []
                runs.append(Run(envelope, parts))
            around = envelope
        parts.append(item.data)
    for run in runs:
        run.size = sum(map(len, run.parts))
    return runs


def enclosed(run: Run, envelope: Envelope) -> Run:
    """The field of the message that holds a run."""
    if envelope.data is not None:
        run = enclosed(run, envelope.data)
    fields = envelope.fields
    head = envelope.tag + varint(len(fields) + run.size) + fields
    return Run(envelope.parent, [head, *run.parts], len(head) + run.size)


def united(runs: list[Run]) -> list[Run]:
    """The same with neighbours that stand in one envelope as one run."""
    last: Run | None = None
    found: list[Run] = []
    for run in runs:
        if last is not None and run.envelope == last.envelope:
            last.parts += run.parts
            last.size += run.size
        else:
            found.append(run)
            last = run
    return found
