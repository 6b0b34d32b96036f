"""What a route of a file selects by, without a line of Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from ..chains import stage_name
from ..errors import ConfigurationError, nearest
from .references import load_object

Select = Callable[[Any], str]

FORMS: Final = "'kind', 'attributes.KEY', 'resource.KEY' or 'module:function'"


def kind_of_event(event: Any) -> str:
    """``"span"``, ``"log_record"``, ``"metric_point"``: the class's name in snake case.

    So a class of the user's own has a name too.
    """
    return stage_name(event)


@frozen
class Attribute:
    """The text of an event's attribute, or ``""`` where it has none.

    Args:
        key: the attribute's.
        of_resource: whether it is one of the event's resource.
    """

    key: str
    of_resource: bool = False

    def __call__(self, event: Any) -> str:
        """The value as a text; flags as TOML writes them."""
        owner = getattr(event, "resource", None) if self.of_resource else event
        attributes: Mapping[str, Any] = getattr(owner, "attributes", None) or {}
        value = attributes.get(self.key, "")
        return str(value).lower() if isinstance(value, bool) else str(value)


def selector(text: str) -> Select:
    """The function that a route's ``select`` names.

    Raises:
        ConfigurationError: it names none.
    """
    if ":" in text:
        function = load_object(text)
        if not callable(function):
            raise ConfigurationError(f"is {text!r}, which is no function")
        return function  # type: ignore[no-any-return]
    owner, _, key = text.partition(".")
    if owner in ("attributes", "resource") and key:
        return Attribute(key, of_resource=owner == "resource")
    if text == "kind":
        return kind_of_event
    hint = nearest(owner, ("kind", "attributes", "resource"))
    raise ConfigurationError(f"is {text!r}; expected {FORMS}{hint}")
