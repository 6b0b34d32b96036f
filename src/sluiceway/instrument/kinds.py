"""Which instruments there are, and what tells them apart."""

from __future__ import annotations

import enum
import re

from attrs import frozen

from ..errors import ConfigurationError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}")
RULE = (
    "a letter, then letters, digits, '_', '.', '-' or '/', at most 255 characters in "
    "all"
)
UNIT = re.compile(r"[\x00-\x7f]{0,63}")


class InstrumentKind(enum.Enum):
    """The kinds of instruments."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "up_down_counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    OBSERVABLE_COUNTER = "observable_counter"
    OBSERVABLE_UP_DOWN_COUNTER = "observable_up_down_counter"
    OBSERVABLE_GAUGE = "observable_gauge"


COUNTERS = frozenset({InstrumentKind.COUNTER, InstrumentKind.OBSERVABLE_COUNTER})
GAUGES = frozenset({InstrumentKind.GAUGE, InstrumentKind.OBSERVABLE_GAUGE})
OBSERVABLES = frozenset(
    {
        InstrumentKind.OBSERVABLE_COUNTER,
        InstrumentKind.OBSERVABLE_UP_DOWN_COUNTER,
        InstrumentKind.OBSERVABLE_GAUGE,
    }
)
GROWING = COUNTERS | {InstrumentKind.HISTOGRAM}  # sums of these only grow


@frozen
class Description:
    """What an instrument is.

    Attributes:
        name: unique in its meter, in whatever case.
        kind: which instrument it is.
        unit: UCUM.
        description: for a person.
        buckets: the bounds that its author advises, for histograms.
    """

    name: str
    kind: InstrumentKind
    unit: str = ""
    description: str = ""
    buckets: tuple[float, ...] | None = None


def check_name(told: Description) -> None:
    """Refuse names and units that OpenTelemetry does not allow.

    Raises:
        ConfigurationError: it names the rule.
    """
    if not isinstance(told.name, str) or NAME.fullmatch(told.name) is None:
        raise ConfigurationError(
            f"instrument name {told.name!r} is not allowed; expected {RULE}"
        )
    if not isinstance(told.unit, str) or UNIT.fullmatch(told.unit) is None:
        raise ConfigurationError(
            f"unit {told.unit!r} of instrument {told.name!r} is not allowed; expected "
            "at most 63 ASCII characters, such as 's' or 'By'"
        )
