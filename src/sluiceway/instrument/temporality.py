"""Whether sums count from the beginning or since the last collection.

Source: OpenTelemetry specification, ``metrics/sdk_exporters/otlp.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from ..events import Temporality
from .kinds import InstrumentKind

TemporalityPreference = Literal["cumulative", "delta", "lowmemory"]

# What never counts since the last collection: what may fall, and what has no sum.
DELTA: Final[Mapping[TemporalityPreference, frozenset[InstrumentKind]]] = {
    "cumulative": frozenset(),
    "delta": frozenset(
        {
            InstrumentKind.COUNTER,
            InstrumentKind.OBSERVABLE_COUNTER,
            InstrumentKind.HISTOGRAM,
        }
    ),
    "lowmemory": frozenset({InstrumentKind.COUNTER, InstrumentKind.HISTOGRAM}),
}


def temporality_of(
    kind: InstrumentKind, preference: TemporalityPreference
) -> Temporality:
    """The temporality of an instrument's points."""
    delta = kind in DELTA[preference]
    return Temporality.DELTA if delta else Temporality.CUMULATIVE
