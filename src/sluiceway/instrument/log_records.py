"""What all ways of logging share: whose line it is, in which trace, plain values.

Law: nothing here raises or takes for ever, whatever an application has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span as ApiSpan

from ..upstream import works_for
from .context import current_span
from .identity import W3C_FLAGS, identity_of
from .span import LiveSpan
from .values import DEEPEST, LISTS, PLAIN, plain_value, text_of

if TYPE_CHECKING:
    from .telemetry import Telemetry

OWN_LOGGER = "sluiceway"
EVENT_NAME = "otel.event.name"  # the conventions' attribute for what has no such field
STACK = "code.stacktrace"
LARGEST_SEVERITY = 24
MOST_NESTED = 10_000  # lists, dicts and others in one attribute or body
LATEST = 2**64 - 1  # nanoseconds that the protocol can carry

TraceIds = tuple[bytes, bytes, int]  # trace id, span id, flags
NO_TRACE: TraceIds = (b"", b"", 0)
NOBODY = bytes(16)  # the trace id of a span that is switched off, outside a trace


def is_left_out(telemetry: Telemetry, logger: str) -> bool:
    """Whether a line is not taken in: all of them, with ``OTEL_SDK_DISABLED``.

    Otherwise those whose delivery would make another one: the lines of sluiceway
    itself, and of code that works for the pipeline which delivers them: a sink, what it
    calls, and the stages before it.
    """
    return telemetry.disabled or is_own(logger) or works_for(telemetry.logs)


def is_own(logger: str) -> bool:
    """Whether a logger is one of sluiceway's."""
    return logger.startswith(OWN_LOGGER) and logger.partition(".")[0] == OWN_LOGGER


def current_trace() -> TraceIds:
    """The ids of the current span; none outside a trace."""
    span = current_span()
    return NO_TRACE if span is None else trace_of(span)


def trace_of(span: ApiSpan) -> TraceIds:
    """The ids that a record gets of a span of ours or of somebody else's."""
    if isinstance(span, LiveSpan):
        trace_id, span_id, flags, _ = span.identity
        if trace_id == NOBODY:
            return NO_TRACE
        return trace_id, span_id, flags & W3C_FLAGS
    try:
        context = span.get_span_context()
        if not context.is_valid:
            return NO_TRACE
        trace_id, span_id, flags, _ = identity_of(context)
    except Exception:  # noqa: BLE001 - another library's span may do anything
        return NO_TRACE
    return trace_id, span_id, flags & W3C_FLAGS


def kept(value: Any) -> Any:
    """``value`` as an AnyValue; its text where it breaks while it is read."""
    return value if type(value) in PLAIN else attempt(bounded_value, value)


def bounded_value(value: Any) -> Any:
    """``value`` as an AnyValue, unless copying it would take for ever.

    Dicts that refer to each other, such as the nodes of a tree to their parent, hold
    more at each level than at the one above.
    """
    if is_bounded(value):
        return plain_value(value)
    return f"<{type(value).__name__} of more than {MOST_NESTED:,} nested values>"


def is_bounded(value: Any) -> bool:
    """Whether so many levels of it as are kept nest no more than ``MOST_NESTED``."""
    level, count = [value], 0
    for _ in range(DEEPEST):
        inside = chain.from_iterable(map(values_in, level))
        nested = (item for item in inside if type(item) not in PLAIN)
        level = list(islice(nested, MOST_NESTED - count + 1))
        count += len(level)
        if not level or count > MOST_NESTED:
            break
    return count <= MOST_NESTED


def values_in(value: Any) -> Iterable[Any]:
    """What a mapping or list holds; nothing, of anything else."""
    if isinstance(value, str | bytes | memoryview):
        return ()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, LISTS) else ()


def kept_attributes(attributes: Any) -> dict[str, Any]:
    """A copy of the attributes, with plain values; of what is no mapping, none."""
    if not isinstance(attributes, Mapping):
        return {}
    try:
        return {key_of(key): kept(value) for key, value in attributes.items()}
    except Exception:  # noqa: BLE001 - it changed meanwhile, or is a user's own
        return {"attributes": text_of(attributes)}


def key_of(key: Any) -> str:
    """An attribute's name as text."""
    return key if type(key) is str else text_of(key)


def attempt(read: Callable[[Any], Any], value: Any) -> Any:
    """What is read of ``value``, or its text if reading it raises.

    A dict that another thread changes meanwhile does, and a user's own may.
    """
    try:
        return read(value)
    except Exception:  # noqa: BLE001 - a user's object may do anything
        return text_of(value)


def severity_number(value: Any) -> int:
    """1 to 24 of a number or of the API's enum; 0 for anything else."""
    number = getattr(value, "value", value)
    if isinstance(number, int) and 0 <= number <= LARGEST_SEVERITY:
        return int(number)
    return 0
