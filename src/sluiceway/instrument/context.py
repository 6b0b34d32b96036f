"""Where the current span stands: in OpenTelemetry's own context, shared with everybody.

Law: no second context. What the API keeps in a ``ContextVar`` is read and set there
directly, which costs a third of the API's functions; another runtime context is used
through these functions. Both the variable and the key are found by public means.
"""

from __future__ import annotations

import contextvars
from contextvars import ContextVar, Token
from types import TracebackType

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

SPAN_KEY: str = next(iter(set_span_in_context(INVALID_SPAN, Context())))

SUPPRESSED = "suppress_instrumentation"  # the key that every instrumentation asks for

# A Context refuses its own.
put = dict.__setitem__
add = dict.setdefault  # half the cost, for a key that is not there


class ApiContext:
    """The runtime context through the API's functions: any implementation."""

    get = staticmethod(get_current)
    set = staticmethod(attach)
    reset = staticmethod(detach)


def find_variable() -> ContextVar[Context] | ApiContext:
    """The variable in which the API keeps its context, or a stand-in if there is none.

    A marker is attached in an empty context of its own; the variable that then holds
    the marker is the one.
    """
    marker = Context()
    empty = contextvars.Context()
    empty.run(attach, marker)
    found = [variable for variable, value in empty.items() if value is marker]
    return found[0] if found else ApiContext()


CURRENT = find_variable()
get_context = CURRENT.get
set_context = CURRENT.set
reset_context = CURRENT.reset


def suppress_instrumentation() -> None:
    """Tell instrumentations that what is called in this context is not to be seen.

    An instrumented HTTP client would make a span of each request that delivers spans.
    """
    set_context(Context({**get_context(), SUPPRESSED: True}))


def current_span() -> Span | None:
    """The span that is current here, or None."""
    span = get_context().get(SPAN_KEY)
    return span if isinstance(span, Span) else None


class Activation:
    """Makes a span current for ``with`` blocks, without starting or ending it.

    What the first block leaves in its context is there again in the next one, and
    nowhere between: a generator goes on where it rested.
    """

    __slots__ = ("_own", "_token")

    def __init__(self, span: Span) -> None:
        self._own = Context(get_context())
        put(self._own, SPAN_KEY, span)

    def __enter__(self) -> None:
        self._token: Token[Context] = set_context(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._own = get_context()
        leave_context(self._token)


def leave_context(token: Token[Context]) -> None:
    """Make current what was so before; a token of another task has nothing to undo."""
    try:
        reset_context(token)
    except ValueError:  # closed in another task, where our span never was current
        return
