"""Tables that stand for something with settings, such as a ``Queue`` or a stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from ..errors import ConfigurationError, nearest
from .forms import WRONG, Form, Schema, read_value
from .problems import Path, Problems

OWN_FIELD: Final = re.compile(r"\w+\.(\w+?)_? (?=is |has )")


@frozen
class Setting:
    """One setting of something that is made from a table.

    Attributes:
        form: what it may be.
        required: whether it must be given.
        description: what it means, for people.
        parameter: what Python calls it, where a file can say it better: ``for_``.
    """

    form: Form
    required: bool = False
    description: str = ""
    parameter: str = ""


@define(eq=False)
class Record(Form):
    """A table whose keys are the settings of something, such as ``Queue``.

    Args:
        title: its name, as in Python.
        settings: its settings by name.
        make: makes it of settings.
        description: what it is, for people.
    """

    title: str
    settings: Mapping[str, Setting]
    make: Callable[..., Any]
    description: str = ""
    words: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.words = f"a table of {self.title}'s settings"

    def takes(self, value: Any) -> bool:
        """Whether it is a table."""
        return isinstance(value, dict)

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """What is made of the settings."""
        before = len(problems)
        settings = self.read_settings(value, at, problems)
        if len(problems) > before:
            self._tell_each(settings, at, problems)
            return WRONG
        try:
            return self._made(settings)
        except Exception as error:  # noqa: BLE001 - a constructor of somebody else's
            key = own_key(error, settings)
            self._tell(error, key, at, problems)
            if key is not None:
                others = {name: settings[name] for name in settings if name != key}
                self._tell_each(others, at, problems)
            return WRONG

    def read_settings(
        self, value: Mapping[str, Any], at: Path, problems: Problems
    ) -> dict[str, Any]:
        """The settings that can be read; all others are problems."""
        read = {}
        for key, member in value.items():
            setting = self.settings.get(key)
            if setting is None:
                problems.add((*at, key), unknown(key, self.title, self.settings))
                continue
            found = read_value(setting.form, member, (*at, key), problems)
            if found is not WRONG:
                read[key] = found
        for key, setting in self.settings.items():
            if setting.required and key not in value:
                problems.add(at, f"{self.title} needs {key}: {setting.form.words}")
        return read

    def _made(self, settings: Mapping[str, Any]) -> Any:
        names = {key: self.settings[key].parameter or key for key in settings}
        return self.make(**{names[key]: value for key, value in settings.items()})

    def _tell_each(
        self, settings: dict[str, Any], at: Path, problems: Problems
    ) -> None:
        """Try without what was refused, so that the first refusal hides no other."""
        needed = {key for key, setting in self.settings.items() if setting.required}
        left = dict(settings)
        while needed <= left.keys():
            try:
                self._made(left)
            except Exception as error:  # noqa: BLE001 - the same
                key = own_key(error, left)
                if key is None:
                    return
                self._tell(error, key, at, problems)
                del left[key]
            else:
                return

    def _tell(
        self, error: Exception, key: str | None, at: Path, problems: Problems
    ) -> None:
        """A refusal, at the key that it speaks of."""
        words = str(error)
        if not isinstance(error, ConfigurationError):
            kind = type(error).__name__
            problems.add(at, f"{self.title} cannot be made ({kind}: {error})")
        elif key is not None:
            problems.add((*at, key), OWN_FIELD.sub("", words, count=1))
        else:
            problems.add(at, words)

    def schema(self) -> Schema:
        """An object of these keys."""
        properties = {}
        for key, setting in self.settings.items():
            properties[key] = {**setting.form.schema()}
            if setting.description:
                properties[key]["description"] = setting.description
        required = [key for key, setting in self.settings.items() if setting.required]
        return {
            "type": "object",
            "description": self.description,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def own_key(error: Exception, given: Mapping[str, Any]) -> str | None:
    """The setting that a refusal speaks of, if it is one of those given."""
    match = OWN_FIELD.match(str(error))
    return match[1] if match is not None and match[1] in given else None


def unknown(key: str, title: str, known: Mapping[str, Any]) -> str:
    """Why a key is refused."""
    names = sorted(known)
    listed = ", ".join(names) or "none"
    return f"is no setting of {title}{nearest(key, names) or f'; it has {listed}'}"
