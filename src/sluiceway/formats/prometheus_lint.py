"""What ``promtool check metrics`` would say of names, types, units and labels.

Law: pure. A page is judged as it stands, points as the page that they would make. The
words are promtool's, so that its documentation applies; its rules are those of
client_golang's ``promlint``. What concerns several series of a metric is said once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Final

from attrs import define, field, frozen
from msgspec import structs
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.registry import Collector

from ..events import MetricPoint, Scope
from .prometheus_pages import read_page
from .prometheus_samples import family_of
from .prometheus_text import NO_RECORDED_VALUE, exposition

MOST_SAMPLES: Final = 1_000_000
ENDS_OPENMETRICS: Final = re.compile(rb"(?:^|\n)# EOF\n?\Z")

NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
COMMENT: Final = re.compile(rf"[ \t]*#[ \t]+(HELP|TYPE)[ \t]+({NAME})[ \t]*(.*)")
SAMPLE: Final = re.compile(rf"[ \t]*({NAME})[ \t]*(\{{)?")
LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"(?:[^"\\]|\\.)*"')
CAMEL_CASE: Final = re.compile(r"[a-z][A-Z]")

TYPES: Final = ("counter", "gauge", "summary", "histogram", "gauge_histogram")
ABBREVIATIONS: Final = (
    *("s", "ms", "us", "ns", "sec"),
    *("b", "kb", "mb", "gb", "tb", "pb"),
    *("m", "h", "d"),
)
BASES: Final = "amperes bytes celsius grams joules kelvin meters metres seconds volts"
OTHERS: Final = {
    "seconds": "minutes hours days weeks",
    "kelvin": "kelvins",
    "celsius": "fahrenheit rankine",
    "meters": "inches yards miles",
    "bytes": "bits",
    "joules": "calories",
    "grams": "pounds ounces",
}
BASE_OF: Final = {
    **{base: base for base in BASES.split()},
    **{unit: base for base, units in OTHERS.items() for unit in units.split()},
}
PREFIXES: Final = (  # "mibi" and "gibi" are what promtool takes for mebi and gibi
    *("", "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo"),
    *("kibi", "mega", "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi"),
)
UNITS: Final = {
    prefix + unit: base for prefix, (unit, base) in product(PREFIXES, BASE_OF.items())
}


@frozen(order=True)
class Finding:
    """One thing that is wrong with a metric.

    Attributes:
        metric: the metric's name in Prometheus.
        text: what is wrong, in promtool's words.
        origin: the name that it has in OpenTelemetry, if it is another.
    """

    metric: str
    text: str
    origin: str = ""

    def __str__(self) -> str:
        """As promtool prints it, and the metric's first name behind it."""
        behind = f" (it is {self.origin!r} here)" if self.origin else ""
        return f"{self.metric} {self.text}{behind}"


@define
class LintedFamily:
    """What is judged of a metric."""

    name: str
    type: str = "untyped"
    help: str = ""
    labels: set[str] = field(factory=set)
    sampled: bool = False


def lint_page(body: bytes) -> list[Finding]:
    """What promtool would say of a page, sorted by metric and words.

    A page that ends with ``# EOF`` is OpenMetrics, and is judged as the page of text
    0.0.4 that says the same.

    Args:
        body: the page, unpacked.

    Raises:
        BadPageError: it is no such page.
    """
    openmetrics = ENDS_OPENMETRICS.search(body) is not None
    page = read_page(body, openmetrics=openmetrics, sample_limit=MOST_SAMPLES)
    if openmetrics:
        body = generate_latest(Families(page.families), ALLOWUTF8)
    return sorted(
        Finding(family.name, text)
        for family in families_in(body.decode())
        if family.sampled
        for text in problems_of(family)
    )


def lint_points(points: Iterable[MetricPoint]) -> list[Finding]:
    """What promtool would say of the page of these points, and what cannot be on it.

    Names are judged, and neither values nor how many points there are of a series;
    labels of the scope are not.
    """
    chosen = one_for_each_name(points)
    page = exposition(chosen, scope_labels=True)
    origins: dict[str, str] = {}
    findings = []
    for index, point in enumerate(chosen):
        if index in page.left_out:
            said = page.left_out[index].removeprefix(f"{point.name!r} ")
            findings.append(Finding(str(point.name), said))
        else:
            family = family_of(point)
            suffix = "_total" if family.type == "counter" else ""
            origins.setdefault(family.name + suffix, point.name)
    for found in lint_page(page.body):
        origin = origins.get(found.metric, "")
        other = origin if origin != found.metric else ""
        findings.append(Finding(found.metric, found.text, other))
    return sorted(dict.fromkeys(findings))


def one_for_each_name(points: Iterable[MetricPoint]) -> list[MetricPoint]:
    """The first point of each metric and set of labels, each of a scope of its own.

    So that two of them are never the same series.
    """
    firsts: dict[object, MetricPoint] = {}
    for point in points:
        if point.value is not None and not point.flags & NO_RECORDED_VALUE:
            labels = frozenset(point.attributes)
            named = point.name, point.unit, point.kind, point.is_monotonic
            firsts.setdefault((*named, labels), point)
    return [
        structs.replace(point, scope=Scope(str(number)))
        for number, point in enumerate(firsts.values())
    ]


class Families(Collector):
    """Families that were read, to be written again."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families, as they were read."""
        return self._families


def families_in(text: str) -> Iterable[LintedFamily]:
    """The metrics of a page that has been found to be one, as promtool groups them."""
    found: dict[str, LintedFamily] = {}
    for line in text.split("\n"):
        comment = COMMENT.match(line)
        if comment is not None:
            word, name, rest = comment.groups()
            family = found.setdefault(name, LintedFamily(name))
            if word == "TYPE":
                family.type = rest.strip()
            else:
                family.help = rest
        elif (sample := SAMPLE.match(line)) is not None:
            family = family_of_sample(sample[1], found)
            family.sampled = True
            if sample[2]:
                family.labels.update(LABEL.findall(line, sample.end()))
    return found.values()


def family_of_sample(name: str, found: dict[str, LintedFamily]) -> LintedFamily:
    """The family of that name, or the one whose parts are called so, or a new one."""
    if name not in found:
        for suffix, types in PARTS.items():
            whole = found.get(name.removesuffix(suffix))
            if whole is not None and whole.type in types:
                return whole
    return found.setdefault(name, LintedFamily(name))


PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "_count": ("summary", "histogram"),
    "_sum": ("summary", "histogram"),
    "_bucket": ("histogram",),
}


def problems_of(family: LintedFamily) -> set[str]:
    """All that is wrong with one metric."""
    return {text for rule in RULES for text in rule(family)}


def of_the_help(family: LintedFamily) -> Iterator[str]:
    """A help text is there."""
    if not family.help:
        yield "no help text"


def of_the_unit(family: LintedFamily) -> Iterator[str]:
    """The unit that the name says is a base unit.

    Of several the first is looked at; promtool, as old as Debian's, takes any of them.
    """
    unit = next((word for word in family.name.split("_") if word in UNITS), None)
    if unit is not None and UNITS[unit] != unit:
        yield f'use base unit "{UNITS[unit]}" instead of "{unit}"'


def of_the_total(family: LintedFamily) -> Iterator[str]:
    """Counters end with ``_total``, and nothing else does."""
    ends = family.name.endswith("_total")
    if family.type == "counter" and not ends:
        yield 'counter metrics should have "_total" suffix'
    if family.type not in ("counter", "untyped") and ends:
        yield 'non-counter metrics should not have "_total" suffix'


def of_what_is_reserved(family: LintedFamily) -> Iterator[str]:
    """What histograms and summaries are made of is theirs alone."""
    if family.type == "untyped":
        return
    if family.type != "histogram":
        if family.name.endswith("_bucket"):
            yield 'non-histogram metrics should not have "_bucket" suffix'
        if "le" in family.labels:
            yield 'non-histogram metrics should not have "le" label'
    if family.type not in ("histogram", "summary"):
        for suffix in ("_count", "_sum"):
            if family.name.endswith(suffix):
                whose = "non-histogram and non-summary metrics"
                yield f'{whose} should not have "{suffix}" suffix'
    if family.type != "summary" and "quantile" in family.labels:
        yield 'non-summary metrics should not have "quantile" label'


def of_the_words(family: LintedFamily) -> Iterator[str]:
    """No word of the name is a type or an abbreviated unit."""
    name = family.name.lower() + "_"
    for kind in TYPES:
        if f"_{kind}_" in name:
            yield f"metric name should not include type '{kind}'"
    if any(f"_{unit}_" in name for unit in ABBREVIATIONS):
        yield "metric names should not contain abbreviated units"


def of_the_letters(family: LintedFamily) -> Iterator[str]:
    """Names are in snake case, and colons are for the rules of a Prometheus."""
    if ":" in family.name:
        yield "metric names should not contain ':'"
    case = "should be written in 'snake_case' not 'camelCase'"
    if CAMEL_CASE.search(family.name):
        yield f"metric names {case}"
    if any(map(CAMEL_CASE.search, family.labels)):
        yield f"label names {case}"


RULES: Final[tuple[Callable[[LintedFamily], Iterator[str]], ...]] = (
    of_the_help,
    of_the_unit,
    of_the_total,
    of_what_is_reserved,
    of_the_words,
    of_the_letters,
)
