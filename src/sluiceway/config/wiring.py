"""The chains of a file: ``"otlp >> hide >> [collector, best_effort(console)]"``.

Law: the same signs as in Python mean the same here. Reading a chain makes no stage; a
chain is read into parts with the names of stages, which are then looked up.

Grammar::

    chain  = part (">>" part)*
    part   = name | "[" chain ("," chain)* "]"
           | "merge" "(" chain ("," chain)* ")" | "best_effort" "(" chain ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..chains import best_effort, merge

TOKEN: Final = re.compile(r"\s*(?:(?P<sign>>>|[\[\](),])|(?P<name>[A-Za-z_][\w-]*))")
NAME: Final = re.compile(r"[A-Za-z_][\w-]*")
WORDS: Final = frozenset({"merge", "best_effort"})
DEEPEST: Final = 50  # lists in lists; nobody could read more

Find = Callable[[str], Any]


class ChainSyntaxError(ValueError):
    """A text that is no chain; the message says where it stops being one."""


def read_chain(text: str, find: Find) -> Any:
    """The chain that a text describes.

    Args:
        text: such as ``"otlp >> hide >> [collector, console]"``.
        find: gives the stage or route of a name.

    Raises:
        ChainSyntaxError: the text is no chain.
    """
    return ChainReader(text, find).read()


class ChainReader:
    """Reads one chain, sign by sign."""

    def __init__(self, text: str, find: Find) -> None:
        self._text = text
        self._find = find
        self._at = 0
        self._sign = ""
        self._name = ""
        self._advance()

    def read(self) -> Any:
        """The whole text as one chain."""
        chain = self._chain(0)
        if self._sign or self._name:
            raise self._unexpected("'>>' or the end")
        return chain

    def _advance(self) -> None:
        """Go to the next sign or name; neither at the end."""
        match = TOKEN.match(self._text, self._at)
        self._begin = self._at
        if match is None:
            self._sign = self._name = ""
            if self._text[self._at :].strip():
                raise self._unexpected(
                    "a stage's name, '>>', '[', ']', '(', ')' or ','"
                )
            return
        self._begin = match.start(match.lastgroup or 0)
        self._at = match.end()
        self._sign, self._name = match["sign"] or "", match["name"] or ""

    def _unexpected(self, expected: str) -> ChainSyntaxError:
        rest = self._text[self._begin :].lstrip()
        begin = len(self._text) - len(rest)
        rest = rest.rstrip()
        found = f"{rest[:20]!r}" if rest else "the end"
        return ChainSyntaxError(
            f"{self._text!r} has {found} at character {begin + 1}; expected {expected}"
        )

    def _chain(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise ChainSyntaxError(f"a chain has brackets more than {DEEPEST} deep")
        parts = [self._part(depth)]
        while self._sign == ">>":
            self._advance()
            parts.append(self._part(depth))
        return joined(parts)

    def _part(self, depth: int) -> Any:
        if self._sign == "[":
            return self._several("]", depth)
        name = self._name
        if not name:
            raise self._unexpected("a stage's name, '[', 'merge(' or 'best_effort('")
        self._advance()
        if name not in WORDS:
            return self._find(name)
        if self._sign != "(":
            raise self._unexpected(f"'(' after {name}")
        if name == "merge":
            return merge(*self._several(")", depth))
        begin, branches = self._begin, self._several(")", depth)
        if len(branches) > 1:
            raise ChainSyntaxError(
                f"{self._text!r} has best_effort of {len(branches)} branches at "
                f"character {begin + 1}; expected one"
            )
        return best_effort(branches[0])

    def _several(self, end: str, depth: int) -> list[Any]:
        """Chains with commas between them, up to the closing bracket."""
        chains: list[Any] = []
        while not chains or self._sign == ",":
            self._advance()
            if chains and self._sign == end:  # a comma after the last
                break
            chains.append(self._chain(depth + 1))
        if self._sign != end:
            raise self._unexpected(f"',', '>>' or {end!r}")
        self._advance()
        return chains


def joined(parts: Sequence[Any]) -> Any:
    """One part, or a chain of several."""
    first, *others = parts
    if isinstance(first, list) and others:
        raise ChainSyntaxError("a list begins a chain; expected merge(...) for fan-in")
    for part in others:
        first = first >> part
    return first
