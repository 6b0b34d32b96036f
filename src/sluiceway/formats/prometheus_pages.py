"""A page of Prometheus's text formats becomes metric points.

Law: pure. A page is taken whole or not at all, as Prometheus does, and what is wrong
with it is told with its line. Sources: Prometheus text format 0.0.4, OpenMetrics 1.0;
OpenTelemetry specification ``compatibility/prometheus_and_openmetrics``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, cast

from attrs import evolve, frozen
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_fd_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_fd_to_metric_families as read_text

from ..events import MetricPoint, Resource, Scope
from .prometheus_families import Origin, points_of

LINE = re.compile(r"[^\n]*\n|[^\n]+")
BARE_COUNTER = re.compile(r"#[ \t]*TYPE[ \t]+(\S+)(?<!_total)[ \t]+counter\s*")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
TARGETS = frozenset({"target", "target_info"})
OF_THE_SCRAPER = ("job", "instance")
LONGEST_QUOTE = 80  # characters of a bad line in an error


class BadPageError(ValueError):
    """A page cannot be read; the message says in which line."""


@frozen
class ReadPage:
    """What stands on a page.

    Attributes:
        families: its families.
        bare: the names of the counters that go without ``_total``, which text 0.0.4
            allows.
    """

    families: list[Metric]
    bare: Collection[str] = ()


class Lines:
    """The lines of a page, with the one that was read last.

    Attributes:
        number: of the last line, from 1.
        last: the last line.
        bare: the names of counters without ``_total`` until then.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.number = 0
        self.last = ""
        self.bare: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        for line in LINE.finditer(self._text):
            self.number += 1
            self.last = line[0]
            if self.last.startswith("#"):
                counter = BARE_COUNTER.fullmatch(self.last)
                if counter is not None:
                    self.bare.add(counter[1])
            yield self.last


def read_page(body: bytes, *, openmetrics: bool, sample_limit: int) -> ReadPage:
    """What stands on a page.

    Args:
        body: the page, unpacked.
        openmetrics: whether it is OpenMetrics 1.0 and not text 0.0.4.
        sample_limit: samples at most.

    Raises:
        BadPageError: it is no such page, or has more samples.
    """
    try:
        lines = Lines(body.decode())
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadPageError(f"line {line}: it is not UTF-8") from None
    read: Any = read_openmetrics if openmetrics else read_text
    families: list[Metric] = []
    samples = 0
    try:
        for family in read(lines):
            check_names(family)
            families.append(family)
            samples += len(family.samples)
            if samples > sample_limit:
                break
    except Exception as error:
        quoted = repr(lines.last.rstrip("\n")[:LONGEST_QUOTE])
        what = str(error) or type(error).__name__
        raise BadPageError(
            f"line {lines.number}: {what[:LONGEST_QUOTE]} (near {quoted})"
        ) from error
    if samples > sample_limit:
        raise BadPageError(f"it has more than {sample_limit} samples")
    return ReadPage(families, () if openmetrics else lines.bare)


def check_names(family: Metric) -> None:
    """Refuse names that Prometheus would not take, which the parsers let through."""
    for sample in family.samples:
        if not NAME.fullmatch(sample.name):
            raise ValueError(f"{sample.name!r} is no name of a metric")


def samples_in(page: ReadPage) -> int:
    """How many samples there are."""
    return sum(len(family.samples) for family in page.families)


def points_in(page: ReadPage, origin: Origin) -> list[MetricPoint]:
    """The points of all families.

    ``target_info`` becomes a part of the resource, ``otel_scope_*`` labels the scope.
    Points without a time of their own get the origin's. Counters keep their ``_total``
    where they have one: a page may have a gauge of the name without.
    """
    about: dict[str, Any] = {}
    told: list[MetricPoint] = []
    for family in page.families:
        points = list(points_of(cast("Any", family), origin))
        if family.name in TARGETS:
            for point in points:
                about |= point.attributes
        else:
            told += points
    for name in OF_THE_SCRAPER:
        about.pop(name, None)
    if about:
        base = origin.resource
        resource = Resource({**about, **base.attributes}, base.schema_url)
        origin = evolve(origin, resource=resource)
    for point in told:
        counts = point.metadata["prometheus.type"] == "counter"
        if counts and point.name not in page.bare:
            point.name += "_total"
        point.resource = origin.resource
        point.scope = scope_of(point.attributes) or origin.scope
    return told


def scope_of(labels: dict[str, Any]) -> Scope | None:
    """The scope that the labels tell of, and which they lose; None if they do not."""
    told = {
        name.removeprefix("otel_scope_"): labels.pop(name)
        for name in [name for name in labels if name.startswith("otel_scope_")]
    }
    if not told:
        return None
    return Scope(
        told.pop("name", ""),
        told.pop("version", ""),
        schema_url=told.pop("schema_url", ""),
        attributes=told,
    )
