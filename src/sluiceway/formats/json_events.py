"""Events as JSON objects, one a line: readable, and the same events when read back.

Law: ``decode_event(encode_event(event)) == event`` for every event of telemetry. An
object has a ``type`` and the fields that are not at their defaults; ids are hex. JSON
has no bytes, NaN or infinity: these are ``{"$bytes": base64}``, ``{"$float": "NaN"}``.
Only a lone surrogate, which UTF-8 cannot say, comes back as ``?``. No I/O.
"""

from __future__ import annotations

import binascii
import enum
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from ..errors import PermanentError, nearest
from ..events import (
    Alert,
    Exemplar,
    ExponentialBuckets,
    ExponentialHistogram,
    HealthCheck,
    Histogram,
    Link,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    StatusCode,
    Summary,
)
from .valid_json import encoded

EVENT_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    "span": Span,
    "log_record": LogRecord,
    "metric_point": MetricPoint,
    "alert": Alert,
    "health_check": HealthCheck,
}
PARTS: Final[tuple[type[msgspec.Struct], ...]] = (
    Resource,
    Scope,
    SpanEvent,
    Link,
    Exemplar,
    Histogram,
    ExponentialBuckets,
    ExponentialHistogram,
    Summary,
)
TYPE_NAMES: Final = {kind: name for name, kind in EVENT_TYPES.items()}
IDENTIFIERS: Final = ("trace_id", "span_id", "parent_span_id")
PLAIN: Final = frozenset({str, int, bool, type(None)})
MARKS: Final = frozenset({"$bytes", "$float", "$map"})
STRUCTURES: Final[dict[int, type[msgspec.Struct]]] = {
    MetricKind.HISTOGRAM: Histogram,
    MetricKind.EXPONENTIAL_HISTOGRAM: ExponentialHistogram,
    MetricKind.SUMMARY: Summary,
}


def defaults_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Each field's name and default; a required field's is equal to nothing."""
    return tuple(
        (field.name, field.default)
        if field.default_factory is msgspec.NODEFAULT
        else (field.name, field.default_factory())
        for field in msgspec.structs.fields(kind)
    )


FIELDS: Final = {kind: defaults_of(kind) for kind in (*TYPE_NAMES, *PARTS)}


def encode_event(event: Any) -> bytes:
    """One line of JSON, without its end.

    Any other object that msgspec can encode is encoded as it is, without a ``type``;
    a value of a class derived from a builtin one as that one's.

    Raises:
        PermanentError: ``unencodable``: JSON cannot hold it.
    """
    try:
        return encoded(to_object(event))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise PermanentError(
            f"a {type(event).__name__} cannot be JSON: {error}", reason="unencodable"
        ) from error


def decode_event(line: bytes | str) -> Any:
    """The event in one line of JSON.

    Raises:
        PermanentError: ``malformed``: no JSON, or no event of a known type.
    """
    try:
        return from_object(msgspec.json.decode(line))
    except (
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
        msgspec.MsgspecError,
    ) as error:
        raise PermanentError(str(error), reason="malformed") from error


def to_object(event: Any) -> Any:
    """What stands for an event in JSON, made of dicts, lists and plain values."""
    name = TYPE_NAMES.get(type(event))
    return plain(event) if name is None else {"type": name, **plain_struct(event)}


def plain(value: Any) -> Any:
    """A value with all that JSON cannot hold replaced; foreign objects stay."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind in FIELDS:
        return plain_struct(value)
    replace = REPLACERS.get(kind)
    if replace is not None:
        return replace(value)
    if isinstance(value, enum.Enum):
        return value.value
    for base, of_base in DERIVED:
        if isinstance(value, base):
            return of_base(value)
    return value


def plain_float(value: float) -> Any:
    """The number, or the names that protobuf's JSON has for what is no number."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return {"$float": "NaN"}
    return {"$float": "Infinity" if value > 0 else "-Infinity"}


def plain_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    """The dict with plain values; marked, if it could be taken for a mark."""
    items = {key: plain(item) for key, item in value.items()}
    return {"$map": items} if is_marked(items) else items


def plain_list(value: Iterable[Any]) -> list[Any]:
    """The list, or tuple, with plain values."""
    return [plain(item) for item in value]


REPLACERS: Final[dict[type, Callable[[Any], Any]]] = {
    float: plain_float,
    bytes: lambda value: {"$bytes": b64encode(value).decode()},
    dict: plain_dict,
    list: plain_list,
    tuple: plain_list,
}

DERIVED: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, lambda value: plain_float(float.__float__(value))),
    (bytes | bytearray | memoryview, REPLACERS[bytes]),
    (dict, plain_dict),
    (list | tuple, plain_list),
)


def plain_struct(struct: msgspec.Struct) -> dict[str, Any]:
    """The fields of a struct that are not at their defaults."""
    fields: dict[str, Any] = {}
    for name, default in FIELDS[type(struct)]:
        value = getattr(struct, name)
        if value is default or value == default:
            continue
        if name in IDENTIFIERS and isinstance(value, bytes):
            fields[name] = value.hex()
        else:
            fields[name] = plain(value)
    return fields


def is_marked(items: dict[Any, Any]) -> bool:
    """Whether a dict looks like one of the marks that this format adds."""
    return len(items) == 1 and not MARKS.isdisjoint(items)


def from_object(found: Any) -> Any:
    """The event that an object stands for.

    Raises:
        ValueError: no object, no known type, or fields of wrong types.
        TypeError: the same, deeper inside.
    """
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, got {type(found).__name__}")
    name = found.get("type")
    kind = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(EVENT_TYPES)
        raise ValueError(
            f"type is {name!r}; expected one of {known}{nearest(name, EVENT_TYPES)}"
        )
    fields = {key: revive(value) for key, value in found.items() if key != "type"}
    revive_identifiers(fields)
    for part in (*fields.get("links", ()), *fields.get("exemplars", ())):
        revive_identifiers(part)
    builder: Callable[[Any, dict[str, Any]], Any] = BUILDERS.get(kind, build)
    return builder(kind, fields)


def revive(value: Any) -> Any:
    """The inverse of ``plain``, for everything but structs and enums."""
    if isinstance(value, list):
        return [revive(item) for item in value]
    if not isinstance(value, dict):
        return value
    if is_marked(value):
        mark, content = next(iter(value.items()))
        return REVIVERS[mark](content)
    return {key: revive(item) for key, item in value.items()}


REVIVERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$bytes": lambda text: b64decode(text, validate=True),
    "$float": float,
    "$map": lambda items: {key: revive(item) for key, item in items.items()},
}


def revive_identifiers(fields: dict[str, Any]) -> None:
    """Hex identifiers become bytes, in place."""
    for name in IDENTIFIERS:
        if name in fields:
            fields[name] = binascii.unhexlify(fields[name])


def build(kind: type[msgspec.Struct], fields: dict[str, Any]) -> Any:
    """An event, with the type of each field checked."""
    return msgspec.convert(fields, kind, builtin_types=(bytes,))


def build_span(kind: type[Span], fields: dict[str, Any]) -> Span:
    """A span; its kind and status may be numbers that we do not know."""
    shape = msgspec.convert(fields, SPAN_SHAPE, builtin_types=(bytes,))
    known = {name: getattr(shape, name) for name in fields if hasattr(shape, name)}
    return kind(
        **{
            **known,
            "kind": member_or_number(SpanKind, shape.kind),
            "status_code": member_or_number(StatusCode, shape.status_code),
        }
    )


def build_point(kind: type[MetricPoint], fields: dict[str, Any]) -> MetricPoint:
    """A metric point; its kind tells what its value is."""
    shape = msgspec.convert(fields, POINT_SHAPE, builtin_types=(bytes,))
    known = {name: getattr(shape, name) for name in fields if hasattr(shape, name)}
    if shape.value is not None:
        value_type: Any = STRUCTURES.get(shape.kind, int | float)
        known["value"] = msgspec.convert(shape.value, value_type)
    return kind(**known)


def member_or_number(kind: type[enum.IntEnum], number: int) -> int:
    """The enum's member of this number, or the number itself."""
    return kind(number) if number in kind.__members__.values() else number


def shape_of(struct: type[msgspec.Struct], types: dict[str, Any]) -> Any:
    """A struct like another whose unions, which msgspec cannot tell, are ``types``."""
    new_field: Any = msgspec.field
    fields = []
    for field in msgspec.structs.fields(struct):
        default = new_field(
            default=field.default, default_factory=field.default_factory
        )
        fields.append((field.name, types.get(field.name, field.type), default))
    return msgspec.defstruct(f"{struct.__name__}Shape", fields, kw_only=True)


SPAN_SHAPE: Final = shape_of(Span, {"kind": int, "status_code": int})
POINT_SHAPE: Final = shape_of(MetricPoint, {"value": Any})
BUILDERS: Final[dict[Any, Callable[[Any, dict[str, Any]], Any]]] = {
    Span: build_span,
    MetricPoint: build_point,
}
