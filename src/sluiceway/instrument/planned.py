"""Planned: a span that is made when it begins, where a sampler is asked about it.

Law: whoever is only decorated with a span asks nobody; each call asks anew, in its own
context. A span that somebody looks at before it begins is made by that look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.trace import Link
from opentelemetry.trace import SpanKind as ApiSpanKind

from .detailing import OnError
from .identity import AnyKind, AnyLink, Parent
from .span import INTERNAL, CurrentSpan, Function, LiveSpanType
from .tracer import Tracer, refuse_function

Plan = tuple[
    Tracer,
    str,
    Mapping[str, Any] | None,
    AnyKind,
    Iterable[AnyLink] | None,
    Parent | None,
]


class Planned(CurrentSpan):
    """What its tracer makes for ``with`` and ``@``; it knows only how to be made."""

    __slots__ = ("_plan",)

    _plan: Plan | None

    def plan(self, plan: Plan) -> Self:
        """How it is made once it is needed."""
        self._plan = plan
        return self

    def __getattr__(self, name: str) -> Any:
        """What is not there before the span is made, or after its end."""
        plan, self._plan = self._plan, None
        if plan is None:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        self.prepare(*plan)
        return getattr(self, name)

    def __call__(self, function: Function) -> Function:
        """Decorate ``function``: each call gets a span of its own, made like this."""
        if self._plan is not None:
            tracer, name, attributes, kind, links, parent = self._plan
            own = {**attributes} if isinstance(attributes, Mapping) else attributes
            self._plan = (tracer, name, own, kind, links, parent)
        return super().__call__(function)

    def another(self, kind: type[LiveSpanType]) -> LiveSpanType:
        """A new span of the class ``kind``, made by the same plan."""
        if self._plan is None:
            return super().another(kind)
        make: type[LiveSpanType] = self._plan[0].span_type(kind)
        span = make().prepare(*self._plan)
        if self.on_error is not CurrentSpan.on_error:
            span.on_error = self.on_error
        return span


class PlanningTracer(Tracer):
    """A tracer whose telemetry has a sampler for the roots of traces."""

    __slots__ = ()

    planned: type[Planned] = Planned

    def span(
        self,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        kind: AnyKind = INTERNAL,
        links: Iterable[AnyLink] | None = None,
        parent: Parent | None = None,
    ) -> CurrentSpan:
        """As ``Tracer.span``; its parent is what is current when it begins."""
        if name.__class__ is not str:
            refuse_function(name)
        return self.planned().plan((self, name, attributes, kind, links, parent))

    def start_as_current_span(  # type: ignore[override] # noqa: PLR0917 - the API's
        self,
        name: str,
        context: Context | None = None,
        kind: ApiSpanKind = ApiSpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """``span`` in the API's spelling; what has begun already is made at once."""
        on_error = OnError(record_exception, set_status_on_exception)
        if start_time is not None or not end_on_exit:
            return super().start_as_current_span(
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
                end_on_exit,
            )
        span = self.planned().plan((self, name, attributes, kind, links, context))
        if on_error != OnError():
            span.on_error = on_error
        return span
