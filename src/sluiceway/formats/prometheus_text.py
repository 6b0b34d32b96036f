"""Metric points become a page in Prometheus's text formats.

Law: pure; a page is always valid. What cannot stand on it is left out, alone, and the
page says which points that were and why. Source: Prometheus text format 0.0.4,
OpenMetrics 1.0, OpenTelemetry specification ``metrics/sdk_exporters/prometheus``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import cast

from attrs import field, frozen
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_format
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample as LibrarySample

from ..events import MetricPoint, Resource
from .identity import identity_of
from .prometheus_claims import TARGET, Claims, Labels
from .prometheus_names import encodable, label_value
from .prometheus_samples import Family, Sample, family_of, sample, samples_of

NO_RECORDED_VALUE = 1


@frozen
class Page:
    """A rendered page.

    Attributes:
        body: the text as UTF-8.
        content_type: what to send as ``Content-Type``.
        left_out: why a point is not on the page, by its index among those given.
    """

    body: bytes
    content_type: str
    left_out: Mapping[int, str]


def exposition(
    points: Iterable[MetricPoint],
    *,
    openmetrics: bool = False,
    scope_labels: bool = False,
    taken: Collection[str] = (),
) -> Page:
    """The page of these points, one for each series, without timestamps.

    Attributes become labels, the resource becomes ``target_info``. Points of several
    resources get the labels ``job`` and ``instance``, as a collector gives them. Delta
    points must have been added up before. Points without a recorded value are left out
    without a word. ``_created`` is not written: it doubles the series for little use.

    Args:
        points: the latest point of each series.
        openmetrics: OpenMetrics 1.0 with units and exemplars instead of text 0.0.4.
        scope_labels: tell the instrumentation scope in ``otel_scope_*`` labels; needed
            only where two scopes have a series of the same name and attributes.
        taken: labels that the receiver sets; such attributes become ``exported_*``.
    """
    points = list(points)
    builder = PageBuilder(
        resources_of(points),
        strict=openmetrics,
        scope_labels=scope_labels,
        taken=taken,
    )
    left_out: dict[int, str] = {}
    for index, point in enumerate(points):
        try:
            if point.value is not None and not point.flags & NO_RECORDED_VALUE:
                builder.add(point)
        except Exception as error:  # noqa: BLE001 - whatever a user's object does
            left_out[index] = f"{point.name!r} is left out: {error}"
    return render(builder, left_out, openmetrics=openmetrics)


def render(
    builder: PageBuilder, left_out: Mapping[int, str], *, openmetrics: bool
) -> Page:
    """The page in one of the two formats."""
    # All names are legal already, and the library's own escaping costs colons.
    escaping = openmetrics_format.ALLOWUTF8
    if openmetrics:
        body = bytes(openmetrics_format.generate_latest(builder, escaping))  # type: ignore[no-untyped-call]
        return Page(body, openmetrics_format.CONTENT_TYPE_LATEST, left_out)
    body = generate_latest(builder, escaping)
    return Page(body, CONTENT_TYPE_PLAIN_0_0_4, left_out)


def resources_of(points: Iterable[MetricPoint]) -> dict[bytes, Resource]:
    """The distinct resources; most points share the very object."""
    objects = {id(point.resource): point.resource for point in points}
    resources: dict[bytes, Resource] = {}
    for resource in objects.values():
        with suppress(Exception):  # its points say why they are left out
            resources[identity_of(resource.attributes)] = resource
    return resources


class PageBuilder(Collector):
    """Sorts samples into families, and refuses what would make the page invalid."""

    def __init__(
        self,
        resources: Mapping[bytes, Resource],
        *,
        strict: bool,
        scope_labels: bool,
        taken: Collection[str],
    ) -> None:
        self._labels = Labels(
            several=len(resources) > 1, scopes=scope_labels, taken=taken
        )
        self._strict = strict
        self._families: dict[str, FamilyBook] = {}
        self._claims = Claims()
        self._add_targets(resources.values())

    def collect(self) -> Iterable[Metric]:
        """The families, one at a time: the target first, the others by name."""
        for name in sorted(self._families, key=lambda name: (name != "target", name)):
            yield self._families[name].metric()

    def add(self, point: MetricPoint) -> None:
        """Put a point's samples on the page, or say in a ``ValueError`` why not."""
        family = family_of(point)
        samples = samples_of(point, family, strict=self._strict)
        labels = self._labels.of(point)
        description = label_value(point.description) or encodable(point.name)
        self._claims.claim(family, labels)
        self._book_of(family, description).series.append((labels, samples))

    def _add_targets(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            labels: dict[str, str] = {}
            with suppress(Exception):  # the metrics are more than what they are about
                labels = self._labels.about(resource)
            if labels:
                self._claims.own(TARGET)
                book = self._book_of(TARGET, "What the metrics are about.")
                book.series.append((labels, [sample("_info", 1.0)]))

    def _book_of(self, family: Family, description: str) -> FamilyBook:
        return self._families.setdefault(family.name, FamilyBook(family, description))


@frozen
class FamilyBook:
    """A family and the samples of its series."""

    family: Family
    description: str
    series: list[tuple[dict[str, str], list[Sample]]] = field(factory=list)

    def metric(self) -> Metric:
        """The family as the library writes it."""
        name, unit, kind = self.family.name, self.family.unit, self.family.type
        metric = Metric(name, self.description, kind, unit)
        # One at a time: a list of all would cost long pauses for garbage collection.
        metric.samples = cast("list[LibrarySample]", self.samples())
        return metric

    def samples(self) -> Iterator[LibrarySample]:
        """The samples of all series."""
        for labels, samples in self.series:
            for suffix, value, label, exemplar in samples:
                own = {**labels, label[0]: label[1]} if label else labels
                name = self.family.name + suffix
                yield LibrarySample(name, own, value, None, exemplar)
