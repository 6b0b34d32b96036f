"""Quantities on the command line: ``90s``, ``2m``, ``200MiB``, ``spans=70,logs=30``."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from typing import Final

from ..errors import nearest

NUMBER: Final = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-zA-Z]*)\s*")
SECONDS: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "h": 3600.0}
BYTES: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
COUNTS: Final = {"": 1.0, "k": 1e3, "M": 1e6}


def quantity(
    text: str, units: dict[str, float] | dict[str, int], example: str
) -> float:
    """A number with one of these units.

    Raises:
        ArgumentTypeError: it is none.
    """
    match = NUMBER.fullmatch(text)
    expected = f"{text!r}; expected a quantity such as {example}"
    if match is None:
        raise ArgumentTypeError(expected)
    number, unit = match.groups()
    if unit not in units:
        near = nearest(unit, units) or f"; units are {', '.join(filter(None, units))}"
        raise ArgumentTypeError(f"{text!r} has the unit {unit!r}{near}")
    try:
        found = float(number) * units[unit]
    except ValueError as error:
        raise ArgumentTypeError(expected) from error
    if not math.isfinite(found):
        raise ArgumentTypeError(expected)
    return found


def seconds(text: str) -> float:
    """A time: ``0.25``, ``250ms``, ``90s``, ``2m``."""
    return quantity(text, SECONDS, "0.25, 250ms, 90s or 2m")


def seconds_above_zero(text: str) -> float:
    """A time that is no moment."""
    return above_zero(seconds(text), text)


def size(text: str) -> int:
    """A size: ``200MiB``, ``1GB``, ``65536``."""
    return int(above_zero(quantity(text.lower(), BYTES, "200MiB or 1GB"), text))


def rate(text: str) -> float:
    """Events per second: ``5000``, ``20k``."""
    return above_zero(quantity(text, COUNTS, "5000 or 20k"), text)


def count(text: str) -> int:
    """A number of things: ``1000``, ``1M``."""
    found = above_zero(quantity(text, COUNTS, "1000 or 1M"), text)
    if found != int(found):
        raise ArgumentTypeError(f"{text!r}; expected a whole number")
    return int(found)


def length(text: str) -> int:
    """A number of bytes, or none: ``120``, ``1KiB``, ``0``."""
    return int(quantity(text.lower(), BYTES, "120 or 1KiB"))


def whole(text: str) -> int:
    """A whole number from 0: ``0``, ``8``.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        raise ArgumentTypeError(f"{text!r}; expected a whole number from 0")
    return int(text)


def above_zero(number: float, text: str) -> float:
    """The number, if it is above 0.

    Raises:
        ArgumentTypeError: it is 0.
    """
    if number <= 0:
        raise ArgumentTypeError(f"{text!r}; expected more than 0")
    return number


def bursts(text: str) -> tuple[int, float]:
    """Bursts: ``10000@5`` are 10,000 events every 5 seconds."""
    size_, at, every = text.partition("@")
    if not at:
        raise ArgumentTypeError(
            f"{text!r}; expected EVENTS@SECONDS, such as 10000@5 for 10,000 every 5 s"
        )
    return count(size_), seconds_above_zero(every)


def shares(text: str) -> dict[str, float]:
    """Shares: ``spans=70,logs=30``."""
    found: dict[str, float] = {}
    for part in text.split(","):
        word, equals, share = part.partition("=")
        is_share = equals and re.fullmatch(r"\s*[0-9.]+\s*", share)
        if not is_share or word.strip() in found:
            raise ArgumentTypeError(
                f"{text!r}; expected shares such as spans=70,points=20,logs=10, each "
                "kind once"
            )
        found[word.strip()] = quantity(share, {"": 1.0}, "70")
    return found


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of these words, that tells the nearest one."""

    def read(text: str) -> str:
        return known(text, words)

    return read


def known(text: str, words: Collection[str]) -> str:
    """The word, if it is one of these.

    Raises:
        ArgumentTypeError: it is not; the nearest one is named.
    """
    if text not in words:
        told = nearest(text, words) or f"; expected {' or '.join(words)}"
        raise ArgumentTypeError(f"{text!r} is not known{told}")
    return text
