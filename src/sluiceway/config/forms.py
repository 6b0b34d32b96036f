"""What a setting may be in a file: one description that reads, explains and schemas.

Law: a form is made of a type hint once (``hints.py``); what ``read`` refuses,
``schema`` refuses too, as far as JSON Schema can say it.
"""

from __future__ import annotations

import math
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import evolve, frozen

from ..errors import ConfigurationError, nearest
from ..settings import Bounds
from .problems import Filled, Path, Problems, shown

Schema = dict[str, Any]

WRONG: Final = object()  # what ``read`` gives where it has found a problem
VARIABLE: Final = r"\$\{"  # in a text that stands for something else
REFERENCE: Final = r"^[\w.]+:[\w.]+$"


class Form(ABC):
    """One way in which a value may be written.

    Attributes:
        words: how an error calls it, such as ``"a whole number"``.
    """

    words: str

    @abstractmethod
    def takes(self, value: Any) -> bool:
        """Whether the value is of this form, whatever is inside."""

    def fit(self, value: Any) -> int:  # noqa: ARG002 - for tables
        """How well a value fits that is of this form, where others take it too."""
        return 0

    @abstractmethod
    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """What the value means, or ``WRONG`` and a problem."""

    @abstractmethod
    def schema(self) -> Schema:
        """The same as JSON Schema."""


@frozen
class Simple(Form):
    """A value that is what it says: a flag, a number, a text.

    Args:
        words: how an error calls it.
        kinds: the Python types of it.
        word: JSON Schema's name.
        convert: makes the setting of the value.
        bounds: of a number, for the schema; what makes the setting checks them.
    """

    words: str
    kinds: tuple[type, ...]
    word: str
    convert: Callable[[Any], Any]
    bounds: Bounds | None = None

    def takes(self, value: Any) -> bool:
        """Whether the value, or what variables have made of it, is of the kinds."""
        return type(self._meant(value)) in self.kinds

    def _meant(self, value: Any) -> Any:
        if not isinstance(value, Filled):
            return value
        return str(value) if str in self.kinds else scalar(str(value))

    def read(self, value: Any, at: Path, problems: Problems) -> Any:  # noqa: ARG002 - the interface's
        """The value, as the setting's type."""
        return self.convert(self._meant(value))

    def schema(self) -> Schema:
        """The type, or a text with a variable."""
        if self.word == "string":
            return {"type": "string"}
        variable = {"type": "string", "pattern": VARIABLE}
        return {"anyOf": [{"type": self.word, **limits(self.bounds)}, variable]}


def limits(bounds: Bounds | None) -> Schema:
    """Bounds as JSON Schema has them."""
    told: Schema = {}
    if bounds is not None and bounds.low > -math.inf:
        told["exclusiveMinimum" if bounds.above else "minimum"] = bounds.low
    if bounds is not None and bounds.high < math.inf:
        told["maximum"] = bounds.high
    return told


FLAG: Final = Simple("true or false", (bool,), "boolean", bool)
WHOLE: Final = Simple("a whole number", (int,), "integer", int)
NUMBER: Final = Simple("a number", (int, float), "number", lambda value: value)
TEXT: Final = Simple("a text", (str, Filled), "string", str)
MOMENT: Final = Simple("a date and time", (datetime,), "string", lambda value: value)


@frozen
class Off(Form):
    """``false``, where Python has ``None``: TOML has no word for nothing."""

    words: str = "false"

    def takes(self, value: Any) -> bool:
        """Whether it is ``false``."""
        return value is False or (
            isinstance(value, Filled) and scalar(str(value)) is False
        )

    def read(self, value: Any, at: Path, problems: Problems) -> Any:  # noqa: ARG002 - the interface's
        """Nothing."""
        return None

    def schema(self) -> Schema:
        """The constant."""
        return {"const": False}


@frozen
class Word(Form):
    """One of some words.

    Args:
        choices: the words, with what each stands for.
    """

    choices: Mapping[str, Any]

    @property
    def words(self) -> str:  # type: ignore[override]
        """All of them."""
        return f"one of {', '.join(map(repr, self.choices))}"

    def takes(self, value: Any) -> bool:
        """Whether it is one of the words."""
        return isinstance(value, str) and value in self.choices

    def read(self, value: Any, at: Path, problems: Problems) -> Any:  # noqa: ARG002 - the interface's
        """What the word stands for."""
        return self.choices[value]

    def schema(self) -> Schema:
        """The words, or a text with a variable."""
        variable = {"type": "string", "pattern": VARIABLE}
        return {"anyOf": [{"enum": list(self.choices)}, variable]}


@frozen
class Members(Form):
    """A list.

    Args:
        member: the form of each member.
        make: makes the setting of the members.
        count: how many there must be; None for any number.
    """

    member: Form
    make: Callable[[list[Any]], Any] = list
    count: int | None = None

    @property
    def words(self) -> str:  # type: ignore[override]
        """A list, and of how many."""
        return "a list" if self.count is None else f"a list of {self.count}"

    def takes(self, value: Any) -> bool:
        """Whether it is a list of the right length."""
        return isinstance(value, list) and self.count in (None, len(value))

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """The members, each read."""
        read = [
            read_value(self.member, member, (*at, number), problems)
            for number, member in enumerate(value)
        ]
        return WRONG if WRONG in read else self.make(read)

    def schema(self) -> Schema:
        """An array."""
        bounds = {} if self.count is None else dict.fromkeys(BOUNDS, self.count)
        return {"type": "array", "items": self.member.schema(), **bounds}


BOUNDS: Final = ("minItems", "maxItems")


@frozen
class Pairs(Form):
    """A table with keys of the user's own.

    Args:
        value: the form of each value.
    """

    value: Form
    words: str = "a table"

    def takes(self, value: Any) -> bool:
        """Whether it is a table."""
        return isinstance(value, dict)

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """The values, each read."""
        read = {
            key: read_value(self.value, member, (*at, key), problems)
            for key, member in value.items()
        }
        return WRONG if WRONG in read.values() else read

    def schema(self) -> Schema:
        """An object whose values are alike."""
        return {"type": "object", "additionalProperties": self.value.schema()}


@frozen
class Reference(Form):
    """The name of a Python object of the user's: ``module:name``.

    Args:
        load: gives the object.
        wanted: what the object should be, for an error.
    """

    load: Callable[[str], Any]
    wanted: str = "an object"

    @property
    def words(self) -> str:  # type: ignore[override]
        """What it should be, and how to name it."""
        return f"{self.wanted}, as 'module:name'"

    def takes(self, value: Any) -> bool:
        """Whether it looks like one."""
        return isinstance(value, str) and ":" in value

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """The object."""
        try:
            return self.load(str(value))
        except ConfigurationError as error:
            problems.add(at, str(error))
            return WRONG

    def schema(self) -> Schema:
        """A text of that shape, or with a variable."""
        return {"type": "string", "pattern": f"{REFERENCE}|{VARIABLE}"}


@frozen
class Anything(Form):
    """Any value that TOML has."""

    words: str = "a value"

    def takes(self, value: Any) -> bool:  # noqa: ARG002 - the interface's
        """Always."""
        return True

    def read(self, value: Any, at: Path, problems: Problems) -> Any:  # noqa: ARG002 - the interface's
        """The value, with its texts as plain texts."""
        return plain(value)

    def schema(self) -> Schema:
        """No constraint."""
        return {}


@frozen
class Choice(Form):
    """Of several forms the one that fits the value best, or the first of them."""

    forms: Sequence[Form]

    @property
    def words(self) -> str:  # type: ignore[override]
        """All of them."""
        return " or ".join(form.words for form in self.forms)

    def takes(self, value: Any) -> bool:
        """Whether one of them does."""
        return any(form.takes(value) for form in self.forms)

    def read(self, value: Any, at: Path, problems: Problems) -> Any:
        """As the form that fits it best; the first of those that fit alike."""
        taking = [form for form in self.forms if form.takes(value)]
        best = max(taking, key=lambda form: form.fit(value))
        return best.read(value, at, problems)

    def schema(self) -> Schema:
        """Any of them."""
        return {"anyOf": [form.schema() for form in self.forms]}


def bounded(form: Form, bounds: Bounds | None) -> Form:
    """The form with bounds for its numbers."""
    if isinstance(form, Choice):
        return Choice([bounded(each, bounds) for each in form.forms])
    if isinstance(form, Simple) and form.word in ("integer", "number"):
        return evolve(form, bounds=bounds or form.bounds)
    return form


def read_value(form: Form, value: Any, at: Path, problems: Problems) -> Any:
    """What the value means, or ``WRONG`` and a problem."""
    if form.takes(value):
        return form.read(value, at, problems)
    hint = nearest(value, words_of(form)) if isinstance(value, str) else ""
    problems.add(at, f"is {shown(value, at)}; expected {form.words}{hint}")
    return WRONG


def words_of(form: Form) -> list[str]:
    """The words that a form takes."""
    if isinstance(form, Choice):
        return [word for each in form.forms for word in words_of(each)]
    return list(form.choices) if isinstance(form, Word) else []


def scalar(text: str) -> Any:
    """What TOML makes of a text: a number, a flag; the text if it is neither."""
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) else text


def plain(value: Any) -> Any:
    """The value with every text a plain ``str``."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return str(value) if isinstance(value, str) else value
