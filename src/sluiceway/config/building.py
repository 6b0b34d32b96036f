"""From a file's tables to a pipeline: stages by name, put together by its chains.

Law: everything that can be checked without opening a stage is checked, and all that is
wrong is told at once. Only where nothing is wrong is a pipeline made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from attrs import define, field

from .._engine.checks import check_stage
from ..chains import Composable, Route, route
from ..errors import ConfigurationError, nearest
from ..pipeline import Pipeline
from .forms import WRONG
from .outline import OUTLINE, pipeline_settings
from .problems import Path, Problems, shown
from .records import Record
from .selectors import Select, selector
from .types import StageType, find_type
from .wiring import NAME, WORDS, ChainSyntaxError, read_chain

NAMES: Final = "expected letters, digits, '_' and '-', and a letter first"


@define(eq=False)
class Kit:
    """A stage of the file, and how another one like it is made."""

    type: StageType
    settings: Mapping[str, Any]
    stage: Any
    mentions: int = 0


@define(eq=False)
class Yard:
    """The stages and routes of a file, ready to be put together.

    Attributes:
        kits: the stages by name; None for one with which something is wrong.
        selects: what each route selects by; None likewise.
        routes: the routes' tables.
        problems: takes what is wrong.
    """

    kits: Mapping[str, Kit | None]
    selects: Mapping[str, Select | None]
    routes: Mapping[str, Any]
    problems: Problems
    _mentioned: set[str] = field(factory=set, init=False)
    _inside: list[str] = field(factory=list, init=False)  # of these routes

    def chain(self, text: str, at: Path) -> Any:
        """The chain that a text describes; a part that does not run if it is wrong."""
        try:
            return read_chain(text, partial(self._find, at))
        except (ChainSyntaxError, ConfigurationError) as error:
            self.problems.add(at, str(error))
            return Composable()

    def tell_of_unused(self) -> None:
        """Refuse the stages and routes that no chain mentions."""
        for section, names in (("stages", self.kits), ("routes", self.routes)):
            for name in names:
                if name not in self._mentioned:
                    told = "stands in no chain; add it to one"
                    self.problems.add((section, name), told)

    def _find(self, at: Path, name: str) -> Any:
        self._mentioned.add(name)
        if name in self.kits:
            return self._stage(name, self.kits[name])
        if name in self.routes:
            return self._route(at, name)
        known = [*self.kits, *self.routes]
        listed = f"; expected one of {', '.join(known)}" if known else ""
        self.problems.add(
            at, f"no stage is called {name!r}{nearest(name, known) or listed}"
        )
        return Composable()

    def _stage(self, name: str, kit: Kit | None) -> Any:
        if kit is None:
            return Composable()
        kit.mentions += 1
        if kit.mentions == 1 or not kit.type.plural:
            return kit.stage
        stage = kit.type.record.make(**kit.settings)
        stage.name = f"{name}_{kit.mentions}"
        return stage

    def _route(self, at: Path, name: str) -> Any:
        if name in self._inside:
            way = " >> ".join([*self._inside, name])
            self.problems.add(at, f"the routes lead in a circle: {way}")
            return Composable()
        self._inside.append(name)
        made_route = self._made_route(name)
        self._inside.pop()
        return made_route

    def _made_route(self, name: str) -> Composable | Route:
        table, at = self.routes[name], ("routes", name)
        found = table.get("branches")
        branches = {
            word: self.chain(text, (*at, "branches", word))
            for word, text in (found if isinstance(found, dict) else {}).items()
            if isinstance(text, str)
        }
        default = table.get("default")
        if isinstance(default, str):
            default = self.chain(default, (*at, "default"))
        if found == {}:
            self.problems.add((*at, "branches"), "is empty; expected a branch")
        select = self.selects[name]
        if select is None or not branches:
            return Composable()
        return route(select, branches, default=default)


def build(tables: Mapping[str, Any], problems: Problems) -> Pipeline:
    """The pipeline that a file's tables describe.

    Raises:
        InvalidFileError: they describe none.
    """
    outline = OUTLINE.read_settings(tables, (), problems)
    kits = {
        name: kit_of(table, ("stages", name), problems)
        for name, table in tables_in(tables, "stages")
    }
    routes = dict(tables_in(tables, "routes"))
    selects = {
        name: select_of(table, ("routes", name), problems, kits)
        for name, table in routes.items()
    }
    yard = Yard(kits, selects, routes, problems)
    texts, before = tables.get("chains"), len(problems)
    chains = [
        yard.chain(text, ("chains", number))
        for number, text in enumerate(texts if isinstance(texts, list) else [])
        if isinstance(text, str)
    ]
    are_texts = isinstance(texts, list) and all(isinstance(each, str) for each in texts)
    if are_texts and len(problems) == before:  # else some may not have been read
        yard.tell_of_unused()
    problems.raise_any()
    return assembled(chains, pipeline_settings(outline), problems)


def assembled(
    chains: list[Any], settings: Mapping[str, Any], problems: Problems
) -> Pipeline:
    """The pipeline of some chains.

    Raises:
        InvalidFileError: they do not form one.
    """
    try:
        return Pipeline(*chains, **settings)
    except ConfigurationError as error:
        words = str(error).removeprefix("Pipeline.")
        key = words.partition(" ")[0]
        if words != str(error) and key in settings:
            problems.add((key,), words.removeprefix(f"{key} "))
        else:
            problems.add(("chains",), words)
        problems.raise_any()
        raise


def tables_in(tables: Mapping[str, Any], section: str) -> Iterable[tuple[str, Any]]:
    """The tables of a section by name; what is no table has been refused before."""
    found = tables.get(section)
    if isinstance(found, dict):
        yield from ((name, t) for name, t in found.items() if isinstance(t, dict))


def kit_of(table: Mapping[str, Any], at: Path, problems: Problems) -> Kit | None:
    """The stage that a table describes, or None and what is wrong."""
    check_name(str(at[-1]), at, problems)
    word = table.get("type")
    if not isinstance(word, str):
        told = "has no type" if word is None else f"type is {shown(word, at)}"
        problems.add(at, f"{told}; expected a word such as 'OtlpSink'")
        return None
    try:
        kind = find_type(str(word))
    except ConfigurationError as error:
        problems.add((*at, "type"), str(error))
        return None
    given = {key: value for key, value in table.items() if key != "type"}
    make = partial(checked_kit, kind, str(at[-1]))
    kit = Record(kind.record.title, kind.record.settings, make)
    read = kit.read(given, at, problems)
    return None if read is WRONG else read


def checked_kit(kind: StageType, name: str, **settings: Any) -> Kit:
    """The kit of a stage with a name of the file's, whose settings mean something.

    Raises:
        ConfigurationError: one of them does not.
    """
    stage = kind.record.make(**settings)
    stage.name = name
    check_stage(stage)
    return Kit(kind, settings, stage)


def select_of(
    table: Mapping[str, Any], at: Path, problems: Problems, taken: Mapping[str, Any]
) -> Select | None:
    """What a route selects by, or None and what is wrong with its table."""
    check_name(str(at[-1]), at, problems)
    if at[-1] in taken:
        problems.add(at, "is a stage's name too; expected another one")
    if not isinstance(table.get("select"), str):
        return None  # the outline has told it
    try:
        return selector(str(table["select"]))
    except ConfigurationError as error:
        problems.add((*at, "select"), str(error))
        return None


def check_name(name: str, at: Path, problems: Problems) -> None:
    """Refuse a name that cannot stand in a chain."""
    if NAME.fullmatch(name) is None or name in WORDS:
        problems.add(at, f"{name!r} cannot stand in a chain; {NAMES}")
