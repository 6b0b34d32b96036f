"""What a route of a file selects by, without a line of Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from ..chains import stage_name
from ..errors import ConfigurationError, nearest
from .references import load_object

Select = Callable[[Any], str]

OWNERS: Final = ("attributes", "resource", "labels", "annotations")
FORMS: Final = (
    "'kind', "
    + ", ".join(f"'{owner}.KEY'" for owner in OWNERS)
    + " or 'module:function'"
)


def kind_of_event(event: Any) -> str:
    """``"span"``, ``"log_record"``, ``"metric_point"``: the class's name in snake case.

    So a class of the user's own has a name too.
    """
    return stage_name(event)


@frozen
class Entry:
    """The text of an entry of an event, or ``""`` where it has none.

    Args:
        owner: where it stands: ``"attributes"``, ``"labels"``, ``"annotations"``, or
            ``"resource"`` for the attributes of the event's resource.
        key: the entry's.
    """

    owner: str
    key: str

    def __call__(self, event: Any) -> str:
        """The value as a text; flags as TOML writes them."""
        entries = getattr(event, self.owner, None)
        if self.owner == "resource":
            entries = getattr(entries, "attributes", None)
        value = (entries or {}).get(self.key, "")
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
    if owner in OWNERS and key:
        return Entry(owner, key)
    if text == "kind":
        return kind_of_event
    hint = nearest(owner, ("kind", *OWNERS))
    raise ConfigurationError(f"is {text!r}; expected {FORMS}{hint}")
