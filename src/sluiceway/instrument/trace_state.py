"""TraceState: what other vendors wrote into a trace, in the API's form.

Law: immutable, and by level 2 of W3C Trace Context, so that what came in goes out: the
API's own class loses keys that start with a digit or hold several ``@``.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView

from opentelemetry.trace import TraceState as ApiTraceState

from ..formats.tracestate import (
    MEMBERS,
    format_tracestate,
    is_member,
    parse_tracestate,
)


class TraceState(ApiTraceState):
    """Keys and values, the most recent one first.

    Args:
        members: keys and values that a tracestate can hold, 32 at most.
    """

    def __init__(self, members: Mapping[str, str] | None = None) -> None:
        self._members = dict(members or {})

    @classmethod
    def from_header(cls, header_list: list[str]) -> TraceState:
        """The members of the headers; none of them where one is malformed."""
        return cls(parse_tracestate(header_list))

    def to_header(self) -> str:
        """The text of the header."""
        return format_tracestate(self._members)

    def add(self, key: str, value: str) -> TraceState:
        """With one more member, on the left; itself if that is not possible."""
        return self if key in self._members else self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """With this value for the key, on the left; itself if that is not possible."""
        if not is_member(key, value):
            return self
        others = {k: v for k, v in self._members.items() if k != key}
        return self if len(others) >= MEMBERS else TraceState({key: value, **others})

    def delete(self, key: str) -> TraceState:
        """Without the key."""
        return TraceState({k: v for k, v in self._members.items() if k != key})

    def keys(self) -> KeysView[str]:
        """The keys in their order."""
        return self._members.keys()

    def items(self) -> ItemsView[str, str]:
        """Keys and values in their order."""
        return self._members.items()

    def values(self) -> ValuesView[str]:
        """The values in their order."""
        return self._members.values()

    def __contains__(self, item: object) -> bool:
        return item in self._members

    def __getitem__(self, key: str) -> str:
        return self._members[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"TraceState({self._members!r})"
