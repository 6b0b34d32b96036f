"""The ``traceparent`` header: which trace and span a request continues.

Law: a header that breaks any rule counts as absent, as a whole. What a later version
adds is not understood and not passed on. Source: W3C Trace Context level 2, section
3.2.
"""

from __future__ import annotations

import re

SAMPLED = 0x01
RANDOM = 0x02  # the right 7 bytes of the trace id are
KNOWN_FLAGS = SAMPLED | RANDOM

HEADER = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.DOTALL,
)

TraceParent = tuple[int, int, int]  # trace id, span id, the flags that are known


def parse_traceparent(text: str) -> TraceParent | None:
    """What the header says, or None where it is malformed.

    Args:
        text: the value of the one header there was; space round it means nothing.
    """
    found = HEADER.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace, span, flags, further = found.groups()
    if version == "ff" or (version == "00" and further is not None):
        return None
    trace_id, span_id = int(trace, 16), int(span, 16)
    if not trace_id or not span_id:
        return None
    return trace_id, span_id, int(flags, 16) & KNOWN_FLAGS


def format_traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """The header of version 00; flags that are not known are sent as zero.

    Args:
        trace_id: of 128 bits, not 0.
        span_id: of 64 bits, not 0.
        flags: the 8 bits of a trace's flags.
    """
    return f"00-{trace_id:032x}-{span_id:016x}-{flags & KNOWN_FLAGS:02x}"
