"""Which form of a page a client asks for. Source: RFC 9110, section 12.5."""

from __future__ import annotations

from attrs import frozen

OPENMETRICS = "application/openmetrics-text"
TEXT_TYPES = frozenset({"text/plain", "text/*", "*/*"})


@frozen
class Choice:
    """One element of a header such as ``Accept``: word, weight, parameters."""

    word: str
    weight: float
    parameters: dict[str, str]


def choices(header: str | None) -> list[Choice]:
    """The elements, the preferred ones first; a weight that is no number is 0."""
    parts = (part for part in (header or "").split(",") if part.strip())
    return sorted(map(choice, parts), key=lambda found: -found.weight)


def choice(element: str) -> Choice:
    """One element of the header."""
    word, *rest = (part.strip().lower() for part in element.split(";"))
    pairs = (part.partition("=") for part in rest)
    parameters = {name.strip(): text.strip().strip('"') for name, _, text in pairs}
    try:
        weight = float(parameters.pop("q", "1"))
    except ValueError:
        weight = 0.0
    return Choice(word, weight if 0 <= weight <= 1 else 0.0, parameters)


def wants_openmetrics(accept: str | None) -> bool:
    """Whether OpenMetrics 1.0 is preferred to text 0.0.4, which is the default."""
    for found in choices(accept):
        version = found.parameters.get("version")
        if found.weight == 0:
            return False
        if found.word == OPENMETRICS and version in (None, "1.0.0"):
            return True
        if found.word in TEXT_TYPES and version in (None, "0.0.4"):
            return False
    return False


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether the client takes gzip, by name or by ``*``."""
    weights = {found.word: found.weight for found in choices(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0
