"""The entities: what the services take, and what they give back.

Law: an entity is good or does not exist: its fields are checked where it is made, and
never change. What changes with time, such as whether a trace runs, the services know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from random import SystemRandom
from typing import Any, Final
from uuid import uuid4

from attrs import Factory, field, frozen

from sluiceway import SystemClock

from . import validation
from .fields import by, unless_empty, with_checks

METRIC_TYPES: Final = ("counter", "gauge", "histogram")
SEVERITIES: Final = ("info", "warning", "error", "critical")
ALERT_STATUSES: Final = ("firing", "acknowledged", "resolved")
TRACE_STATUSES: Final = ("running", "completed", "error")
HEALTH_STATUSES: Final = ("healthy", "degraded", "unhealthy", "unknown")
COUNT: Final = "count"  # the unit that makes a metric a counter
SAMPLED: Final = 0x01  # of a trace's flags (W3C Trace Context, section 3.2.2.5)
RANDOM_ID: Final = 0x02  # the trace id was made at random

CLOCK: Final = SystemClock()
RANDOM: Final = SystemRandom()


def now() -> datetime:
    """The time, in UTC."""
    return moment_of(CLOCK.time_ns())


def moment_of(time_ns: int) -> datetime:
    """The time of so many nanoseconds since the epoch, in UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def new_trace_id() -> str:
    """32 hexadecimal digits, not all zero (W3C Trace Context, ``trace-id``)."""
    return f"{RANDOM.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """16 hexadecimal digits, not all zero (W3C Trace Context, ``parent-id``)."""
    return f"{RANDOM.getrandbits(64) or 1:016x}"


def new_alert_id() -> str:
    """What tells one alert from all others."""
    return uuid4().hex


def kind_by_unit(metric: FlextMetric) -> str:
    """The one rule for a metric that does not say it: what is counted is a counter."""
    return "counter" if metric.unit == COUNT else "gauge"


@frozen(field_transformer=with_checks)
class FlextMetric:
    """One measurement of a metric.

    Args:
        name: OpenTelemetry's rule: a letter, then letters, digits and ``_.-/``.
        value: a finite number; of a counter, what it grows by, from 0.
        unit: what is measured, in UCUM or words; ``"count"`` (default) is a counter.
        tags: what tells its series from others of the name; numbers become text, and
            an empty text counts as no tag.
        timestamp: when it was measured; now by default.
        metric_type: counter, gauge or histogram; by default as the unit says.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    name: str = field(metadata=by(validation.metric_name))
    value: float | Decimal = field(metadata=by(validation.number))
    unit: str = field(default=COUNT, metadata=by(validation.unit))
    tags: dict[str, str] = field(factory=dict, metadata=by(validation.labels))
    timestamp: datetime = field(default=Factory(now), metadata=by(validation.moment))
    metric_type: str = field(
        default=Factory(kind_by_unit, takes_self=True),
        metadata=by(validation.one_of, METRIC_TYPES),
    )

    def __attrs_post_init__(self) -> None:
        if self.metric_type == "counter":
            validation.at_least_zero("value", self.value)


@frozen(field_transformer=with_checks)
class FlextTrace:
    """One operation of a trace: what OpenTelemetry calls a span.

    Args:
        name: what is shown.
        operation: what happens, such as ``"shop.checkout"``.
        context: the application's data; what JSON cannot hold is kept as its text. Of
            its names the first 127 are exported, or as many as ``OTEL_SPAN_*_LIMIT``
            and ``OTEL_ATTRIBUTE_*_LIMIT`` say.
        trace_id: 32 hexadecimal digits, the same for all operations of a trace; a new
            one by default.
        span_id: 16 hexadecimal digits, of this operation alone.
        parent_span_id: of the operation that this one is a part of; ``""`` for none.
        status: running, completed or error.
        error: what went wrong.
        started_at: when it was started; None before.
        ended_at: when it was completed, or failed; None before.
        trace_flags: W3C's: 1 means that the trace is sampled, as it is by default.
        trace_state: the text of W3C's ``tracestate``, which travels with the trace.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    name: str = field(metadata=by(validation.text))
    operation: str = field(metadata=by(validation.text))
    context: dict[str, Any] = field(factory=dict, metadata=by(validation.details))
    trace_id: str = field(
        default=Factory(new_trace_id), metadata=by(validation.identifier, 32)
    )
    span_id: str = field(
        default=Factory(new_span_id), metadata=by(validation.identifier, 16)
    )
    parent_span_id: str = field(
        default="", metadata=by(validation.identifier_or_none, 16)
    )
    status: str = field(
        default="running", metadata=by(validation.one_of, TRACE_STATUSES)
    )
    error: str = field(default="", metadata=by(validation.any_text))
    started_at: datetime | None = field(
        default=None, metadata=unless_empty(validation.moment)
    )
    ended_at: datetime | None = field(
        default=None, metadata=unless_empty(validation.moment)
    )
    trace_flags: int = field(default=SAMPLED, metadata=by(validation.flags))
    trace_state: str = field(default="", metadata=by(validation.trace_state))

    @property
    def id(self) -> str:
        """The id of the trace."""
        return self.trace_id

    @property
    def is_sampled(self) -> bool:
        """Whether it is recorded, and not only passed on."""
        return bool(self.trace_flags & SAMPLED)

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None before."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@frozen(field_transformer=with_checks)
class FlextAlert:
    """A condition that somebody should know of.

    Args:
        name: what is wrong, the same each time that it is.
        severity: info, warning (default), error or critical.
        message: one line for a person; not empty.
        source: where it was seen; ``"system"`` by default.
        tags: what tells it, with name and source, from others.
        alert_id: what names it in the services, through its whole life; a new one by
            default.
        status: firing, acknowledged or resolved.
        level: the level of escalation that it has reached; 0 before the first.
        created_at: when it was raised; now by default.
        times_seen: how often it was processed while it fired.
        last_seen: when it was processed last; None before.
        acknowledged_by: who takes care of it; ``""`` if nobody does, or nobody says.
        resolved_at: when it was over; None before.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    name: str = field(metadata=by(validation.text))
    severity: str = field(default="warning", metadata=by(validation.one_of, SEVERITIES))
    message: str = field(default="", metadata=by(validation.text))
    source: str = field(default="system", metadata=by(validation.text))
    tags: dict[str, str] = field(factory=dict, metadata=by(validation.tags))
    alert_id: str = field(default=Factory(new_alert_id), metadata=by(validation.text))
    status: str = field(
        default="firing", metadata=by(validation.one_of, ALERT_STATUSES)
    )
    level: int = field(default=0, metadata=by(validation.whole))
    created_at: datetime = field(default=Factory(now), metadata=by(validation.moment))
    times_seen: int = field(default=0, metadata=by(validation.whole))
    last_seen: datetime | None = field(
        default=None, metadata=unless_empty(validation.moment)
    )
    acknowledged_by: str = field(default="", metadata=by(validation.any_text))
    resolved_at: datetime | None = field(
        default=None, metadata=unless_empty(validation.moment)
    )

    @property
    def id(self) -> str:
        """The id of the alert."""
        return self.alert_id


@frozen(field_transformer=with_checks)
class FlextHealthCheck:
    """What is known of the health of one component.

    Args:
        name: the component.
        status: healthy (default), degraded, unhealthy or unknown.
        details: whatever tells more; what JSON cannot hold is kept as its text.
        message: one line for a person.
        duration: seconds that the check took.
        checked_at: when it was looked at; now by default.

    Raises:
        FlextValidationError: a field cannot be meant.
    """

    name: str = field(metadata=by(validation.text))
    status: str = field(
        default="healthy", metadata=by(validation.one_of, HEALTH_STATUSES)
    )
    details: dict[str, Any] = field(factory=dict, metadata=by(validation.details))
    message: str = field(default="", metadata=by(validation.any_text))
    duration: float = field(default=0.0, metadata=by(validation.at_least_zero))
    checked_at: datetime = field(default=Factory(now), metadata=by(validation.moment))
