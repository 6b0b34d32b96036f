"""What an application wants of its metrics, from code or from the environment.

Law: code wins over the environment, the environment over the default. A wrong value in
code is an error, one in the environment is warned of and named.
Source: OpenTelemetry specification, ``configuration/sdk-environment-variables.md`` and
``metrics/sdk_exporters/otlp.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from logging import getLogger
from typing import Any, Final, TypeVar

from ..errors import ConfigurationError, nearest
from ..settings import is_count
from .exemplars import ExemplarFilter
from .series import LIMIT
from .temporality import TemporalityPreference
from .views import DropAggregation, View, Wishes

Value = TypeVar("Value")

TEMPORALITY: Final = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
HISTOGRAM: Final = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
EXEMPLARS: Final = "OTEL_METRICS_EXEMPLAR_FILTER"

TEMPORALITIES: Final[Mapping[str, TemporalityPreference]] = {
    "cumulative": "cumulative",
    "delta": "delta",
    "lowmemory": "lowmemory",
}
HISTOGRAMS: Final = {
    "explicit_bucket_histogram": False,
    "base2_exponential_bucket_histogram": True,
}
SILENT: Final = Wishes((View(aggregation=DropAggregation()),))  # measures nothing

FILTERS: Final = {each.value: each for each in ExemplarFilter}


def wishes_of(
    views: Iterable[View] = (),
    temporality: str | None = None,
    exponential_histograms: bool | None = None,
    exemplars: str | None = None,
    series_limit: int = LIMIT,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Wishes:
    """The wishes, each from code if it is there.

    Raises:
        ConfigurationError: something from code that cannot be meant.
    """
    own = own_views(views)
    if not is_count(series_limit):
        raise ConfigurationError(
            f"Telemetry.series_limit is {series_limit!r}; "
            "expected a whole number from 1"
        )
    exponential = exponential_histograms
    if not isinstance(exponential, bool | None):
        raise ConfigurationError(
            f"Telemetry.exponential_histograms is {exponential!r}; expected True or "
            "False"
        )
    if exponential is None:
        exponential = from_environment(environ, HISTOGRAM, HISTOGRAMS) or False
    return Wishes(
        views=own,
        temporality=from_code("temporality", temporality, TEMPORALITIES)
        or from_environment(environ, TEMPORALITY, TEMPORALITIES)
        or "cumulative",
        exponential=exponential,
        exemplars=from_code("exemplars", exemplars, FILTERS)
        or from_environment(environ, EXEMPLARS, FILTERS)
        or ExemplarFilter.TRACE_BASED,
        limit=series_limit,
    )


def own_views(views: Any) -> tuple[View, ...]:
    """The views from code.

    Raises:
        ConfigurationError: something else, or a view that is in no list.
    """
    expected = "expected such as [View('name', ...)]"
    if isinstance(views, str) or not isinstance(views, Iterable):
        raise ConfigurationError(f"Telemetry.views is {views!r}; {expected}")
    own = tuple(views)
    for view in own:
        if not isinstance(view, View):
            raise ConfigurationError(f"Telemetry.views holds {view!r}; {expected}")
    return own


def from_code(field: str, word: Any, known: Mapping[str, Value]) -> Value | None:
    """What a word from code means; None if there is no word.

    Raises:
        ConfigurationError: it is none that is known.
    """
    if word is None:
        return None
    if not isinstance(word, str) or word not in known:
        raise ConfigurationError(
            f"Telemetry.{field} is {word!r}; expected one of "
            f"{', '.join(map(repr, known))}{nearest(word, known)}"
        )
    return known[word]


def from_environment(
    environ: Mapping[str, str], name: str, known: Mapping[str, Value]
) -> Value | None:
    """What a variable's word means, in any case; None if it is empty or not known."""
    text = environ.get(name, "").strip()
    if text and text.lower() not in known:
        getLogger(__name__).warning(
            "%s is %r; expected one of %s; it is ignored", name, text, ", ".join(known)
        )
    return known.get(text.lower())
