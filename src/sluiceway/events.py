"""The events of telemetry, with OpenTelemetry's field names.

Law: plain data. Times are integer nanoseconds since the Unix epoch, identifiers are
bytes, attributes are dicts of str to the values of OpenTelemetry's AnyValue (str, bool,
int, float, bytes, None, and lists and dicts of these). Source: OpenTelemetry protocol
1.11, ``opentelemetry/proto/{trace,metrics,logs,common,resource}/v1``.
"""

from __future__ import annotations

import copy
import enum
from typing import Any

import msgspec

Attributes = dict[str, Any]


class SpanKind(enum.IntEnum):
    """Which side of a call a span describes."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(enum.IntEnum):
    """What a span says of its success."""

    UNSET = 0
    OK = 1
    ERROR = 2


class MetricKind(enum.IntEnum):
    """What a metric point measures; the number is the protocol's field number."""

    GAUGE = 5
    SUM = 7
    HISTOGRAM = 9
    EXPONENTIAL_HISTOGRAM = 10
    SUMMARY = 11


class Temporality(enum.IntEnum):
    """Whether a point counts since the previous point or since the start."""

    UNSPECIFIED = 0
    DELTA = 1
    CUMULATIVE = 2


class AlertStatus(enum.Enum):
    """Where an alert stands; one that is acknowledged fires, and somebody knows."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class HealthStatus(enum.Enum):
    """What a health check found."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class Resource(msgspec.Struct, frozen=True):
    """What produced the telemetry: a service, a process, a host."""

    attributes: Attributes = {}
    schema_url: str = ""
    dropped_attributes_count: int = 0


class Scope(msgspec.Struct, frozen=True):
    """Which library produced the telemetry (an instrumentation scope)."""

    name: str = ""
    version: str = ""
    attributes: Attributes = {}
    schema_url: str = ""
    dropped_attributes_count: int = 0


NO_RESOURCE = Resource()
NO_SCOPE = Scope()


class SpanEvent(msgspec.Struct):
    """Something that happened during a span."""

    name: str
    time_unix_nano: int = 0
    attributes: Attributes = {}
    dropped_attributes_count: int = 0


class Link(msgspec.Struct):
    """A span of another trace, or elsewhere in this one, that a span refers to."""

    trace_id: bytes
    span_id: bytes
    trace_state: str = ""
    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    flags: int = 0


class Span(msgspec.Struct, kw_only=True):
    """One timed operation of a trace.

    Attributes:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_span_id: 8 bytes; empty for a root span.
        trace_state: the W3C tracestate header's text.
        flags: W3C trace flags; 0x100 and 0x200 say whether the parent was remote.
        status_message: only with ``StatusCode.ERROR``.
    """

    name: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes = b""
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    attributes: Attributes = {}
    kind: SpanKind | int = SpanKind.INTERNAL
    status_code: StatusCode | int = StatusCode.UNSET
    status_message: str = ""
    events: list[SpanEvent] = []
    links: list[Link] = []
    trace_state: str = ""
    flags: int = 0
    dropped_attributes_count: int = 0
    dropped_events_count: int = 0
    dropped_links_count: int = 0
    resource: Resource = NO_RESOURCE
    scope: Scope = NO_SCOPE

    def copy(self) -> Span:
        """A span that can be changed without changing this one."""
        return msgspec.structs.replace(
            self,
            attributes=copy_value(self.attributes),
            events=[replace_attributes(event) for event in self.events],
            links=[replace_attributes(link) for link in self.links],
        )

    def size(self) -> int:
        """About how many bytes the span takes on the wire."""
        size = 80 + len(self.name) + len(self.trace_state) + len(self.status_message)
        size += size_of_value(self.attributes)
        for event in self.events:
            size += 16 + len(event.name) + size_of_value(event.attributes)
        for link in self.links:
            size += 32 + len(link.trace_state) + size_of_value(link.attributes)
        return size


class LogRecord(msgspec.Struct, kw_only=True):
    """One line of a log, or an event if it has an ``event_name``.

    Attributes:
        severity_number: 1 to 24 (TRACE 1, DEBUG 5, INFO 9, WARN 13, ERROR 17,
            FATAL 21); 0 for none.
        body: any AnyValue, mostly a text.
    """

    time_unix_nano: int = 0
    observed_time_unix_nano: int = 0
    severity_number: int = 0
    severity_text: str = ""
    body: Any = None
    attributes: Attributes = {}
    trace_id: bytes = b""
    span_id: bytes = b""
    flags: int = 0
    event_name: str = ""
    dropped_attributes_count: int = 0
    resource: Resource = NO_RESOURCE
    scope: Scope = NO_SCOPE

    def copy(self) -> LogRecord:
        """A record that can be changed without changing this one."""
        return msgspec.structs.replace(
            self, attributes=copy_value(self.attributes), body=copy_value(self.body)
        )

    def size(self) -> int:
        """About how many bytes the record takes on the wire."""
        return (
            64
            + len(self.severity_text)
            + len(self.event_name)
            + size_of_value(self.body)
            + size_of_value(self.attributes)
        )


class Exemplar(msgspec.Struct):
    """One measurement that stands for others, with the trace it was made in."""

    value: float | int
    time_unix_nano: int = 0
    trace_id: bytes = b""
    span_id: bytes = b""
    filtered_attributes: Attributes = {}


class Histogram(msgspec.Struct):
    """Measurements counted in explicit buckets ``(bounds[i-1], bounds[i]]``."""

    count: int = 0
    sum: float | None = None
    bucket_counts: list[int] = []
    explicit_bounds: list[float] = []
    min: float | None = None
    max: float | None = None


class ExponentialBuckets(msgspec.Struct):
    """Counts of consecutive exponential buckets, the first one at ``offset``."""

    offset: int = 0
    bucket_counts: list[int] = []


class ExponentialHistogram(msgspec.Struct):
    """Measurements counted in buckets whose bounds grow by 2 ** (2 ** -scale)."""

    count: int = 0
    sum: float | None = None
    scale: int = 0
    zero_count: int = 0
    positive: ExponentialBuckets = msgspec.field(default_factory=ExponentialBuckets)
    negative: ExponentialBuckets = msgspec.field(default_factory=ExponentialBuckets)
    min: float | None = None
    max: float | None = None
    zero_threshold: float = 0.0


class Summary(msgspec.Struct):
    """Quantiles that were computed where they were measured."""

    count: int = 0
    sum: float = 0.0
    quantiles: list[tuple[float, float]] = []


class MetricPoint(msgspec.Struct, kw_only=True):
    """One data point of one series of a metric.

    Attributes:
        value: a number for gauges and sums, else the structure that ``kind`` names;
            None is a point without a recorded value.
        unit: UCUM, such as ``"s"`` or ``"By"``.
        is_monotonic: for sums, whether they only grow.
    """

    name: str
    value: float | int | Histogram | ExponentialHistogram | Summary | None
    kind: MetricKind = MetricKind.GAUGE
    unit: str = ""
    description: str = ""
    attributes: Attributes = {}
    time_unix_nano: int = 0
    start_time_unix_nano: int = 0
    temporality: Temporality = Temporality.CUMULATIVE
    is_monotonic: bool = False
    exemplars: list[Exemplar] = []
    flags: int = 0
    metadata: Attributes = {}
    resource: Resource = NO_RESOURCE
    scope: Scope = NO_SCOPE

    def copy(self) -> MetricPoint:
        """A point that can be changed without changing this one."""
        return msgspec.structs.replace(
            self,
            value=copy.deepcopy(self.value),
            attributes=copy_value(self.attributes),
            exemplars=copy.deepcopy(self.exemplars),
            metadata=copy_value(self.metadata),
        )

    def size(self) -> int:
        """About how many bytes the point takes on the wire."""
        size = 48 + len(self.name) + len(self.unit) + len(self.description)
        size += size_of_value(self.attributes) + size_of_value(self.metadata)
        return size + size_of_measurement(self.value) + 48 * len(self.exemplars)


class Alert(msgspec.Struct, kw_only=True):
    """A condition that somebody should know of; the labels are its identity.

    Attributes:
        severity: info, warning, error or critical.
        message: one line for a person.
        labels: with ``name``, what tells this alert from others.
        annotations: further text that is not part of the identity.
        ends_at_unix_nano: when it was resolved; 0 while it fires.
    """

    name: str
    severity: str = "warning"
    status: AlertStatus = AlertStatus.FIRING
    message: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at_unix_nano: int = 0
    ends_at_unix_nano: int = 0
    generator_url: str = ""

    def copy(self) -> Alert:
        """An alert that can be changed without changing this one."""
        return msgspec.structs.replace(
            self, labels=dict(self.labels), annotations=dict(self.annotations)
        )

    def size(self) -> int:
        """About how many bytes the alert takes as JSON."""
        texts = len(self.name) + len(self.message) + len(self.generator_url)
        return (
            128 + texts + size_of_value(self.labels) + size_of_value(self.annotations)
        )


class HealthCheck(msgspec.Struct, kw_only=True):
    """What one health check found.

    Attributes:
        duration: seconds that the check took.
        critical: whether all is unhealthy when this is, or only degraded.
        is_last: whether nobody runs the check any more: its alert ends, whatever its
            status.
    """

    name: str
    status: HealthStatus = HealthStatus.UNKNOWN
    message: str = ""
    details: Attributes = {}
    time_unix_nano: int = 0
    duration: float = 0.0
    critical: bool = True
    is_last: bool = False

    def copy(self) -> HealthCheck:
        """A check that can be changed without changing this one."""
        return msgspec.structs.replace(self, details=copy_value(self.details))

    def size(self) -> int:
        """About how many bytes the check takes as JSON."""
        return 96 + len(self.name) + len(self.message) + size_of_value(self.details)


def size_of_measurement(value: Any) -> int:
    """About how many bytes the value of a metric point takes on the wire."""
    if isinstance(value, Histogram):
        return 32 + 8 * (len(value.bucket_counts) + len(value.explicit_bounds))
    if isinstance(value, ExponentialHistogram):
        buckets = (value.positive.bucket_counts, value.negative.bucket_counts)
        return 64 + 2 * sum(map(len, buckets))
    if isinstance(value, Summary):
        return 24 + 20 * len(value.quantiles)
    return 9


def copy_value(value: Any) -> Any:
    """An independent copy of an AnyValue; other objects inside are shared."""
    if isinstance(value, dict):
        return {key: copy_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copy_value(item) for item in value]
    return value


def replace_attributes(part: Any) -> Any:
    """A copy of a span's event or link with attributes of its own."""
    return msgspec.structs.replace(part, attributes=copy_value(part.attributes))


def size_of_value(value: Any) -> int:
    """About how many bytes an AnyValue takes on the wire."""
    if isinstance(value, str | bytes):
        return len(value) + 4
    if isinstance(value, dict):
        return 4 + sum(
            size_of_value(key) + 2 + size_of_value(item) for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        return 4 + sum(map(size_of_value, value))
    return 9
