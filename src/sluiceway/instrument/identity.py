"""Who a span is, and what names it by: parents, kinds and links in the API's words.

Source: OpenTelemetry protocol, ``trace/v1`` (``SpanFlags``); W3C Trace Context level 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import chain
from logging import getLogger
from random import Random
from struct import Struct

from opentelemetry.context import Context
from opentelemetry.trace import Link as ApiLink
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind as ApiSpanKind

from ..events import Link, SpanKind, replace_attributes
from ..fork import follow_forks
from .values import own_attributes

Identity = tuple[bytes, bytes, int, str]  # trace id, span id, flags, tracestate
Parent = ApiSpan | SpanContext | Context
AnyKind = SpanKind | ApiSpanKind | int
AnyLink = ApiLink | Link

SAMPLED = 0x01
RANDOM = 0x02  # the trace id is
W3C_FLAGS = 0xFF
KNOWN = 0x100  # whether the parent is remote is known
REMOTE = 0x200  # the parent is in another process
LOCAL_FLAGS = W3C_FLAGS | KNOWN  # what a span's children get of its flags
FRESH_TRACE = KNOWN | RANDOM | SAMPLED
NOBODY: Identity = (bytes(16), bytes(8), 0, "")
AT_ONCE = 32  # ids that are made of one random number


class Identifiers:
    """Random trace and span ids; a forked child makes others than its parent.

    Args:
        random: where they come from.

    Attributes:
        trace_id: makes 16 bytes.
        span_id: makes 8 bytes.
    """

    __slots__ = ("__weakref__", "_random", "span_id", "trace_id")

    def __init__(self, random: Random) -> None:
        self._random = random
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """Forget the ids that the parent has made in advance."""
        self.trace_id = identifiers(self._random, 16)
        self.span_id = identifiers(self._random, 8)


def identifiers(random: Random, size: int) -> Callable[[], bytes]:
    """What makes ids of so many bytes, in half the time that one by one takes.

    All of it is C: no thread can come in between while a number becomes ids.
    """
    whole = size * AT_ONCE
    numbers = iter(partial(random.getrandbits, 8 * whole), None)
    blocks = map(partial(int.to_bytes, length=whole, byteorder="big"), numbers)
    split = Struct(f"{size}s" * AT_ONCE).unpack
    return chain.from_iterable(map(split, blocks)).__next__


def identity_of(context: SpanContext) -> Identity:
    """The identity that an API's context tells; its flags say whether it is remote."""
    if not context.is_valid:  # its numbers may have any size
        return NOBODY
    return (
        context.trace_id.to_bytes(16, "big"),
        context.span_id.to_bytes(8, "big"),
        KNOWN | REMOTE * bool(context.is_remote) | context.trace_flags & W3C_FLAGS,
        context.trace_state.to_header(),
    )


def span_of(parent: Parent) -> ApiSpan | None:
    """The span that was given as a parent: itself, its identity or a context."""
    if isinstance(parent, SpanContext):
        return NonRecordingSpan(parent)
    if isinstance(parent, Context):
        return get_current_span(parent)
    return parent if isinstance(parent, ApiSpan) else get_current_span()


def kind_of(kind: AnyKind) -> SpanKind:
    """Our kind; OpenTelemetry's API counts from 0 where its protocol counts from 1."""
    if kind is ApiSpanKind.INTERNAL:  # nearly all, and an enum's call is slow
        return SpanKind.INTERNAL
    try:
        number = kind.value + 1 if isinstance(kind, ApiSpanKind) else kind
        return SpanKind(number)
    except ValueError:
        complain_of_kind(repr(kind))
        return SpanKind.INTERNAL


@lru_cache(64)
def complain_of_kind(told: str) -> None:
    """Say once that this is no kind of span."""
    getLogger(__name__).warning(
        "the kind of a span is %s; expected a SpanKind, such as SpanKind.SERVER; using "
        "INTERNAL",
        told,
    )


def link_of(link: AnyLink) -> Link | None:
    """A link as an event holds it; None if it tells nothing, or is no link."""
    if isinstance(link, Link):
        own: Link = replace_attributes(link)
        return own
    context = getattr(link, "context", None)
    if not isinstance(context, SpanContext):
        return None
    attributes = own_attributes(link.attributes or {})
    trace_id, span_id, flags, trace_state = identity_of(context)
    if not context.is_valid:
        trace_id, span_id, trace_state = b"", b"", context.trace_state.to_header()
        if not attributes and not trace_state:
            return None
    return Link(trace_id, span_id, trace_state, attributes, flags=flags)
