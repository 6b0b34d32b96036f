"""Views: what an application wants of instruments that others have made.

Law: pure. A view that matches makes a stream of its own; an instrument that none
matches has its default stream. A view that cannot be applied is warned of, and ignored.
Source: OpenTelemetry specification, ``metrics/sdk.md``, "View".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import translate
from logging import getLogger
from typing import Any

from attrs import Attribute, field, frozen

from ..errors import ConfigurationError, nearest
from ..events import MetricKind, Scope
from ..settings import number
from .aggregations import (
    SECONDS,
    Aggregation,
    HistogramAggregation,
    LastValueAggregation,
    SumAggregation,
)
from .exemplars import ExemplarFilter
from .exponential import ExponentialAggregation
from .kinds import (
    GAUGES,
    GROWING,
    NAME,
    OBSERVABLES,
    RULE,
    Description,
    InstrumentKind,
)
from .series import LIMIT
from .streams import Shape
from .temporality import TemporalityPreference, temporality_of


@frozen
class DropAggregation:
    """A view's ``aggregation`` that measures nothing at all."""


def kind_of(value: Any) -> Any:
    """The kind of a word such as ``"counter"``.

    Raises:
        ConfigurationError: another word.
    """
    words = [kind.value for kind in InstrumentKind]
    if value is None or isinstance(value, InstrumentKind):
        return value
    if value not in words:
        raise ConfigurationError(
            f"View.kind is {value!r}; expected one of {', '.join(words)}"
            f"{nearest(value, words)}"
        )
    return InstrumentKind(value)


def keys_of(value: Collection[str] | None) -> frozenset[str] | None:
    """A set of attribute keys; one text is no collection of them.

    Raises:
        ConfigurationError: it is no collection of texts.
    """
    if value is None:
        return None
    several = isinstance(value, Collection) and not isinstance(value, str)
    if not several or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(
            f"a View's attributes are {value!r}; expected a collection of keys"
        )
    return frozenset(value)


def a_pattern(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a text, for an instrument's name."""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected the name "
            "of an instrument, or a pattern such as 'http.*'"
        )


def a_name(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: what an instrument may be called, or None."""
    if value is not None and not (isinstance(value, str) and NAME.fullmatch(value)):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected {RULE}"
        )


def an_aggregation(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: one of the aggregations."""
    if not isinstance(value, Aggregation | DropAggregation | None):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected such as "
            "HistogramAggregation(buckets=...) or DropAggregation()"
        )


@frozen
class View:
    """Changes the metrics of the instruments that it matches.

    Args:
        instrument: the instrument's name in any case; ``*`` stands for any
            characters, ``?`` for one.
        kind: only such instruments: ``"counter"``, ``"histogram"``, ...
        unit: only instruments of that unit.
        meter: only instruments of the meter of that name.
        meter_version: only instruments of meters of that version.
        meter_schema_url: only instruments of meters of that schema.
        name: the metric's name; only where ``instrument`` is no pattern.
        description: the metric's description.
        keep: the attributes that are kept; by default all.
        leave_out: attributes that are not kept; measurements that differ only in
            these are added up.
        aggregation: how measurements are added up; ``DropAggregation()`` measures
            nothing.
        limit: series before the overflow series; default 2000.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    instrument: str = field(default="*", validator=a_pattern)
    kind: InstrumentKind | None = field(default=None, kw_only=True, converter=kind_of)
    unit: str | None = field(default=None, kw_only=True)
    meter: str | None = field(default=None, kw_only=True)
    meter_version: str | None = field(default=None, kw_only=True)
    meter_schema_url: str | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True, validator=a_name)
    description: str | None = field(default=None, kw_only=True)
    keep: frozenset[str] | None = field(default=None, kw_only=True, converter=keys_of)
    leave_out: frozenset[str] | None = field(
        default=None, kw_only=True, converter=keys_of
    )
    aggregation: Aggregation | DropAggregation | None = field(
        default=None, kw_only=True, validator=an_aggregation
    )
    limit: int | None = field(
        default=None, kw_only=True, validator=number(1, whole=True, optional=True)
    )

    def __attrs_post_init__(self) -> None:
        if self.name is not None and set(self.instrument) & set("*?"):
            raise ConfigurationError(
                f"View.name is {self.name!r} for the pattern {self.instrument!r}; "
                "several metrics cannot have one name"
            )

    def matches(self, told: Description, scope: Scope) -> bool:
        """Whether the view is about this instrument of this meter."""
        wanted = (
            (self.kind, told.kind),
            (self.unit, told.unit),
            (self.meter, scope.name),
            (self.meter_version, scope.version),
            (self.meter_schema_url, scope.schema_url),
        )
        return all(
            wish is None or wish == found for wish, found in wanted
        ) and name_matches(self.instrument, told.name)


def name_matches(pattern: str, name: str) -> bool:
    """Whether an instrument's name fits a pattern with ``*`` and ``?``."""
    plain = pattern.lower().replace("[", "[[]")  # no other wildcards
    return re.fullmatch(translate(plain), name.lower()) is not None


@frozen
class Wishes:
    """What an application wants of all its metrics.

    Attributes:
        views: for some instruments.
        temporality: ``"cumulative"``, ``"delta"`` or ``"lowmemory"``.
        exponential: whether histograms are exponential where no view says otherwise.
        exemplars: which measurements may become exemplars.
        limit: series of a metric before the overflow series.
    """

    views: tuple[View, ...] = ()
    temporality: TemporalityPreference = "cumulative"
    exponential: bool = False
    exemplars: ExemplarFilter = ExemplarFilter.TRACE_BASED
    limit: int = LIMIT

    def shapes(self, told: Description, scope: Scope) -> list[Shape]:
        """The streams of an instrument; none if it is dropped."""
        shapes: list[Shape] = []
        dropped = False
        for view in self.views:
            if not view.matches(told, scope):
                continue
            if isinstance(view.aggregation, DropAggregation):
                dropped = True
            elif is_possible(view.aggregation, told):
                shape = self._shape(told, view, view.aggregation)
                shapes += [shape] if shape not in shapes else []
        if shapes or dropped:
            return shapes
        return [self._shape(told, View(), None)]

    def _shape(
        self, told: Description, view: View, aggregation: Aggregation | None
    ) -> Shape:
        chosen = aggregation or self._default(told)
        return Shape(
            name=view.name or told.name,
            unit=told.unit,
            description=(
                told.description if view.description is None else view.description
            ),
            aggregation=chosen,
            is_monotonic=chosen.kind is MetricKind.SUM and told.kind in GROWING,
            temporality=temporality_of(told.kind, self.temporality),
            keep=view.keep,
            leave_out=view.leave_out or frozenset(),
            limit=view.limit or self.limit,
        )

    def _default(self, told: Description) -> Aggregation:
        if told.kind in GAUGES:
            return LastValueAggregation()
        if told.kind is not InstrumentKind.HISTOGRAM:
            return SumAggregation()
        if self.exponential:
            return ExponentialAggregation()
        if told.buckets is not None:
            return HistogramAggregation(told.buckets)
        return (
            HistogramAggregation(SECONDS)
            if told.unit == "s"
            else HistogramAggregation()
        )


def is_possible(aggregation: Aggregation | None, told: Description) -> bool:
    """Whether an instrument can be aggregated so; if not, a warning says it."""
    if aggregation is None or fits(aggregation.kind, told.kind):
        return True
    getLogger(__name__).warning(
        "a view wants %r for the %s %s, which cannot be; the view is ignored",
        aggregation,
        told.kind.value,
        told.name,
    )
    return False


def fits(aggregation: MetricKind, kind: InstrumentKind) -> bool:
    """Whether such points can be made of what such an instrument measures."""
    if aggregation is MetricKind.GAUGE:
        return kind in GAUGES
    if aggregation is MetricKind.SUM:
        return kind not in GAUGES
    # histograms keep a sum, which may not fall
    return kind in GROWING and kind not in OBSERVABLES
