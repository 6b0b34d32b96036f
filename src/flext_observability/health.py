"""FlextHealthService: health checks that run, and what they say together.

Law: an operation returns a ``FlextResult`` and raises nothing; a check that hangs keeps
nobody longer than its time-out and a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Unpack

from .check_options import HealthOptions
from .creating import refused
from .exceptions import FlextValidationError, is_a
from .health_turns import Asked
from .models import FlextHealthCheck
from .process import OfBackend
from .result import FlextFailure, FlextResult


class FlextHealthService(OfBackend):
    """Runs health checks, and tells how all stand.

    Services are cheap: all that are made without a backend share that of the process,
    and its checks. The backend's own pipeline is one of them, ``flext_observability``.

    Args:
        backend: whose checks; by default the one of the process.
    """

    async def register_health_check(
        self,
        name: str,
        function: Callable[[], Any],
        **options: Unpack[HealthOptions],
    ) -> FlextResult[str]:
        """Let a function say how a component is, from now on.

        What it returns is its finding: None or True is healthy, False unhealthy; a
        status or another text, which is a message of a healthy check; or ``(status,
        message, details)``; or a ``FlextHealthCheck``. A ``FlextResult`` is what it
        holds, and a failed one unhealthy. What it raises is unhealthy, and its text is
        shown to whoever reads results: keep secrets out of it. A ``def`` is called on a
        thread; an ``async def`` on the loop where it is registered while that runs,
        else on the pipeline's, and must not block it.

        Args:
            name: of the component; no other registered check may have it.
            function: takes no arguments, ``def`` or ``async def``.
            **options: ``timeout`` (5 seconds), ``interval`` (30 seconds; None runs it
                when asked only), ``failures`` in a row that make it unhealthy (1),
                ``recoveries`` in a row that make it healthy again (1), ``critical``
                (True) and ``depends_on`` (names of checks, which may come later).

        Returns:
            The name; a failure if an option cannot be meant, the name is taken, or
            dependencies lead in a circle.
        """
        return self.register(name, function, **options)

    def register(
        self,
        name: str,
        function: Callable[[], Any],
        **options: Unpack[HealthOptions],
    ) -> FlextResult[str]:
        """As ``register_health_check``, for programs without an event loop."""
        backend = self.backend
        registered = backend.checks.register(name, function, options)
        if registered.is_success:
            backend.ready()  # so that its turns come; a stopped one runs it later
        return registered

    async def unregister_health_check(self, name: str) -> FlextResult[str]:
        """Forget a check, and what is known of it.

        Args:
            name: of one that was registered or reported of.
        """
        return self.unregister(name)

    def unregister(self, name: str) -> FlextResult[str]:
        """As ``unregister_health_check``, for programs without an event loop."""
        checks = self.backend.checks
        if not is_a(name, str):
            return checks.no_such(name)
        return checks.unregister(str.__str__(name))

    async def execute_health_check(
        self, health_check: FlextHealthCheck
    ) -> FlextResult[FlextHealthCheck]:
        """Run the check that is registered under this name, now.

        Without one, the status in ``health_check`` is taken for what is so. Either way
        the metrics of health tell it, and alerts where it changes what is believed.

        Returns:
            What this run found, thresholds and dependencies not considered: unknown
            where it did not end in time. A failure if nothing can be taken now.
        """
        asked = self._asked(health_check)
        if isinstance(asked, FlextFailure):
            return asked
        return FlextResult.ok((await asked.value.awaited())[0])

    def execute(self, health_check: FlextHealthCheck) -> FlextResult[FlextHealthCheck]:
        """As ``execute_health_check``, for programs without an event loop.

        A check that runs on the loop of whoever calls this gets no answer.
        """
        return self._asked(health_check).map(lambda asked: asked.wait()[0])

    def _asked(self, check: FlextHealthCheck) -> FlextResult[Asked]:
        if not is_a(check, FlextHealthCheck):
            expected = "a FlextHealthCheck, as flext_create_health_check makes one"
            return refused(FlextValidationError("health_check", check, expected))
        backend = self.backend
        if not backend.ready():
            return backend.refusal()
        return backend.checks.execute(check)

    async def run_health_checks(self) -> FlextResult[list[FlextHealthCheck]]:
        """Run all registered checks now, at the same time; the backend's own is last.

        Returns:
            What each run found; a failure if the backend does not run.
        """
        asked = self._all_asked()
        if isinstance(asked, FlextFailure):
            return asked
        return FlextResult.ok(await asked.value.awaited())

    check_all = run_health_checks

    def run_all(self) -> FlextResult[list[FlextHealthCheck]]:
        """As ``run_health_checks``, for programs without an event loop."""
        return self._all_asked().map(lambda asked: asked.wait())

    def _all_asked(self) -> FlextResult[Asked]:
        backend = self.backend
        if not backend.ready():
            return backend.refusal()
        return FlextResult.ok(backend.checks.run_all())

    async def get_health_status(self) -> FlextResult[FlextHealthCheck]:
        """How all stands by the latest results; nothing is run or started for it.

        Returns:
            A check named ``overall``: the worst status of a critical check, or degraded
            where that is healthy and another one is not; unknown where a critical one
            is. Its details tell whether work should be sent here (``ready``), and of
            each of the ``checks`` the status, message, details, times, and which
            others it is ``because_of``.
        """
        return await asyncio.to_thread(self.status)

    def status(self) -> FlextResult[FlextHealthCheck]:
        """As ``get_health_status``, for programs without an event loop."""
        return FlextResult.ok(self.backend.checks.status())
