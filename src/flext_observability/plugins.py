"""Extensions: what other distributions add by an entry point.

Law: a broken plugin breaks no other one and nothing else; it becomes a failure that
names it.

A distribution offers a plugin in its ``pyproject.toml``::

    [project.entry-points."flext_observability.plugins"]
    tickets = "our_tickets:setup"

and ``setup`` takes a registry. A class or an object with such a method will do, too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Final, Protocol, cast

from sluiceway import Sink

from .result import FlextResult, described

GROUP: Final = "flext_observability.plugins"
BROKEN: Final = "plugin"  # the error_code of each failure
UNKNOWN: Final = "an unknown distribution"
LATER: Final = (  # what has not run when it is returned
    (inspect.iscoroutine, "a coroutine"),
    (inspect.isgenerator, "a generator"),
    (inspect.isasyncgen, "an async generator"),
)
SEPARATORS: Final = re.compile("[-_.]+")  # names that differ in these are the same


class FlextPluginRegistry(Protocol):
    """What a plugin may add to. Whatever it refuses, it refuses by raising.

    A plugin is set up before the backend starts.
    """

    def add_sink(self, signal: str, stage: Sink[Any]) -> None:
        """Send a signal to a further sink: traces, metrics, alerts or health."""
        ...

    def add_alert_channel(self, name: str, stage: Sink[Any]) -> None:
        """Make a channel that escalation policies can name."""
        ...

    def add_health_check(self, name: str, check: Callable[[], Any]) -> None:
        """Run a further check of the process's health."""
        ...


class FlextObservabilityPlugin(Protocol):
    """A plugin in its long form; a plain function of a registry is one, too."""

    def setup(self, registry: FlextPluginRegistry) -> FlextResult[Any] | None:
        """Add to the registry; a failure that is returned is the plugin's."""
        ...


def load_plugins(
    registry: FlextPluginRegistry, found: Iterable[EntryPoint] | None = None
) -> list[FlextResult[str]]:
    """Set up every plugin there is, in the order of their names.

    Args:
        registry: what they may add to. What a plugin has added before it failed stays.
        found: their entry points; by default those that are installed.

    Returns:
        A result for each plugin: its name, or a failure that names it and the
        distribution it came from.
    """
    entries, results = installed() if found is None else ([*found], [])
    names: dict[str, EntryPoint] = {}
    for each in sorted(entries, key=lambda entry: (entry.name, origin(entry))):
        first = names.setdefault(each.name, each)
        if first is each:
            results.append(set_up(each, registry))
        else:
            results.append(broken(each, f"{origin(first)} has one of that name"))
    return results


def imported() -> bool:
    """Import all plugins; whether there is anything to set up, or to complain of.

    What is wrong with one is found again when it is set up.
    """
    entries, failures = installed()
    for entry in entries:
        with suppress(Exception, SystemExit):
            loaded(entry)
    return bool(entries or failures)


def installed() -> tuple[list[EntryPoint], list[FlextResult[str]]]:
    """The entry points of all plugins, and a failure for each unreadable list of them.

    Of a distribution that is there twice, the one that Python would import counts.
    """
    entries: list[EntryPoint] = []
    failures: list[FlextResult[str]] = []
    seen: set[str] = set()
    for dist in distributions():
        name = name_of(dist)
        key = SEPARATORS.sub("-", name).lower()
        if key in seen:
            continue
        seen |= {key} - {UNKNOWN}
        listed = FlextResult.ok(dist).map(plugins_of)
        entries += listed.unwrap_or([])
        if listed.is_failure:
            text = f"the plugins of {name} cannot be listed: {listed.error}"
            failures.append(FlextResult[str].fail(text, BROKEN))
    return entries, failures


def plugins_of(dist: Distribution) -> list[EntryPoint]:
    """The entry points of a distribution; it raises where its list is malformed."""
    return list(dist.entry_points.select(group=GROUP))


def set_up(entry: EntryPoint, registry: FlextPluginRegistry) -> FlextResult[str]:
    """Load one plugin and let it add what it adds."""
    try:
        answer: Any = hook_of(loaded(entry))(registry)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is anybody's code
        return broken(entry, described(error))
    fault = fault_in(answer)
    return broken(entry, fault) if fault else FlextResult[str].ok(entry.name)


def fault_in(answer: Any) -> str:
    """What is wrong with what a set-up returned; empty if nothing."""
    if getattr(answer, "is_failure", False):  # a result of flext_core's will do
        return str(answer.error)
    kind = next((kind for is_one, kind in LATER if is_one(answer)), "")
    if inspect.iscoroutine(answer):
        answer.close()
    return f"setup is {kind}; expected a plain function" if kind else ""


def loaded(entry: EntryPoint) -> object:
    """What an entry point names.

    Raises:
        ValueError: it names nothing. Whatever importing it raises passes.
    """
    if not entry.pattern.match(entry.value):
        raise ValueError("expected the form module:name")
    return entry.load()


def hook_of(plugin: Any) -> Callable[[FlextPluginRegistry], object]:
    """What is called with the registry.

    Raises:
        TypeError: it is no plugin, or a class that cannot be made without arguments.
    """
    made: Any = plugin() if inspect.isclass(plugin) else plugin
    hook: Any = getattr(made, "setup", made)
    if callable(hook):
        return cast("Callable[[FlextPluginRegistry], object]", hook)
    raise TypeError(f"{type(made).__name__} is not callable and has no method setup")


def broken(entry: EntryPoint, why: str) -> FlextResult[str]:
    """The failure of a plugin."""
    text = f"plugin {entry.name!r} ({entry.value}, from {origin(entry)}): {why}"
    return FlextResult[str].fail(text, BROKEN, {"plugin": entry.name})


def origin(entry: EntryPoint) -> str:
    """The name of the distribution that a plugin came from, as far as it has one."""
    return UNKNOWN if entry.dist is None else name_of(entry.dist)


def name_of(dist: Distribution) -> str:
    """The name of a distribution, whatever became of its metadata."""

    def told(dist: Distribution) -> str:
        return str((dist.metadata.get_all("Name") or [UNKNOWN])[0])

    return FlextResult.ok(dist).map(told).unwrap_or(UNKNOWN)
