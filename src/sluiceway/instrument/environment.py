"""What the ``OTEL_*`` variables say, and what is said of those that say nothing.

Law: an empty variable counts as unset; a bad value is named, with the nearest right
word, and ignored: nothing raises. Source: OpenTelemetry specification,
``configuration/common.md`` and ``configuration/sdk-environment-variables.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from logging import getLogger

from ..errors import nearest

MOST_DIGITS = 300  # what a float can hold, and Python is willing to read


def text_of_variable(name: str) -> str:
    """The variable's text without the space round it; empty where it is not set."""
    return os.environ.get(name, "").strip()


def flag(name: str) -> bool:
    """Whether the variable is ``true`` in any case; other words than false warn."""
    text = text_of_variable(name)
    word = text.lower()
    if word not in {"", "true", "false"}:
        complain(name, text, "'true' or 'false'", "false", known=("true", "false"))
    return word == "true"


def count(name: str) -> int | None:
    """The variable as a whole number that is not negative; None where it is none."""
    text = text_of_variable(name)
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        complain(name, text, "a whole number that is not negative", "the default")
    return number


def whole_number(text: str) -> int | None:
    """The number that ASCII digits tell; None where they are none, or too many."""
    plain = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if plain else None


def warn_of_configuration_file() -> None:
    """Say that a declarative configuration, which would win over all, is not read."""
    text = text_of_variable("OTEL_CONFIG_FILE")
    if text:
        getLogger(__name__).warning(
            "OTEL_CONFIG_FILE is %r and is not read; the other OTEL_* variables are",
            text,
        )


def complain(
    name: str, text: str, expected: str, used: str, known: Iterable[str] = ()
) -> None:
    """Warn of a value that means nothing.

    Args:
        name: of the variable.
        text: what it holds.
        expected: what it may hold.
        used: what is done instead.
        known: the words among which the nearest one is looked for.
    """
    hint = nearest(text.lower(), known)
    getLogger(__name__).warning(
        "%s is %r; expected %s; using %s%s", name, text, expected, used, hint
    )
