"""The small things that FLEXT programs expect of ``flext_core`` and ``flext_cli``.

Law: what is offered works; what can go wrong answers with a ``FlextResult``.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

import attrs

from sluiceway import SystemClock

from .creating import refused
from .exceptions import FlextValidationError, suggestion
from .result import FlextResult

T = TypeVar("T")


class FlextDomainService:
    """The base of a service: derive from it and call ``super().__init__()``.

    Nothing has to be defined. A service that is one operation overrides ``execute``.
    """

    def execute(self) -> FlextResult[Any]:
        """Do what the service is for; a failure where the class does not say what."""
        kind = type(self).__name__
        return FlextResult[Any].fail(f"{kind} defines no execute", "not_defined")


class FlextContainer:
    """Services by name, for any number of threads; a factory is called once, if ever.

    Each method that can fail answers with a ``FlextResult``.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._makers: dict[str, Callable[[], FlextResult[Any]]] = {}

    def register(self, name: str, service: T) -> FlextResult[T]:
        """Give a service a name; a failure if the name is empty or taken."""
        made = FlextResult[Any].ok(service)
        return self._add(name, lambda: made).map(lambda _: service)

    def register_factory(
        self, name: str, factory: Callable[[], object]
    ) -> FlextResult[str]:
        """Make the service of that name when it is first asked for.

        One that raises is asked again the next time. It may itself ask the container
        for other services; two threads that ask at once may both call it, and get the
        same service.
        """
        if not callable(factory):
            kind = type(factory).__name__
            text = f"factory of {name!r} is a {kind}; expected a callable"
            return FlextResult[str].fail(text, "validation")
        return self._add(name, Once(factory).get)

    def get(self, name: str) -> FlextResult[Any]:
        """The service of that name."""
        return named(name).flat_map(self._get)

    def _get(self, name: str) -> FlextResult[Any]:
        with self._lock:
            maker = self._makers.get(name)
            known = list(self._makers)
        if maker is not None:
            return maker()
        text = f"no service is called {name!r}{suggestion(name, known)}"
        return FlextResult[Any].fail(text, "not_found")

    def get_typed(self, name: str, kind: type[T]) -> FlextResult[T]:
        """The service of that name; a failure if it is not of that class."""
        if not isinstance(kind, type):
            return refused(FlextValidationError("kind", kind, "a class"))

        def checked(service: Any) -> FlextResult[T]:
            if isinstance(service, kind):
                return FlextResult[T].ok(service)
            found = type(service).__name__
            text = f"service {name!r} is a {found}; expected a {kind.__name__}"
            return FlextResult[T].fail(text, "validation")

        return self.get(name).flat_map(checked)

    def unregister(self, name: str) -> FlextResult[str]:
        """Forget the service of that name."""
        return named(name).flat_map(self._forgotten)

    def _forgotten(self, name: str) -> FlextResult[str]:
        with self._lock:
            maker = self._makers.pop(name, None)
        return FlextResult[str].ok(name) if maker else self._get(name)

    def names(self) -> list[str]:
        """The names of all services, in the order in which they came."""
        with self._lock:
            return list(self._makers)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._makers

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"FlextContainer({', '.join(self.names())})"

    def _add(
        self, name: str, maker: Callable[[], FlextResult[Any]]
    ) -> FlextResult[str]:
        def added(told: str) -> FlextResult[str]:
            with self._lock:
                if self._makers.setdefault(told, maker) is maker:
                    return FlextResult[str].ok(told)
            return FlextResult[str].fail(f"name {told!r} is taken", "conflict")

        return named(name).flat_map(added)


def named(name: object) -> FlextResult[str]:
    """A name, if it is one."""
    if isinstance(name, str) and name:
        return FlextResult[str].ok(name)
    return refused(FlextValidationError("name", name, "a text that is not empty"))


class Once:
    """What a factory made, kept from the first time on that it did not raise."""

    def __init__(self, factory: Callable[[], object]) -> None:
        self._factory = factory
        self._made: list[FlextResult[Any]] = []

    def get(self) -> FlextResult[Any]:
        """What the factory made, or a failure that names what it raised."""
        if not self._made:
            made = FlextUtilities.safe_call(self._factory)
            if made.is_failure:
                return made
            self._made.append(made)  # a second thread's comes behind, and is never read
        return self._made[0]


class FlextUtilities:
    """Functions that FLEXT programs share."""

    @staticmethod
    def generate_id() -> str:
        """A new random identifier: 36 characters, as a UUID is written."""
        return str(uuid4())

    @staticmethod
    def generate_timestamp() -> int:
        """The present moment in nanoseconds since the epoch."""
        return SystemClock().time_ns()

    @staticmethod
    def truncate(text: str, max_length: int = 100, suffix: str = "...") -> str:
        """The text in ``max_length`` characters at most, ``suffix`` where it was cut.

        A ``max_length`` below that of the suffix leaves as much of the suffix.
        """
        if len(text) <= max_length:
            return text
        kept = text[: max(0, max_length - len(suffix))]
        return (kept + suffix)[: max(0, max_length)]

    @staticmethod
    def safe_call(
        function: Callable[..., object], /, *args: object, **kwargs: object
    ) -> FlextResult[Any]:
        """What the function returns; a failure that names what it raised.

        A ``FlextResult`` that it returns is the result, not a success that holds one.
        """

        def call(_: None) -> FlextResult[Any]:
            returned = function(*args, **kwargs)
            if isinstance(returned, FlextResult):
                return returned
            return FlextResult[Any].ok(returned)

        return FlextResult[None].ok(None).flat_map(call)


@attrs.frozen
class CLICommand:
    """A command with a name, which a ``FlextCliApi`` can run.

    Args:
        name: by which it is called.
        handler: what it does; it returns a value or a ``FlextResult``.
        description: a line for a person, empty by default.
    """

    name: str
    handler: Callable[..., object]
    description: str = ""

    def run(self, /, *args: object, **kwargs: object) -> FlextResult[Any]:
        """Call the handler; a failure that names what it raised."""
        return FlextUtilities.safe_call(self.handler, *args, **kwargs)


class FlextCliApi:
    """Commands by name, run with a ``FlextResult`` for their answer."""

    def __init__(self) -> None:
        self._commands = FlextContainer()

    def register(self, command: CLICommand) -> FlextResult[CLICommand]:
        """Make a command known; a failure if its name is empty or taken."""
        if not isinstance(command, CLICommand):
            return refused(FlextValidationError("command", command, "a CLICommand"))
        return self._commands.register(command.name, command)

    def execute(
        self, name: str, /, *args: object, **kwargs: object
    ) -> FlextResult[Any]:
        """Run the command of that name; a failure if there is none, or it fails."""
        command = self._commands.get_typed(name, CLICommand)
        return command.flat_map(lambda found: found.run(*args, **kwargs))

    def commands(self) -> list[str]:
        """The names of all commands, in the order in which they came."""
        return self._commands.names()
