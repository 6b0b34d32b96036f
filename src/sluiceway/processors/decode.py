"""Decode: telemetry that came encoded becomes spans, metric points and log records."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ..errors import PermanentError
from ..formats.otlp_protobuf import ENCODED, MalformedError, decode_encoded
from ..stages import Processed, Processor


class Decode(Processor[Any, Any]):
    """Decodes what ``OtlpSource(decode=False)`` sends; other events pass as they are.

    Behind a sampler it costs only what the sampler keeps. An item whose bytes are
    malformed is rejected alone, with the reason ``malformed``.

    Args:
        name: its name in the graph.
    """

    stateful = False
    mutates = False
    takes_encoded = True
    sends_encoded = False

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def process(self, events: list[Any]) -> list[Any]:
        """The events, decoded."""
        try:
            return [e for _, run in groupby(events, type) for e in decoded([*run])]
        except MalformedError:
            return decode_each(events)


def decoded(run: list[Any]) -> list[Any]:
    """Events of one type, decoded together, since they share what surrounds them."""
    return decode_encoded(run) if type(run[0]) in ENCODED else run


def decode_each(events: list[Any]) -> Processed[Any]:
    """The same one by one, so that a malformed item costs itself only."""
    kept: list[Any] = []
    failed: dict[int, Exception] = {}
    for index, event in enumerate(events):
        try:
            kept += decoded([event])
        except MalformedError as error:
            failed[index] = PermanentError(str(error), reason="malformed")
    return Processed(kept, failed=failed)
