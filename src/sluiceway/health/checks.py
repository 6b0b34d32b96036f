"""What a health check is: whom it asks, how often, and when it is believed.

Law: a record that exists is valid. A set of checks that was taken has one of each name,
knows all that its checks depend on, and leads in no circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from inspect import signature
from typing import Any, Final

from attrs import Attribute, Factory, field, frozen

from ..errors import ConfigurationError, nearest
from ..settings import is_number, number

SHORTEST: Final = 0.001  # seconds
LONGEST: Final = 86_400.0
LONGEST_TIMEOUT: Final = 5.0  # seconds, unless a check says otherwise


def a_name(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a text that can be read."""
    readable = isinstance(value, str) and value.strip() and value.isprintable()
    if not readable:
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; "
            "expected a text such as 'database'"
        )


def a_callable(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: something that can be called without arguments."""
    if not callable(value) or needs_arguments(value):
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; "
            "expected a function without arguments, def or async def"
        )


def needs_arguments(function: Callable[..., Any]) -> bool:
    """Whether a function cannot be called without arguments, as far as it tells."""
    try:
        told = signature(function)
    except (TypeError, ValueError):  # written in C, and tells nothing
        return False
    try:
        told.bind()
    except TypeError:
        return True
    return False


def no_longer_than_interval(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: seconds above 0, the check's interval at most."""
    if not is_number(value, SHORTEST, check.interval, whole=False):
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; expected seconds "
            f"from {SHORTEST:g}, the interval ({check.interval:g}) at most"
        )


def names_of_checks(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: texts."""
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; "
            "expected a list of names of checks, such as ['database']"
        )


def a_flag(check: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(
            f"{type(check).__name__}.{attribute.name} is {value!r}; "
            "expected True or False"
        )


def as_tuple(value: Any) -> Any:
    """A list of names as a tuple; what is none is left for the validator."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return tuple(value)


def usual_timeout(check: Any) -> float:
    """The time-out of a check that names none."""
    interval = check.interval
    known = is_number(interval, SHORTEST, LONGEST, whole=False)
    return min(LONGEST_TIMEOUT, interval) if known else LONGEST_TIMEOUT


@frozen
class Check:
    """One health check.

    What the function returns is its finding: None or True is healthy, False unhealthy;
    a ``HealthStatus`` or its word ("degraded"); any other text is healthy and says so;
    ``(status, text, details)``; or a ``HealthCheck``. What it raises is a failure whose
    text is shown to whoever reads the results: keep secrets out of it.

    Attributes:
        name: what it is called, unique among the checks.
        function: takes no arguments; a ``def`` is called on a thread.
        interval: seconds from the start of a run to the start of the next; default 30.
        timeout: seconds for one run; default 5, or the interval if that is less.
        failures: failed runs in a row, time-outs included, that make it unhealthy;
            default 3. Until then it stays as it was.
        successes: runs without a failure in a row after which it has recovered;
            default 1.
        depends_on: the names of checks without which this one cannot succeed. While
            one of them is unhealthy, this one is unknown instead of unhealthy.
        critical: whether all is unhealthy when this is, or only degraded; default True.
    """

    name: str = field(validator=a_name)
    function: Callable[[], Any] = field(validator=a_callable)
    interval: float = field(
        default=30.0, validator=number(SHORTEST, LONGEST), kw_only=True
    )
    timeout: float = field(
        default=Factory(usual_timeout, takes_self=True),
        validator=no_longer_than_interval,
        kw_only=True,
    )
    failures: int = field(default=3, validator=number(1, whole=True), kw_only=True)
    successes: int = field(default=1, validator=number(1, whole=True), kw_only=True)
    depends_on: Sequence[str] = field(
        default=(), converter=as_tuple, validator=names_of_checks, kw_only=True
    )
    critical: bool = field(default=True, validator=a_flag, kw_only=True)

    def asked_in(self, pipeline: Any) -> Callable[[], Any]:  # noqa: ARG002 - for a check of that
        """The function, for a run in a pipeline; None for one outside."""
        return self.function


def checked_set(owner: str, checks: Iterable[Check]) -> Mapping[str, Check]:
    """The checks by name, in their order.

    Args:
        owner: whose setting it is, for errors, such as ``"HealthSource.checks"``.
        checks: at least one.

    Raises:
        ConfigurationError: one is no check, a name stands twice, a dependency is
            unknown, or they lead in a circle.
    """
    known = by_name(owner, checks)
    for check in known.values():
        for name in check.depends_on:
            if name not in known:
                raise ConfigurationError(unknown_dependency(owner, check, name, known))
    try:
        dependencies_first(known)
    except CycleError as error:
        way = " -> ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"{owner}: the dependencies lead in a circle: {way}"
        ) from None
    return known


def dependencies_first(checks: Mapping[str, Check]) -> list[str]:
    """The names of the checks, each behind those that it depends on.

    Raises:
        CycleError: there is no such order.
    """
    graph = {check.name: check.depends_on for check in checks.values()}
    return [*TopologicalSorter(graph).static_order()]


def by_name(owner: str, checks: Any) -> dict[str, Check]:
    """The checks by their names, each of which stands once."""
    if isinstance(checks, str | Check) or not isinstance(checks, Iterable):
        raise ConfigurationError(f"{owner} is {checks!r}; expected a list of checks")
    known: dict[str, Check] = {}
    for check in checks:
        if not isinstance(check, Check):
            raise ConfigurationError(
                f"{owner} has {check!r}; expected a Check such as "
                "Check('database', ping)"
            )
        if check.name in known:
            raise ConfigurationError(
                f"{owner} has two checks called {check.name!r}; "
                "expected a name of its own for each"
            )
        known[check.name] = check
    if not known:
        raise ConfigurationError(f"{owner} is empty; expected at least one check")
    return known


def unknown_dependency(
    owner: str, check: Check, name: str, known: Mapping[str, Check]
) -> str:
    """Why a name in ``depends_on`` is refused."""
    others = [other for other in known if other != check.name]
    hint = nearest(name, others) or f"; expected one of {', '.join(others) or 'none'}"
    return f"{owner}: {check.name} depends on {name!r}, which is no check{hint}"


def turn_after(first: float, interval: float, now: float) -> float:
    """When the next run begins: the turns are ``first`` and whole intervals after it.

    Counted from the first one, so that nothing adds up; turns that were missed are
    left out, not made up for.

    Args:
        first: when the first run began.
        interval: seconds between turns.
        now: the time, at or after ``first``.

    Returns:
        The first turn after ``now``.
    """
    count = max(0, int((now - first) // interval)) + 1
    turn = first + count * interval
    while turn <= now:  # by rounding
        count += 1
        turn = first + count * interval
    return turn


def first_turns(checks: Sequence[Check], now: float) -> list[float]:
    """When each check runs first: all within a second, spread evenly.

    Checks of one interval stay as far apart as they began.
    """
    return [
        now + min(1.0, check.interval) * place / len(checks)
        for place, check in enumerate(checks)
    ]
