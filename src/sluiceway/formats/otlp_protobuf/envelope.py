"""What surrounds the events of every signal: their resources and scopes.

Law: events are grouped by the identity of their resource and scope objects, in the
order of first appearance, and each such object is encoded once a request.
Source: OpenTelemetry protocol 1.11, ``Resource{Spans,Metrics,Logs}`` and
``Scope{Spans,Metrics,Logs}``, whose field numbers are the same for all signals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...events import Resource, Scope
from .clean import clean_resource, clean_scope
from .memo import Memo
from .writing import UNENCODABLE, embedded, text, uint32, varint


class ScopeGroup:
    """The events of one scope of one resource; it keeps both objects alive."""

    __slots__ = ("events", "resource", "scope")

    def __init__(self, resource: Resource, scope: Scope) -> None:
        self.resource = resource
        self.scope = scope
        self.events: list[Any] = []


Groups = dict[tuple[int, int], ScopeGroup]


def group(events: Iterable[Any]) -> Groups:
    """The events by the identity of their resource and scope."""
    groups: Groups = {}
    resource = scope = add = None
    for event in events:
        if event.resource is not resource or event.scope is not scope or add is None:
            resource, scope = event.resource, event.scope
            key = (id(resource), id(scope))
            found = groups.get(key)
            if found is None:
                found = groups[key] = ScopeGroup(resource, scope)
            add = found.events.append
        add(event)
    return groups


def enclose(
    memo: Memo, groups: Groups, encode: Callable[[Memo, list[Any]], bytes]
) -> bytes:
    """An Export*ServiceRequest; ``encode`` writes the repeated field 2 of a scope."""
    resources: dict[int, list[ScopeGroup]] = {}
    for (identity, _), found in groups.items():
        resources.setdefault(identity, []).append(found)
    request: list[bytes] = []
    for scopes in resources.values():
        body: list[bytes] = []
        for found in scopes:
            body += scope_group(memo, found.scope, encode(memo, found.events))
        request += resource_group(memo, scopes[0].resource, body)
    return b"".join(request)


def resource_group(memo: Memo, resource: Resource, body: list[bytes]) -> list[bytes]:
    """A ResourceSpans, ResourceMetrics or ResourceLogs, in parts to be joined once."""
    try:
        head = resource_field(memo, resource)
        schema = text(b"\x1a", resource.schema_url)
    except UNENCODABLE:
        return resource_group(memo, clean_resource(resource), body)
    return enclosed(b"\n", [head, *body, schema])


def enclosed(tag: bytes, parts: list[bytes]) -> list[bytes]:
    """A length-delimited field in parts, so that large bodies are seldom copied."""
    return [tag, varint(sum(map(len, parts))), *parts]


def resource_field(memo: Memo, resource: Resource) -> bytes:
    """The Resource in field 1; nothing for an empty one."""
    dropped = uint32(b"\x10", resource.dropped_attributes_count)
    body = attributes(memo, b"\n", resource.attributes) + dropped
    return embedded(b"\n", body) if body else b""


def scope_group(memo: Memo, scope: Scope, body: bytes) -> list[bytes]:
    """A ScopeSpans, ScopeMetrics or ScopeLogs, in parts to be joined once."""
    try:
        head = scope_field(memo, scope)
        schema = text(b"\x1a", scope.schema_url)
    except UNENCODABLE:
        return scope_group(memo, clean_scope(scope), body)
    return enclosed(b"\x12", [head, body, schema])


def scope_field(memo: Memo, scope: Scope) -> bytes:
    """The InstrumentationScope in field 1; nothing for an empty one."""
    body = b"%b%b%b%b" % (
        text(b"\n", scope.name),
        text(b"\x12", scope.version),
        attributes(memo, b"\x1a", scope.attributes),
        uint32(b" ", scope.dropped_attributes_count),
    )
    return embedded(b"\n", body) if body else b""


def attributes(memo: Memo, tag: bytes, values: dict[str, Any]) -> bytes:
    """The repeated KeyValue field with that tag."""
    if not values:
        return b""
    known = memo.attributes
    try:
        pairs = [known[type(value)][key][value] for key, value in values.items()]
    except KeyError:
        pairs = memo.learn(values)
    return tag.join((b"", *pairs))
