"""Which names and series of a page are taken: first come, first served.

Law: no I/O. Whoever has claimed what it shows can stand on one page together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from attrs import frozen

from ..events import MetricPoint, Resource, Scope
from .prometheus_names import job_and_instance, label_name, labels_of
from .prometheus_samples import Family, checked_value, family_of

OF_THE_FORMAT = frozenset({"le", "quantile"})
OF_A_RESOURCE = ("job", "instance")
TARGET = Family("target", "", "info")


class Labels:
    """What becomes of attributes, resources and scopes on one page.

    Args:
        several: tell resources apart by ``job`` and ``instance``.
        scopes: tell the instrumentation scope in ``otel_scope_*`` labels.
        taken: labels that the receiver sets; such attributes become ``exported_*``.
    """

    def __init__(
        self, *, several: bool, scopes: bool = False, taken: Collection[str] = ()
    ) -> None:
        self._several = several
        self._scopes = scopes
        self._renamed = {name: label_name(name, taken) for name in OF_A_RESOURCE}
        self._taken = OF_THE_FORMAT.union(taken)
        if several:
            self._taken |= {*self._renamed.values()}

    def of(self, point: MetricPoint) -> dict[str, str]:
        """The labels of a point's series."""
        labels = labels_of(point.attributes, self._taken)
        labels |= self.apart(point.resource)
        if self._scopes:
            labels |= labels_of_scope(point.scope)
        return labels

    def about(self, resource: Resource) -> dict[str, str]:
        """The labels that tell what a resource is, and which one."""
        labels = labels_of(resource.attributes, self._taken)
        return labels | self.apart(resource) if labels else labels

    def apart(self, resource: Resource) -> dict[str, str]:
        """What tells the resources apart, by names that the receiver leaves alone."""
        found = job_and_instance(resource.attributes) if self._several else {}
        return {self._renamed[name]: text for name, text in found.items()}


class Claims:
    """The names and the series that are taken."""

    def __init__(self) -> None:
        self._owners: dict[str, Family] = {}
        self._sizes = Counter[str]()
        self._series: set[int] = set()

    def claim(self, family: Family, labels: Mapping[str, str]) -> int:
        """Take a place for a series; what to give to ``release``.

        Raises:
            ValueError: a name belongs to another family, or the series is there.
        """
        self._check_names(family)
        # Its hash stands for it: a page may have a hundred thousand.
        series = hash((family.name, frozenset(labels.items())))
        if series in self._series:
            raise ValueError(
                "there is a series of the same name and labels already; "
                "scope_labels=True tells apart those of several scopes"
            )
        self.restore(family, series)
        return series

    def restore(self, family: Family, series: int) -> None:
        """Take a place that is known to be free."""
        if family.name not in self._sizes:
            self._owners |= dict.fromkeys(family.sample_names(), family)
        self._series.add(series)
        self._sizes[family.name] += 1

    def own(self, family: Family) -> None:
        """Take the names of a family for good, before all others."""
        self._owners |= dict.fromkeys(family.sample_names(), family)

    def _check_names(self, family: Family) -> None:
        for name in family.sample_names():
            owner = self._owners.get(name, family)
            if (owner.name, owner.type) != (family.name, family.type):
                raise ValueError(
                    f"{name} belongs to the {owner.type} {owner.name} already"
                )

    def owner(self, name: str) -> Family:
        """The family of a name that is taken."""
        return self._owners[name]

    def release(self, family: Family, series: int) -> None:
        """Give a place back, and the names with the last series of the family."""
        self._series.discard(series)
        self._sizes[family.name] -= 1
        if self._sizes[family.name] <= 0:
            del self._sizes[family.name]
            for name in family.sample_names():
                del self._owners[name]


@frozen
class Place:
    """Where a series stands.

    Attributes:
        what: of the point, what its family follows from.
        family: its family.
        series: what ``Claims`` gave for it.
    """

    what: tuple[Any, ...]
    family: Family
    series: int


class Shelf:
    """The series that one page can show, point by point.

    Args:
        scopes: the page has ``otel_scope_*`` labels.
    """

    def __init__(self, *, scopes: bool = False) -> None:
        self._labels = Labels(several=True, scopes=scopes)
        self._claims = Claims()
        self._claims.own(TARGET)
        self._places: dict[Hashable, Place] = {}

    def admit(self, point: MetricPoint, key: Hashable) -> None:
        """Make room for a point with a value, if it can be shown.

        Args:
            point: the point.
            key: what tells its series from others.

        Raises:
            ValueError: why it cannot.
        """
        what = point.kind, point.unit, point.is_monotonic
        place = self._places.get(key)
        if place is not None and place.what == what:
            checked_value(point, place.family)
            return
        family = family_of(point)
        checked_value(point, family)
        labels = self._labels.of(point)
        self.leave(key)
        try:
            series = self._claims.claim(family, labels)
        except ValueError:
            if place is not None:
                self._claims.restore(place.family, place.series)
                self._places[key] = place
            raise
        shared = self._claims.owner(family.name)  # by all of its series
        self._places[key] = Place(what, shared, series)

    def leave(self, key: Hashable) -> None:
        """Give back what a series has."""
        place = self._places.pop(key, None)
        if place is not None:
            self._claims.release(place.family, place.series)


def labels_of_scope(scope: Scope) -> dict[str, str]:
    """The labels ``otel_scope_*``: name, version, schema and attributes."""
    known = {
        "name": scope.name,
        "version": scope.version,
        "schema_url": scope.schema_url,
    }
    return {
        f"otel_scope_{name}": text
        for name, text in labels_of({**scope.attributes, **known}).items()
    }
