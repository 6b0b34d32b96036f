"""Tables that stand for something with settings, such as a ``Queue`` or a stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from ..errors import ConfigurationError, nearest
from .forms import WRONG, Form, Schema, read_value
from .problems import Path, Problems

OWN_FIELD: Final = re.compile(r"\w+\.(\w+?)_?(?:\[[^\]]*\])? (?:is|has|cannot) ")


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

    def fit(self, value: Any) -> int:
        """How many of its keys are settings of this."""
        return len(self.settings.keys() & value.keys())

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """What is made of the settings."""
        before = len(problems)
        settings = self.read_settings(value, at, problems)
        whole = len(problems) == before
        if any(key not in settings for key in self._needed):
            return WRONG
        made = self._made(settings, at, problems, whole=whole)
        return made if len(problems) == before else WRONG

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

    @property
    def _needed(self) -> list[str]:
        return [key for key, setting in self.settings.items() if setting.required]

    def _made(
        self, settings: Mapping[str, Any], at: Path, problems: Problems, *, whole: bool
    ) -> Any:
        """What is made of the settings, or a problem for each that is refused.

        A constructor ends at its first complaint. So a setting that it complains of is
        left out of the next try; what is said then of no setting may be so only because
        another one is missing, and is not told.
        """
        given = dict(settings)
        while True:
            names = {key: self.settings[key].parameter or key for key in given}
            try:
                return self.make(**{names[key]: given[key] for key in given})
            except Exception as error:  # noqa: BLE001 - a constructor of somebody else's
                key = named_by(error, given)
                if key is not None or whole:
                    self._tell(error, key, at, problems)
                if key is None or key in self._needed:
                    return WRONG
                del given[key]
                whole = False

    def _tell(
        self, error: Exception, key: str | None, at: Path, problems: Problems
    ) -> None:
        """A refusal, at the key that it speaks of."""
        if not isinstance(error, ConfigurationError):
            kind = type(error).__name__
            problems.add(at, f"{self.title} cannot be made ({kind}: {error})")
        elif key is None:
            problems.add(at, str(error))
        else:
            words = str(error).partition(f".{key}")[2].removeprefix("_")
            problems.add((*at, key), words.strip())

    def schema(self) -> Schema:
        """An object of these keys."""
        properties = {}
        for key, setting in self.settings.items():
            properties[key] = {**setting.form.schema()}
            if setting.description:
                properties[key]["description"] = setting.description
        return {
            "type": "object",
            "description": self.description,
            "properties": properties,
            "required": self._needed,
            "additionalProperties": False,
        }


def named_by(error: Exception, given: Mapping[str, Any]) -> str | None:
    """The setting that a refusal speaks of, if it is one of those that were given."""
    match = OWN_FIELD.match(str(error))
    if match is None or not isinstance(error, ConfigurationError):
        return None
    return match[1] if match[1] in given else None


def unknown(key: str, title: str, known: Mapping[str, Any]) -> str:
    """Why a key is refused."""
    names = sorted(known)
    listed = ", ".join(names) or "none"
    return f"is no setting of {title}{nearest(key, names) or f'; it has {listed}'}"
