"""SetAttributes: the same attributes on every event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ..calls import call_each
from ..errors import ConfigurationError
from ..events import copy_value
from ..stages import Processed, Processor

T = TypeVar("T")


class SetAttributes(Processor[T, T]):
    """Puts attributes on every event that has ``.attributes``; others pass as they are.

    Args:
        attributes: the attributes to put; lists and dicts are copied for each event.
        overwrite: True (default) replaces what an event has under the same key,
            False keeps it.
        name: its name in the graph.

    Raises:
        ConfigurationError: the attributes are no mapping of texts to values.
    """

    stateful = False
    mutates = True

    def __init__(
        self,
        attributes: Mapping[str, Any],
        *,
        overwrite: bool = True,
        name: str | None = None,
    ) -> None:
        if not isinstance(attributes, Mapping):
            raise ConfigurationError(
                f"SetAttributes.attributes is {attributes!r}; expected a mapping"
            )
        for key in attributes:
            if not isinstance(key, str) or not key:
                raise ConfigurationError(
                    f"SetAttributes.attributes has the key {key!r}; expected a text"
                )
        self.name = name
        self._attributes: dict[str, Any] = copy_value(dict(attributes))
        self._overwrite = overwrite
        values = self._attributes.values()
        self._nested = any(isinstance(value, dict | list) for value in values)

    def process(self, events: list[T]) -> list[T]:
        """The same events, with the attributes."""
        changed, failed = call_each(self._change, events)
        return Processed(changed, failed=failed) if failed else changed

    def _change(self, event: T) -> T:
        attributes = getattr(event, "attributes", None)
        if attributes is not None:
            added = copy_value(self._attributes) if self._nested else self._attributes
            if self._overwrite:
                attributes.update(added)
            else:
                for key, value in added.items():
                    attributes.setdefault(key, value)
        return event

    def __repr__(self) -> str:
        return f"<SetAttributes {', '.join(self._attributes)}>"
