"""Parents: where a new operation stands, by what it was told and what runs here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .creating import refused
from .exceptions import FlextValidationError, is_a
from .models import RANDOM_ID, SAMPLED, FlextTrace
from .propagation import (
    TRACEPARENT,
    FlextTraceContext,
    Told,
    context_in,
    current_context,
)
from .result import FlextResult

OPTIONS: Final = ("parent", "trace_id")


def place_of(options: Mapping[str, Any]) -> FlextResult[dict[str, Any]]:
    """The fields of a trace that say what it is a part of."""
    for name in options:
        if name not in OPTIONS:
            expected = f"one of {', '.join(OPTIONS)}"
            return refused(FlextValidationError("option", name, expected, OPTIONS))
    parent, trace_id = options.get("parent"), options.get("trace_id")
    if parent is None:
        return FlextResult.ok(place_here(trace_id))
    return parent_of(parent).flat_map(lambda found: place_beneath(found, trace_id))


def place_here(trace_id: str | None) -> dict[str, Any]:
    """Beneath what runs here, or at the root of a trace."""
    if trace_id:
        return {"trace_id": trace_id}
    here = current_context()
    return {"trace_flags": SAMPLED | RANDOM_ID} if here is None else beneath(here)


def parent_of(asked: object) -> FlextResult[Told]:
    """The parent that was asked for, in whatever form."""
    if is_a(asked, FlextTrace) or is_a(asked, FlextTraceContext):
        return FlextResult.ok(asked)
    if is_a(asked, str):
        found: FlextResult[Told] = context_in(
            {TRACEPARENT: [str.__str__(asked)]}
        ).map_error(lambda text: f"parent: {text}")
        return found
    expected = "a FlextTrace, a FlextTraceContext or the text of a traceparent"
    return refused(FlextValidationError("parent", asked, expected))


def place_beneath(parent: Told, trace_id: str | None) -> FlextResult[dict[str, Any]]:
    """Beneath a parent; another trace than the parent's is refused."""
    if trace_id and str(trace_id).lower() != parent.trace_id:
        expected = f"{parent.trace_id!r}, which the parent has, or no parent"
        return refused(FlextValidationError("trace_id", trace_id, expected))
    return FlextResult.ok(beneath(parent))


def beneath(parent: Told) -> dict[str, Any]:
    """What a part has of its parent."""
    return {
        "trace_id": parent.trace_id,
        "parent_span_id": parent.span_id,
        "trace_flags": parent.trace_flags,
        "trace_state": parent.trace_state,
    }
