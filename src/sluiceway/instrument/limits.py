"""SpanLimits: how much one span may hold.

Law: code wins over the environment, a variable of spans over the general one. Source:
OpenTelemetry specification, ``trace/sdk.md`` (Span Limits), ``common/README.md``
(Attribute Limits) and ``configuration/sdk-environment-variables.md``.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..errors import ConfigurationError
from ..settings import number
from .environment import count

DEFAULT = 128
WHOLE = number(0, whole=True)
WHOLE_OR_NONE = number(0, whole=True, optional=True)


@frozen(kw_only=True)
class SpanLimits:
    """How many attributes, events and links a span may hold; what is beyond is dropped.

    Args:
        attributes: of the span, 128 by default.
        attribute_length: characters of a text that is a value, or part of one; None,
            the default, is no limit.
        events: of the span, 128 by default.
        links: of the span, 128 by default.
        event_attributes: of each event, 128 by default.
        link_attributes: of each link, 128 by default.

    Raises:
        ConfigurationError: a limit that is no whole number from 0.
    """

    attributes: int = field(default=DEFAULT, validator=WHOLE)
    attribute_length: int | None = field(default=None, validator=WHOLE_OR_NONE)
    events: int = field(default=DEFAULT, validator=WHOLE)
    links: int = field(default=DEFAULT, validator=WHOLE)
    event_attributes: int = field(default=DEFAULT, validator=WHOLE)
    link_attributes: int = field(default=DEFAULT, validator=WHOLE)

    @property
    def unseen(self) -> int:
        """So many attributes need no look at these limits; -1 if all do."""
        return self.attributes if self.attribute_length is None else -1

    def cut(self, attributes: dict[str, Any]) -> int:
        """Shorten a span's attributes in place; how many were dropped."""
        return cut(attributes, self.attributes, self.attribute_length)

    @classmethod
    def from_environment(cls) -> SpanLimits:
        """The limits that the ``OTEL_*_LIMIT`` variables tell."""
        general = count("OTEL_ATTRIBUTE_COUNT_LIMIT")
        return cls(
            attributes=first(count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"), general),
            attribute_length=length_limit("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
            events=first(count("OTEL_SPAN_EVENT_COUNT_LIMIT")),
            links=first(count("OTEL_SPAN_LINK_COUNT_LIMIT")),
            event_attributes=first(count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"), general),
            link_attributes=first(count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"), general),
        )


def limits_of(given: SpanLimits | None) -> SpanLimits:
    """What was given, or else what the environment tells.

    Raises:
        ConfigurationError: what was given is something else.
    """
    if given is None:
        return SpanLimits.from_environment()
    if isinstance(given, SpanLimits):
        return given
    raise ConfigurationError(
        f"Telemetry.limits is {given!r}; expected SpanLimits(attributes=128, ...)"
    )


def length_limit(name: str) -> int | None:
    """What the variable says of the length of values, or else the general one."""
    own = count(name)
    return count("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT") if own is None else own


def first(*limits: int | None) -> int:
    """The first limit that is one; 128 where none is."""
    return next((limit for limit in limits if limit is not None), DEFAULT)


def cut(attributes: dict[str, Any], most: int, length: int | None) -> int:
    """Shorten attributes in place; how many were dropped: the latest ones.

    One whose name is empty is dropped too, as no attribute may have such a name.

    Args:
        attributes: plain values.
        most: how many may stay.
        length: characters that a text may have; None for any number.
    """
    given = len(attributes)
    attributes.pop("", None)
    while len(attributes) > most:
        attributes.popitem()
    if length is not None:
        for key, value in attributes.items():
            attributes[key] = shortened(value, length)
    return given - len(attributes)


def shortened(value: Any, length: int) -> Any:
    """The value with every text in it cut to ``length`` characters, or bytes."""
    if isinstance(value, str | bytes):
        return value[:length]
    if isinstance(value, list):
        return [shortened(item, length) for item in value]
    if isinstance(value, dict):
        return {key: shortened(item, length) for key, item in value.items()}
    return value
