"""Settings: small frozen records that mean the same in Python and in TOML.

Law: a record that exists is valid; every check happens at construction and names the
field, the value and what was expected. Durations are seconds.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from attrs import Attribute, field, frozen

from .errors import ConfigurationError, nearest
from .functions import is_plain

WhenFull = Literal["block", "drop_newest", "drop_oldest"]

Validator = Callable[[Any, "Attribute[Any]", Any], None]


@frozen
class Bounds:
    """Between what a number may be, told by a type hint: ``Annotated[int, Bounds(1)]``.

    It checks nothing; the JSON Schema of pipeline files says it to editors.

    Attributes:
        low: the lowest; none by default.
        high: the highest; none by default.
        above: whether ``low`` itself is too low.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False


Count = Annotated[int, Bounds(1)]
Port = Annotated[int, Bounds(0, 65535)]
Seconds = Annotated[float, Bounds(0, above=True)]


@frozen
class Number:
    """An attrs validator: a number, or whole number, from ``low`` to ``high``."""

    low: float
    high: float
    whole: bool
    optional: bool

    @property
    def bounds(self) -> Bounds:
        """The same for a schema."""
        return Bounds(self.low, self.high)

    def __call__(self, owner: Any, attribute: Attribute[Any], value: Any) -> None:
        """Refuse what is none.

        Raises:
            ConfigurationError: it is another value.
        """
        if value is None and self.optional:
            return
        if not is_number(value, self.low, self.high, whole=self.whole):
            expected = "a whole number" if self.whole else "a number"
            limits = f"from {self.low}"
            limits += "" if self.high == math.inf else f" to {self.high}"
            raise ConfigurationError(
                f"{type(owner).__name__}.{attribute.name} is {value!r}; "
                f"expected {expected} {limits}{' or None' if self.optional else ''}"
            )


def number(
    low: float, high: float = math.inf, *, whole: bool = False, optional: bool = False
) -> Number:
    """An attrs validator: a number, or whole number, from ``low`` to ``high``."""
    return Number(low, high, whole, optional)


def checked_path(setting: str, path: Any) -> Any:
    """``path``, if it is one.

    Args:
        setting: whose it is, for the error, such as ``"JsonLinesSink.path"``.
        path: a text or a path object.

    Raises:
        ConfigurationError: it is something else, or has a NUL, as no path can.
    """
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise ConfigurationError(f"{setting} is {path!r}; expected the path of a file")
    return path


def a_function(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a function of one event that does not wait, or None."""
    if value is not None and not is_plain(value):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; "
            "expected a plain function of one event or None"
        )


def is_number(value: object, low: float, high: float, *, whole: bool) -> bool:
    """Whether ``value`` is a number from ``low`` to ``high``, whole if asked."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return low <= value <= high


def is_count(value: object) -> bool:
    """Whether ``value`` is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_seconds(value: object) -> bool:
    """Whether ``value`` is a time from 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def timeout_of(timeout: object, default: float) -> float:
    """The seconds that a caller asked for; the default for None.

    Raises:
        ConfigurationError: it is no time.
    """
    if timeout is None:
        return default
    if not isinstance(timeout, int | float) or not is_seconds(timeout):
        raise ConfigurationError(f"timeout is {timeout!r}; expected seconds from 0")
    return timeout


def one_of(choices: Any) -> Validator:
    """An attrs validator: one of the words of a ``Literal`` type."""
    words = get_args(choices)

    def check(owner: Any, attribute: Attribute[Any], value: Any) -> None:
        if value not in words:
            raise ConfigurationError(
                f"{type(owner).__name__}.{attribute.name} is {value!r}; "
                f"expected one of {', '.join(map(repr, words))}{nearest(value, words)}"
            )

    return check


@frozen
class Queue:
    """The bounded queue in front of a stage.

    Attributes:
        capacity: events that have room, those being worked on included; default 8,192.
            An empty queue admits one batch of any size.
        when_full: ``"block"`` makes the sender wait (backpressure), ``"drop_newest"``
            and ``"drop_oldest"`` shed events, booked as ``dropped{queue_full}``.
        max_bytes: a second bound, in bytes as told by ``size``; None for none.
        size: tells the size of one event in bytes; by default the event's ``size()``.
    """

    capacity: int = field(default=8192, validator=number(1, whole=True))
    when_full: WhenFull = field(default="block", validator=one_of(WhenFull))
    max_bytes: int | None = field(
        default=None, validator=number(1, whole=True, optional=True)
    )
    size: Callable[[Any], int] | None = field(default=None, validator=a_function)


@frozen
class Retry:
    """How a sink tries again after a transient error.

    Waits are exponential with full jitter: uniform between 0 and
    ``min(maximum, initial * multiplier ** n)``, never shorter than what the server
    asked for. Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).

    Attributes:
        initial: seconds, the bound of the first wait; default 1.
        multiplier: growth of that bound from try to try; default 2.
        maximum: seconds, where the bound stops growing; default 30.
        deadline: seconds after the first try when the last one must begin; default
            300. A server that asks for a longer wait is not waited for.
    """

    initial: float = field(default=1.0, validator=number(0))
    multiplier: float = field(default=2.0, validator=number(1))
    maximum: float = field(default=30.0, validator=number(0))
    deadline: float = field(default=300.0, validator=number(0))

    def wait_before(self, attempt: int, asked: float | None, chance: float) -> float:
        """Seconds to wait before try number ``attempt`` + 1 (the first try is 0).

        Args:
            attempt: tries that have failed already, less one.
            asked: seconds that the server asked for, or None.
            chance: a uniform random number in [0, 1).
        """
        try:
            bound = min(self.maximum, self.initial * self.multiplier**attempt)
        except OverflowError:  # so large that only the maximum counts
            bound = self.maximum if self.initial else 0.0
        return max(bound * chance, asked or 0.0)


def uniform_chance() -> float:
    """A uniform random number in [0, 1), for jitter."""
    return random.random()  # noqa: S311 - jitter is no secret
