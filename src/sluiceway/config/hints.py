"""From type hints to forms: what a constructor takes is what a file may say."""

from __future__ import annotations

import collections.abc as abstract
import enum
import inspect
import os
import re
import sys
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import attrs
import msgspec

from ..settings import Bounds
from . import forms
from .forms import Form
from .records import Record, Setting
from .references import load_object

SIMPLE: Final[Mapping[Any, Form]] = {
    bool: forms.FLAG,
    int: forms.WHOLE,
    float: forms.NUMBER,
    str: forms.TEXT,
    datetime: forms.MOMENT,
    types.NoneType: forms.Off(),
    os.PathLike: forms.TEXT,
    re.Pattern: forms.TEXT,
    Any: forms.Anything(),
    object: forms.Anything(),
}
WANTED: Final[Mapping[Any, str]] = {
    abstract.Callable: "a function",
    abstract.AsyncIterable: "an iterable",
}
MAPPINGS: Final = (dict, abstract.Mapping, abstract.MutableMapping)
LISTS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    abstract.Sequence: tuple,
    abstract.Collection: tuple,
    abstract.Set: frozenset,
    abstract.Iterable: list,
}


def form_of(hint: Any) -> Form:
    """The form of a type hint; a type that no file can say is named by reference."""
    origin = get_origin(hint) or hint
    if isinstance(hint, TypeVar) or origin is inspect.Parameter.empty:
        return SIMPLE[Any]
    if origin in (Union, types.UnionType):
        return one_of([form_of(member) for member in get_args(hint)])
    if origin is Annotated:
        of, *marks = get_args(hint)
        return forms.bounded(form_of(of), bounds_in(marks))
    if origin is Literal:
        return forms.Word({str(word): word for word in get_args(hint)})
    known = SIMPLE.get(origin) or collection(origin, get_args(hint))
    if known is not None:
        return known
    return form_of_class(origin)


def bounds_in(marks: abstract.Iterable[Any]) -> Bounds | None:
    """The bounds among what a hint, or a validator, says of a number."""
    told = (getattr(mark, "bounds", mark) for mark in marks)
    return next((each for each in told if isinstance(each, Bounds)), None)


def form_of_class(origin: Any) -> Form:
    """The form of a class: words, a table, or a reference to an object."""
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return forms.Word({member.name.lower(): member for member in origin})
    if isinstance(origin, type) and is_record(origin):
        return record_of(origin)
    return forms.Reference(load_object, WANTED.get(origin, "an object"))


def is_record(kind: type) -> bool:
    """Whether a table can stand for an object of this type."""
    return attrs.has(kind) or issubclass(kind, msgspec.Struct)


def one_of(members: list[Form]) -> Form:
    """The forms without those that another one covers; what is most exact first."""
    distinct: list[Form] = []
    for member in members:
        for form in member.forms if isinstance(member, forms.Choice) else [member]:
            if form not in distinct:
                distinct.append(form)
    distinct.sort(key=lambda form: isinstance(form, forms.Anything | forms.Off))
    return distinct[0] if len(distinct) == 1 else forms.Choice(distinct)


def collection(origin: Any, arguments: tuple[Any, ...]) -> Form | None:
    """The form of a table or a list, if it is one."""
    if origin in MAPPINGS:
        return forms.Pairs(form_of(arguments[1]) if arguments else SIMPLE[Any])
    if origin not in LISTS:
        return None
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return forms.Members(form_of(arguments[0]), tuple, len(arguments))
    if not arguments:
        return forms.Members(SIMPLE[Any], LISTS[origin])
    members = forms.Members(form_of(arguments[0]), LISTS[origin])
    if origin is abstract.Iterable:  # a generator, a file: whatever can be iterated
        return forms.Choice([members, forms.Reference(load_object, "an iterable")])
    return members


def record_of(kind: Any, *, title: str = "") -> Record:
    """The form of a class by its constructor's hints and its docstring.

    Args:
        kind: a class, or a function.
        title: its name in errors; its own by default.
    """
    return Record(
        title or kind.__name__, settings_of(kind), partial(kind), summary_of(kind)
    )


def settings_of(kind: Any) -> dict[str, Setting]:
    """The settings that a constructor or function takes by name."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # written in C, and tells nothing
        return {}
    lines = lines_of_all(kind)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        parameter.name.rstrip("_"): Setting(
            form_for(parameter, kind),
            required=parameter.default is inspect.Parameter.empty,
            description=lines.get(parameter.name, ""),
            parameter=parameter.name,
        )
        for parameter in parameters
        if parameter.kind in named and not parameter.name.startswith("_")
    }


def form_for(parameter: inspect.Parameter, kind: Any) -> Form:
    """The form of a parameter; ``false`` is taken where it is news."""
    form = form_of(evaluated(parameter.annotation, kind))
    if isinstance(kind, type) and attrs.has(kind):
        known = attrs.fields_dict(kind).get(parameter.name)
        form = forms.bounded(form, bounds_in([getattr(known, "validator", None)]))
    if parameter.default is None and isinstance(form, forms.Choice):
        return one_of([each for each in form.forms if not isinstance(each, forms.Off)])
    return form


def evaluated(annotation: Any, kind: Any) -> Any:
    """A hint from its text; ``object`` stands for what only a type checker knows."""
    if not isinstance(annotation, str):
        return annotation
    makers = (getattr(kind, "__init__", None), kind, *getattr(kind, "__mro__", ()))
    for maker in makers:
        module = sys.modules.get(getattr(maker, "__module__", None) or "")
        names = {**vars(module)} if module is not None else {}
        names |= getattr(maker, "__globals__", {})
        try:
            return eval(annotation, names)  # noqa: S307 - the class's own source
        except (NameError, AttributeError, TypeError):
            continue
    return Unknown


class Unknown:
    """A type that exists for type checkers only; an object of it has a reference."""


def summary_of(kind: Any) -> str:
    """The first sentence of a docstring."""
    text = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return " ".join(text.split())


def lines_of_all(kind: Any) -> dict[str, str]:
    """What the docstrings of a class and of its bases say of each argument."""
    told: dict[str, str] = {}
    for each in getattr(kind, "__mro__", (kind,)):
        told = argument_lines(each) | told
    return told


def argument_lines(kind: Any) -> dict[str, str]:
    """What a docstring says of each argument, by name."""
    told: dict[str, str] = {}
    section, name = False, ""
    for line in (inspect.getdoc(kind) or "").splitlines():
        if not line.startswith(" "):
            section = line in ("Args:", "Attributes:") or (section and not line)
            continue
        match = re.match(r" {4}(\w+): (.*)", line)
        if section and match:
            name = match[1]
            told.setdefault(name, match[2])
        elif section and name in told:
            told[name] += " " + line.strip()
    return {name: text.replace("``", "`").strip() for name, text in told.items()}
