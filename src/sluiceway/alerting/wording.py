"""The texts of an alert, filled in: ``"{value:.1%} of {labels[service.name]}"``.

Law: pure. A template that could never be filled in is refused when a rule is made; what
an event lacks later is an empty text, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from string import Formatter
from typing import Any, Final

from ..errors import ConfigurationError, nearest
from .reading import duration_of, text_of, valid

DOTTED: Final = re.compile(r"(labels|event\.(?:resource\.)?attributes)\.(.+)")
FIELDS: Final = ("alert", "value", "threshold", "labels", "event")


class Shown:
    """A value inside a template; what it lacks is shown as nothing."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Shown:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "duration":
            return Shown(duration_of(self._value))
        return Shown(getattr(self._value, name, None))

    def __getitem__(self, key: Any) -> Shown:
        try:
            return Shown(self._value[key])
        except Exception:  # noqa: BLE001 - whatever a value of the user's does
            return Shown(None)

    def __format__(self, form: str) -> str:
        value = self._value
        if isinstance(value, Enum | bytes | bool):
            value = text_of(value)
        if value is None:
            return ""
        try:
            return format(value, form)
        except Exception:  # noqa: BLE001 - a form that fits another type
            return str(value)

    def __str__(self) -> str:
        return format(self, "")

    def __repr__(self) -> str:
        return repr(self._value)


class Filler(Formatter):
    """Fills templates in, and shows nothing of how Python is made."""

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """What a field names.

        Raises:
            ValueError: a name that begins with an underscore.
        """
        if "._" in field_name:
            raise ValueError("names that begin with _ are not shown")
        return super().get_field(field_name, args, kwargs)


def checked_template(setting: str, template: Any) -> str:
    """The template, if it can be filled in.

    Raises:
        ConfigurationError: it is no text, has open braces or an unknown field.
    """
    if not isinstance(template, str):
        raise ConfigurationError(f"{setting} is {template!r}; expected a text")
    try:
        check_keys(setting, template)
        filled(template, dict.fromkeys(FIELDS))
    except ConfigurationError:
        raise
    except KeyError as error:
        (word,) = error.args
        raise ConfigurationError(
            f"{setting} has {{{word}}}; expected one of {', '.join(FIELDS)}"
            f"{nearest(word, FIELDS)}"
        ) from None
    except (ValueError, IndexError, AttributeError) as error:
        raise ConfigurationError(
            f"{setting} is {template!r}, which cannot be filled in: {error}"
        ) from None
    return template


def check_keys(setting: str, template: str) -> None:
    """Refuse a key that stands behind a dot, where nothing would be found.

    Raises:
        ConfigurationError: it does.
        ValueError: the template has open braces.
    """
    for _, field, _, _ in Formatter().parse(template):
        match = DOTTED.fullmatch(field or "")
        if match is not None:
            table, key = match.groups()
            raise ConfigurationError(
                f"{setting} has {{{field}}}; expected {{{table}[{key}]}}"
            )


def checked_templates(setting: str, templates: Any) -> None:
    """Refuse what is no table of templates.

    Raises:
        ConfigurationError: it is none, or one of them cannot be filled in.
    """
    if not isinstance(templates, Mapping):
        raise ConfigurationError(
            f"{setting} is {templates!r}; expected a table of texts"
        )
    for key, text in templates.items():
        if not isinstance(key, str):
            raise ConfigurationError(f"{setting} has {key!r}; expected words")
        checked_template(f"{setting}[{key!r}]", text)


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """The template with what stands in the fields."""
    shown = {name: Shown(value) for name, value in fields.items()}
    return valid(Filler().vformat(template, (), shown))
