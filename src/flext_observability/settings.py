"""Settings as they were told, before they are a configuration, and by whom.

Law: pure; nothing is raised. All that is wrong is found, not only the first of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from attrs import Factory, define, fields_dict, frozen

from .exceptions import FlextConfigurationError, RefusedValueError
from .fields import CHECK
from .result import FlextResult

CODE: Final = FlextConfigurationError.error_code
Made = TypeVar("Made")


@frozen
class Setting:
    """The value of one field, as somebody told it.

    Attributes:
        name: what it was told by: the name of the field, or of a variable.
        value: what it means.
        written: what was written, for errors.
        place: such as ``"flext.toml:3: "``; ``""`` for none.
    """

    name: str
    value: Any
    written: Any
    place: str = ""


@define
class Told:
    """What one source told.

    Attributes:
        settings: by the field's name.
        problems: what it told that means nothing; a line each.
    """

    settings: dict[str, Setting] = Factory(dict)
    problems: list[str] = Factory(list)

    def take(self, read: Callable[[], tuple[str, Setting]]) -> None:
        """Keep what is read, or what was refused of it."""
        try:
            field, setting = read()
        except RefusedValueError as error:
            self.problems.append(str(error))
        else:
            self.settings[field] = setting


def of_arguments(make: type[Any], arguments: Mapping[str, Any]) -> Told:
    """What a program says; None says nothing."""
    told = Told()
    known = [*fields_dict(make)]
    for name, value in arguments.items():
        if name not in known:
            told.problems.append(unknown(name, known))
        elif value is not None:
            told.settings[name] = Setting(name, value, value)
    return told


def unknown(name: str, known: Iterable[str], place: str = "") -> str:
    """What is wrong with a name that is none."""
    error = FlextConfigurationError("setting", name, "a setting that there is", known)
    return f"{place}{error}"


def combined(make: type[Made], sources: Sequence[Told]) -> FlextResult[Made]:
    """What several told, the later ones before the earlier ones.

    Args:
        make: the configuration's class.
        sources: from the weakest to the strongest.
    """
    chosen: dict[str, Setting] = {}
    problems: list[str] = []
    for told in sources:
        problems += told.problems
        chosen |= told.settings
        for field, setting in told.settings.items():
            problems += refusals(make, field, setting)
    if not problems:
        return made_of(make, chosen)
    return failed(problems)


def made_of(make: type[Made], chosen: Mapping[str, Setting]) -> FlextResult[Made]:
    """What the settings make, or all that is wrong with them together."""
    problems: list[str] = []
    left = dict(chosen)
    while True:
        try:
            made = make(**{name: left[name].value for name in left})
        except RefusedValueError as error:
            problems.append(worded(make, error, left.pop(error.field)))
        else:
            return failed(problems) if problems else FlextResult.ok(made)


def failed(problems: Sequence[str]) -> FlextResult[Any]:
    """The failure that tells them, a line for each."""
    return FlextResult.fail("\n".join(problems), CODE, {"problems": problems})


def refusals(make: type[Any], field: str, setting: Setting) -> list[str]:
    """What is wrong with a value of a field: a line, or none."""
    attribute = fields_dict(make)[field]
    try:
        attribute.metadata[CHECK](setting.value, attribute)
    except RefusedValueError as error:
        return [worded(make, error, setting)]
    return []


def worded(make: type[Any], error: RefusedValueError, setting: Setting) -> str:
    """An error in the words of whoever told the setting."""
    field, bracket, inner = error.field.partition("[")
    attribute = fields_dict(make).get(field)
    is_hidden = attribute is not None and attribute.repr is False
    value = error.value if bracket else setting.written
    name = f"{setting.name}{bracket}{inner}"
    written = "(hidden)" if is_hidden else value
    told = FlextConfigurationError(name, written, error.expected, error.known)
    return f"{setting.place}{told}"
