"""LogLimits: how many attributes one log record may have, and how long they may be.

Law: code wins over the environment, a variable of log records over the general one; the
body is not limited. Source: OpenTelemetry specification, ``logs/sdk.md`` (LogRecord
Limits) and ``common/README.md`` (Attribute Limits).
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..errors import ConfigurationError
from .environment import count
from .limits import DEFAULT, WHOLE, WHOLE_OR_NONE, cut, first, length_limit


@frozen(kw_only=True)
class LogLimits:
    """What a log record may hold; what is beyond is dropped, and counted in the record.

    Args:
        attributes: how many; 128 by default. The first ones stay.
        attribute_length: characters of a text that is a value, or part of one; None,
            the default, is no limit.

    Raises:
        ConfigurationError: a limit that is no whole number from 0.
    """

    attributes: int = field(default=DEFAULT, validator=WHOLE)
    attribute_length: int | None = field(default=None, validator=WHOLE_OR_NONE)

    @classmethod
    def from_environment(cls) -> LogLimits:
        """The limits that the ``OTEL_*_LIMIT`` variables tell."""
        return cls(
            attributes=first(
                count("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"),
                count("OTEL_ATTRIBUTE_COUNT_LIMIT"),
            ),
            attribute_length=length_limit(
                "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"
            ),
        )

    @classmethod
    def of(cls, given: Any) -> LogLimits:
        """What was given, or else what the environment tells.

        Raises:
            ConfigurationError: what was given is something else.
        """
        if given is None:
            return cls.from_environment()
        if isinstance(given, cls):
            return given
        raise ConfigurationError(
            f"Telemetry.log_limits is {given!r}; expected LogLimits(attributes=128, "
            "...)"
        )

    def cut(self, attributes: dict[str, Any]) -> int:
        """Shorten ``attributes`` in place; how many were dropped."""
        return cut(attributes, self.attributes, self.attribute_length)
