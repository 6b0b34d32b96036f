"""``${NAME}``, ``${NAME:-default}`` and ``$$`` in the texts of a file.

Law: variables are filled in after the file was parsed, into texts only; so no value can
add a key or break a line, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from ..errors import nearest
from .problems import SECRET, Filled, Path, Problems

ORIGIN: Final = re.compile(r"\w+://[\w.:\[\]-]+/?")
MARK: Final = re.compile(r"\$(?:\$|\{(?:(?P<name>\w+)(?::-(?P<default>[^}]*))?\})?)")
SHORTEST_SECRET: Final = 4  # characters; a shorter value is a word like any other
FLAGS: Final = frozenset({"true", "false"})


class Variables:
    """Fills variables in, and takes their values out of texts again.

    Args:
        environment: such as ``os.environ``.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._used: dict[str, str] = {}
        self._secret: set[str] = set()

    def redact(self, text: str) -> str:
        """The text with the names of the variables in place of their values."""
        return self._without(self._used, text)

    def hide(self, text: str) -> str:
        """The same for those values that may be secret, and no others."""
        return self._without(self._secret, text)

    def _without(self, values: Collection[str], text: str) -> str:
        for value in sorted(values, key=len, reverse=True):
            named = f"${{{self._used[value]}}}"
            for form in (value, repr(value)[1:-1]):
                text = text.replace(form, named)
        return text

    def fill(self, value: Any, at: Path, problems: Problems) -> Any:
        """The value with variables filled into all of its texts.

        A text in which nothing stood for a variable comes back as it is, another one
        as ``Filled``. A variable that is not set and has no default is a problem.
        """
        if isinstance(value, dict):
            return {k: self.fill(v, (*at, k), problems) for k, v in value.items()}
        if isinstance(value, list):
            members = enumerate(value)
            return [self.fill(member, (*at, n), problems) for n, member in members]
        if not isinstance(value, str) or "$" not in value:
            return value
        return self._fill_text(value, at, problems)

    def _fill_text(self, raw: str, at: Path, problems: Problems) -> str:
        named = False

        def put(match: re.Match[str]) -> str:
            nonlocal named
            name = match["name"]
            if name is not None:
                named = True
                return self._value_of(name, match["default"], at, problems)
            if match.group() == "${":
                problems.add(at, "expected ${NAME} or ${NAME:-default}; $$ is a $")
            return "$"

        text = MARK.sub(put, raw)
        return Filled(text, raw) if named else text

    def _value_of(
        self, name: str, default: str | None, at: Path, problems: Problems
    ) -> str:
        value = self._environment.get(name)
        if default is not None and not value:
            return default
        if value is None:
            hint = nearest(name, self._environment)
            wanted = f"set it or write ${{{name}:-default}}"
            problems.add_last(
                at,
                f"no variable {name} is set; {wanted}{hint}",
            )
            return ""
        if len(value) >= SHORTEST_SECRET and value not in FLAGS:
            self._used[value] = name
            if may_be_secret(name, value, at):
                self._secret.add(value)
        return value


def may_be_secret(name: str, value: str, at: Path) -> bool:
    """Whether a variable's value is to be kept out of logs.

    So is what its own name or its setting's says to be secret, and an address that
    tells more than scheme, host and port: its path or query may be the key.
    """
    if any(SECRET.search(key) for key in (name, *at) if isinstance(key, str)):
        return True
    return "://" in value and ORIGIN.fullmatch(value) is None
