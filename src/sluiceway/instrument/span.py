"""Spans while they run, and the notes that a pipeline takes.

Law: the application pays for taking notes, the pipeline for making an event of them.
Identity never changes; after its end a span changes no more. One that is not recorded,
because its trace is not sampled, still carries its trace on. No exception is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, Status, TraceFlags
from opentelemetry.trace import StatusCode as ApiStatusCode

from ..events import SpanEvent, SpanKind, StatusCode
from ..notes import Details
from . import detailing
from .context import (
    SPAN_KEY,
    add,
    get_context,
    leave_context,
    put,
    reset_context,
    set_context,
)
from .detailing import OnError, limit_attributes, note_event, note_link
from .identity import (
    FRESH_TRACE,
    LOCAL_FLAGS,
    SAMPLED,
    W3C_FLAGS,
    AnyKind,
    AnyLink,
    Identity,
    Parent,
    kind_of,
    span_of,
)
from .readable import Readable
from .trace_state import TraceState
from .values import (
    PLAIN,
    exception_attributes,
    own_attributes,
    plain_attributes,
    plain_value,
    text_of,
)

if TYPE_CHECKING:
    from .tracer import Tracer

Function = TypeVar("Function", bound=Callable[..., Any])

INTERNAL = SpanKind.INTERNAL
INTERNAL_NUMBER = int(INTERNAL)


class LiveSpan(Readable):
    """A span from its start to its end; as a context manager it ends with the block.

    Made by a ``Tracer``. It is no error to use it after its end, and does nothing.

    Attributes:
        identity: trace id, span id, flags and tracestate, as a child needs them.
        on_error: what an exception that leaves the block does.
    """

    __slots__ = (
        "_details",
        "_flags",
        "_parent_id",
        "_recording",
        "_start",
        "_token",
        "_tracer",
        "identity",
    )

    # Few spans need these: they are set on the instance when one does.
    on_error = OnError()
    _details: Details | None
    _context: SpanContext | None = None
    _given: tuple[Iterable[AnyLink] | None, Parent | None] = (None, None)

    def prepare(  # noqa: PLR0917 - keywords cost time here
        self,
        tracer: Tracer,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        kind: AnyKind = INTERNAL,
        links: Iterable[AnyLink] | None = None,
        parent: Parent | None = None,
    ) -> Self:
        """What ``__init__`` would do, which Python calls in a slower way."""
        above = get_context().get(SPAN_KEY) if parent is None else span_of(parent)
        # calling an attribute that is no method is slow on 3.11: it is read first
        identifiers = tracer.identifiers
        if type(above) is CurrentSpan:
            trace_id, self._parent_id, flags, trace_state = above.identity
        elif above is None:
            new_trace_id = identifiers.trace_id
            trace_id, self._parent_id = new_trace_id(), b""
            flags, trace_state = FRESH_TRACE, ""
        else:
            trace_id, self._parent_id, flags, trace_state = tracer.origin(above)
        new_span_id = identifiers.span_id
        self._flags, flags = flags, flags & LOCAL_FLAGS
        self.identity: Identity = (trace_id, new_span_id(), flags, trace_state)
        self._tracer, self._name = tracer, name
        self._kind = INTERNAL_NUMBER if kind is INTERNAL else int(kind_of(kind))
        self._start, self._details, self._recording = 0, None, flags & SAMPLED
        own = {**attributes} if type(attributes) is dict else own_attributes(attributes)
        for key, value in own.items():
            if type(value) not in PLAIN or type(key) is not str:
                own = plain_attributes(own)
                break
        self._attributes = own
        if len(own) > tracer.unseen:
            self._limit(own)
        if links is not None or parent is not None:
            self._keep_given(links, parent)
        if (head := tracer.head) and (not self._parent_id or self._flags & head.asks):
            head.question(self)
        return self

    def _keep_given(
        self, links: Iterable[AnyLink] | None, parent: Parent | None
    ) -> None:
        """Note what few spans have, for the event and for spans made like this one."""
        if links is not None:
            links = tuple(links) if isinstance(links, Iterable) else ()
            for link in links:
                note_link(self._more(), link, self._tracer.limits)
        self._given = (links, parent)

    def _more(self) -> Details:
        if self._details is None:
            self._details = Details()
        return self._details

    @property
    def has_started(self) -> bool:
        """Whether its time has begun."""
        return self._start != 0

    def start(self, time_ns: int | None = None) -> None:
        """Let the time of the span begin: at ``time_ns``; now for None and for 0."""
        self._start = detailing.whole(time_ns) or self._tracer.time_ns()

    def end(self, end_time: int | None = None) -> None:
        """Finish the span and hand it over; only the first call does anything.

        Args:
            end_time: nanoseconds since the epoch; now for None and for 0, which is
                a time that is not known.
        """
        if self._recording:
            self._finish(detailing.whole(end_time) or self._tracer.time_ns())

    def _finish(self, end: int) -> None:
        """Hand over the notes; ``SpanSource`` makes an event of them."""
        self._recording = 0
        if "" in self._attributes:
            self._limit(self._attributes)
        tracer = self._tracer
        trace_id, span_id, _, trace_state = self.identity
        start = self._start or end  # 0 if it never was entered
        emit = tracer.emit
        emit(
            (
                self._name,
                trace_id,
                span_id,
                self._parent_id,
                start,
                # a clock that was set back must not turn a span round
                end if end > start else start,  # noqa: FURB136 - speed
                self._attributes,
                self._kind,
                trace_state,
                self._flags,
                self._details,
                tracer.provenance,
            )
        )
        # now the event's; who keeps the span keeps no more of it
        del self._attributes, self._details

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._leave_with(error)
        self.end()

    def _leave_with(self, error: BaseException) -> None:
        """Note an exception; cancellation and exits of the program are no errors."""
        if not self._recording or not isinstance(error, Exception):
            return
        if self.on_error.record_exception:
            self.record_exception(error)
        details = self._more()
        if self.on_error.set_status and details.status_code is StatusCode.UNSET:
            details.status_code = StatusCode.ERROR
            details.status_message = f"{type(error).__name__}: {text_of(error)}"

    # What the API asks of a span.

    def get_span_context(self) -> SpanContext:
        """The identity that children and other processes need; it never changes."""
        if self._context is None:
            trace_id, span_id, flags, trace_state = self.identity
            self._context = SpanContext(
                int.from_bytes(trace_id, "big"),
                int.from_bytes(span_id, "big"),
                is_remote=False,
                trace_flags=TraceFlags(flags & W3C_FLAGS),
                trace_state=TraceState.from_header([trace_state]),
            )
        return self._context

    def is_recording(self) -> bool:
        """Whether what is set here will be seen by anybody."""
        return bool(self._recording)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; what is no plain value is kept as its text."""
        if self._recording:
            attributes = self._attributes
            plain = value if type(value) in PLAIN else plain_value(value)
            attributes[key if type(key) is str else text_of(key)] = plain
            if len(attributes) > self._tracer.unseen:
                self._limit(attributes)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if self._recording:
            self._attributes.update(own_attributes(attributes))
            if len(self._attributes) > self._tracer.unseen:
                self._limit(self._attributes)

    def _limit(self, attributes: dict[str, Any]) -> None:
        limits = self._tracer.limits
        self._details = limit_attributes(self._details, attributes, limits)

    def add_event(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Note that something happened, now or at ``timestamp``, in nanoseconds."""
        if self._recording:
            own = own_attributes(attributes)
            time_ns = detailing.whole(timestamp) or self._tracer.time_ns()
            event = SpanEvent(text_of(name), time_ns, own)
            note_event(self._more(), event, self._tracer.limits)

    def add_link(
        self, context: SpanContext, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Refer to another span; what tells nothing is left out."""
        if self._recording:
            note_link(self._more(), Link(context, attributes), self._tracer.limits)

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if self._recording:
            self._name = text_of(name)

    def set_status(
        self,
        status: Status | ApiStatusCode | StatusCode,
        description: str | None = None,
    ) -> None:
        """Say how the operation went: OK is final, and UNSET changes nothing.

        Args:
            status: a code of OpenTelemetry's or of ours, or the API's ``Status``.
            description: only kept with an error.
        """
        if isinstance(status, Status):
            description = status.description
            status = status.status_code
        code = detailing.status_of(status)
        if not self._recording or code is StatusCode.UNSET:
            return
        details = self._more()
        if details.status_code is not StatusCode.OK:
            is_error = code is StatusCode.ERROR
            details.status_code = code
            details.status_message = text_of(description or "") if is_error else ""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: ARG002 - the API's, deprecated there
    ) -> None:
        """Note an exception as text: its type, its message and its stack trace."""
        if self._recording:
            told = exception_attributes(exception) | own_attributes(attributes)
            self.add_event("exception", told, timestamp)

    def __repr__(self) -> str:
        state = "recording" if self._recording else "silent"
        return f"<{type(self).__name__} {self.identity[1].hex()} {state}>"


class CurrentSpan(LiveSpan):
    """A span that is current inside its ``with`` block; or a decorator that makes such.

    As a decorator of a ``def``, ``async def``, generator or async generator it makes
    a span for each call, which lasts until the call, or the generator, has ended.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        if self._start and hasattr(self, "_token"):
            return self  # it is entered already, and leaves with its first block
        above = get_context()
        # a context that holds nothing but a span need not be copied
        if len(above) == (SPAN_KEY in above):
            context = Context()
            add(context, SPAN_KEY, self)
        else:
            context = Context(above)
            put(context, SPAN_KEY, self)
        self._token = set_context(context)
        if self._start == 0:
            time_ns = self._tracer.time_ns
            self._start = time_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # leave_context() and end(), without calls that every span would pay for
        try:
            token = self._token
            del self._token  # it holds the context above, and that the spans above
            reset_context(token)
        except (AttributeError, ValueError):
            pass  # left before, or in another context, with nothing of ours to restore
        if error is not None:
            self._leave_with(error)
        if self._recording:
            time_ns = self._tracer.time_ns
            self._finish(time_ns())

    def __call__(self, function: Function) -> Function:
        """Decorate ``function``: each call gets a span of its own, made like this."""
        from .pattern import Pattern  # noqa: PLC0415 - only decorators need them
        from .traced import traced  # noqa: PLC0415

        wrapped: Function = traced(function, Pattern(self).another)
        return wrapped


class OpenSpan(CurrentSpan):
    """A span that is current inside its block and goes on after it."""

    __slots__ = ()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if hasattr(self, "_token"):
            leave_context(self._token)
            del self._token
        if error is not None:
            self._leave_with(error)
