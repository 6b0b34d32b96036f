"""OpenTelemetry's names become Prometheus's: metric names, units and labels.

Law: total and pure; whatever comes in, a name that leaves is one that every version of
Prometheus takes. Source: OpenTelemetry specification, pages
``compatibility/prometheus_and_openmetrics`` and ``metrics/sdk_exporters/prometheus``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

WORDS = re.compile(r"[A-Za-z0-9:]+")
NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9]+")
IN_BRACES = re.compile(r"\{[^}]*\}")

UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tebibytes",
    "kBy": "kilobytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "1": "",
}
RATES = {
    "s": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
# Conventions' names that promtool objects to: gauges that end like a histogram's count.
# Other names stay what their owners chose, since dashboards are made for these.
RENAMED = {
    "asyncio.task.count": "asyncio.tasks",
    "process.thread.count": "process.threads",
    "process.unix.file_descriptor.count": "process.unix.file_descriptors",
    "system.cpu.logical.count": "system.cpus.logical",
}


def metric_name(name: str, unit: str, *, counter: bool = False) -> tuple[str, str]:
    """The family's name and unit; both empty when no character of the name can stay.

    The unit's words are appended unless they are there already. Unit ``1`` adds
    nothing, on a gauge too: a ratio is known by its own name. Four of our own metrics
    get another name (``RENAMED``), so that promtool finds nothing.

    Args:
        name: as OpenTelemetry has it, such as ``"http.server.duration"``.
        unit: UCUM, such as ``"By/s"``.
        counter: take ``total`` out of the name, since the samples append it.
    """
    words = WORDS.findall(RENAMED.get(name, name).replace("_", " "))
    if counter:
        words = [word for word in words if word != "total"] or words
    if not words:
        return "", ""
    unit_words = words_of_unit(unit)
    words += missing_words(words, unit_words)
    joined = "_".join(words)
    suffix = "_".join(unit_words)
    if joined[0].isdigit():
        joined = "_" + joined
    return joined, suffix if suffix and joined.endswith("_" + suffix) else ""


def words_of_unit(unit: str) -> list[str]:
    """``"By/s"`` is ``["bytes", "per", "second"]``; braces and what they hold go."""
    measure, _, rate = IN_BRACES.sub("", unit).partition("/")
    words = plain_words(UNITS.get(measure.strip(), measure))
    rate_words = plain_words(RATES.get(rate.strip(), rate))
    return [*words, "per", *rate_words] if rate_words else words


def plain_words(text: str) -> list[str]:
    """The parts of a unit without a name of its own that may stay."""
    return [word for word in NOT_IN_LABELS.split(text) if word]


def missing_words(words: list[str], unit_words: list[str]) -> list[str]:
    """What of the unit the name does not say yet."""
    measure, rate = unit_words, []
    if "per" in unit_words:
        at = unit_words.index("per")
        measure, rate = unit_words[:at], unit_words[at + 1 :]
    added = [] if set(measure) <= set(words) else measure
    if rate and not set(rate) <= set(words):
        added = [*added, "per", *rate]
    return added


def label_name(key: str, taken: Collection[str] = ()) -> str:
    """The label for an attribute's key.

    Characters that a label cannot have become ``_``, and runs of it become one, so
    that the names which Prometheus reserves (``__name__``) never come out.

    Args:
        key: the attribute's key.
        taken: labels that somebody else sets; these get ``exported_`` in front, as
            often as it takes, as Prometheus itself does with labels that it sets.
    """
    name = NOT_IN_LABELS.sub("_", key) or "_"
    if name[0].isdigit():
        name = "key_" + name
    while name in taken:
        name = "exported_" + name
    return name


def labels_of(
    attributes: Mapping[str, Any], taken: Collection[str] = ()
) -> dict[str, str]:
    """The labels for attributes; values of keys that become one label join by ``;``.

    A value without text is left out: Prometheus takes it for an absent label.
    """
    labels: dict[str, str] = {}
    for key in sorted(attributes, key=str):
        text = label_value(attributes[key])
        if text:
            name = label_name(str(key), taken)
            labels[name] = f"{labels[name]};{text}" if name in labels else text
    return labels


def job_and_instance(resource: Mapping[str, Any]) -> dict[str, str]:
    """The labels that tell one resource's series from another's, as far as it says.

    ``job`` is the service's name behind its namespace, ``instance`` its instance id.
    """
    name = label_value(resource.get("service.name"))
    namespace = label_value(resource.get("service.namespace"))
    instance = label_value(resource.get("service.instance.id"))
    job = f"{namespace}/{name}" if namespace and name else name
    return {
        label: text for label, text in (("job", job), ("instance", instance)) if text
    }


def label_value(value: Any) -> str:
    """The text of an attribute's value: itself, or JSON for all that is no text."""
    if isinstance(value, str):
        return value if type(value) is str and value.isascii() else encodable(value)
    if value is None:
        return ""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode().strip('"')
    except (TypeError, ValueError, RecursionError):
        return encodable(repr(value))


def encodable(text: str) -> str:
    """The text without what UTF-8 cannot say (lone surrogates), so that a page can."""
    return str.encode(text, "utf-8", "replace").decode()
