"""What another instrumentation measures already, so that nothing is told twice.

Law: only what ends in the same telemetry counts: what others measure for others is no
reason to leave anything out.
"""

from __future__ import annotations

from logging import getLogger
from typing import Any, Final
from urllib.parse import unquote

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, get_current_span, get_tracer_provider

from ..errors import ConfigurationError
from ..instrument import LiveSpan, Telemetry
from .conventions import SCOPE

PATHS: Final = ("url.path", "http.target")  # new conventions and old ones
# what OpenTelemetry's instrumentation of aiohttp's client puts on its configurations
FOREIGN: Final = "_is_instrumented_by_opentelemetry"


def checked(telemetry: Telemetry) -> Telemetry:
    """The telemetry itself.

    Raises:
        ConfigurationError: it is something else, such as a provider.
    """
    if not isinstance(telemetry, Telemetry):
        raise ConfigurationError(
            f"telemetry is {telemetry!r}; expected a sluiceway.instrument.Telemetry"
        )
    return telemetry


class Already:
    """Finds who else measures, and names them once in a warning.

    Args:
        telemetry: that both would tell.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._said = False

    def serves(self, context: Context, path: str) -> bool:
        """Whether the current span stands for this very request to a server.

        It does if somebody else began it for a server, in the trace that the client
        told of, and it tells of no other path.

        Args:
            context: what the client told of its trace.
            path: that it asked for.
        """
        span = get_current_span()
        if not isinstance(span, LiveSpan) or span.kind is not SpanKind.SERVER:
            return False
        owner = span.instrumentation_scope.name
        return (
            owner != SCOPE
            and span.is_of(self._telemetry)
            and goes_on(span, context)
            and path_of(span) in {None, path}
            and self._say(owner)
        )

    def calls(self, session: Any) -> bool:
        """Whether OpenTelemetry's instrumentation measures the calls of a session."""
        return (
            any(hasattr(config, FOREIGN) for config in session.trace_configs)
            and get_tracer_provider() is self._telemetry.tracer_provider
            and self._say("opentelemetry.instrumentation.aiohttp_client")
        )

    def _say(self, owner: str) -> bool:
        if not self._said:
            self._said = True
            getLogger(__name__).warning(
                "%s measures already what %s would; it is left to the former, whose "
                "own settings count",
                owner,
                SCOPE,
            )
        return True


def goes_on(span: LiveSpan, context: Context) -> bool:
    """Whether a span is in the trace that a client told of, if it told of one."""
    told = get_current_span(context).get_span_context()
    return not told.is_valid or told.trace_id == span.get_span_context().trace_id


def path_of(span: LiveSpan) -> str | None:
    """The path that a span for a server tells of, None if it tells of none."""
    for name in PATHS:
        told = span.attributes.get(name)
        if isinstance(told, str):
            return unquote(told.partition("?")[0])
    return None
