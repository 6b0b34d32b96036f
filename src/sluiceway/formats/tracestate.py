"""The ``tracestate`` header, and its ``ot`` member: sampling threshold and randomness.

Law: what is not ours passes unchanged; what is ours and malformed counts as absent.
Both are whole numbers of 56 bits; a span is kept where randomness >= threshold.
Source: OpenTelemetry specification, ``trace/tracestate-handling.md`` and
``trace/tracestate-probability-sampling.md``; W3C Trace Context level 2, section 3.3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

DIGITS = 14  # hex digits of 56 bits
FULL = 1 << 56  # a threshold that no randomness reaches: keep nothing
MEMBERS = 32  # W3C: a tracestate with more is invalid as a whole
LONGEST_VALUE = 256
LONGEST = 8192  # characters of the whole; W3C asks for 512 at least
BULKY = 128  # W3C: members with more characters go first where some must

MEMBER = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})="
    r"([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
THRESHOLD = re.compile(r"[0-9a-f]{1,14}")
RANDOMNESS = re.compile(r"[0-9a-f]{14}")


def parse_tracestate(headers: Iterable[str]) -> dict[str, str]:
    """The members of all headers in their order; nothing where one is malformed.

    Args:
        headers: the values of the headers. Of two members with one key the first one
            stays; more than 8192 characters are shortened.
    """
    found: dict[str, str] = {}
    text = ",".join(headers)
    for part in text.split(","):
        member = part.strip(" \t")
        if not member:
            continue
        pair = MEMBER.fullmatch(member)
        if pair is None or len(found) == MEMBERS:
            return {}
        found.setdefault(*pair.groups())
    return found if len(text) <= LONGEST else shortened(found)


def format_tracestate(members: dict[str, str]) -> str:
    """The header's text."""
    return ",".join([f"{key}={value}" for key, value in members.items()])


def is_member(key: str, value: str) -> bool:
    """Whether a tracestate can hold this key and value."""
    return MEMBER.fullmatch(f"{key}={value}") is not None


def shortened(members: dict[str, str], longest: int = LONGEST) -> dict[str, str]:
    """What fits into so many characters: bulky members go first, then from the right.

    Args:
        members: keys and values in their order.
        longest: characters, the commas included.
    """
    kept = dict(members)
    excess = len(format_tracestate(kept)) - longest
    sizes = {key: len(key) + len(value) + 1 for key, value in members.items()}
    bulky = [key for key in reversed(members) if sizes[key] > BULKY]
    others = [key for key in reversed(members) if sizes[key] <= BULKY]
    for key in bulky + others:
        if excess <= 0:
            break
        del kept[key]
        excess -= sizes[key] + 1
    return kept


def threshold_of(probability: float, precision: int = 4) -> int:
    """The threshold that keeps ``probability`` (0, or 2**-56 to 1) of all traces.

    Args:
        probability: 0 keeps nothing, 1 everything.
        precision: hex digits that are kept, not counting leading f's.
    """
    threshold = FULL - round(probability * FULL)
    leading = max(0, -math.frexp(probability)[1]) // 4
    shift = 4 * max(0, DIGITS - leading - precision)
    return (threshold + (1 << shift >> 1)) >> shift << shift


def probability_of(threshold: int) -> float:
    """The share of all traces that a threshold keeps."""
    return (FULL - threshold) / FULL


def adjusted_count(threshold: int) -> float:
    """How many spans one kept span stands for; the threshold is below ``2**56``."""
    return FULL / (FULL - threshold)


def randomness_of(trace_id: bytes) -> int:
    """The randomness of a trace without an explicit one: its id's last 7 bytes."""
    return int.from_bytes(trace_id[-7:], "big")


def format_threshold(threshold: int) -> str:
    """Up to 14 hex digits, without trailing zeros; ``"0"`` keeps everything."""
    return f"{threshold:014x}".rstrip("0") or "0"


def parse_threshold(text: str) -> int | None:
    """The threshold that ``th`` tells, or None if it is malformed."""
    if THRESHOLD.fullmatch(text) is None:
        return None
    return int(text.ljust(DIGITS, "0"), 16)


def parse_randomness(text: str) -> int | None:
    """The randomness that ``rv`` tells, or None if it is malformed."""
    return int(text, 16) if RANDOMNESS.fullmatch(text) else None


def read_ot(trace_state: str) -> tuple[int | None, int | None]:
    """The threshold and the randomness in a tracestate, each None where absent."""
    if "ot=" not in trace_state:
        return None, None
    entries, _ = split_members(trace_state)
    pairs = (entry.partition(":") for entry in reversed(entries))  # the first one wins
    values = {key: value for key, _, value in pairs}
    threshold = parse_threshold(values.get("th", ""))
    return threshold, parse_randomness(values.get("rv", ""))


def trace_state_with_threshold(trace_state: str, threshold: int | None) -> str:
    """The tracestate with this ``th``; unknown sub-keys and other members stay.

    Args:
        trace_state: the header's text, may be empty.
        threshold: below ``2**56``; None erases ``th``, for an unknown probability.
    """
    entries, others = split_members(trace_state)
    place = next((i for i, e in enumerate(entries) if e.startswith("th:")), 0)
    entries = [entry for entry in entries if is_kept(entry)]
    if threshold is not None:
        entries.insert(place, f"th:{format_threshold(threshold)}")
    shorten(entries)
    members = [f"ot={';'.join(entries)}", *others] if entries else others
    return ",".join(members[:MEMBERS])


def consistent_trace_state(trace_state: str, trace_id: bytes, sampled: bool) -> str:
    """The tracestate without a ``th`` that contradicts what was decided.

    Args:
        trace_state: the header's text, may be empty.
        trace_id: the randomness, where the tracestate has no ``rv``.
        sampled: what was decided.
    """
    threshold, randomness = read_ot(trace_state)
    if threshold is None:
        return trace_state
    if randomness is None:
        randomness = randomness_of(trace_id)
    if (randomness >= threshold) == sampled:
        return trace_state
    return trace_state_with_threshold(trace_state, None)


def split_members(trace_state: str) -> tuple[list[str], list[str]]:
    """The entries of the first ``ot`` member, and all members of other vendors."""
    entries: list[str] | None = None
    others = []
    for member in trace_state.split(","):
        text = member.strip(" \t")
        key, _, value = text.partition("=")
        if key != "ot":
            others.append(text)
        elif entries is None:
            entries = value.split(";")
    return entries or [], [member for member in others if member]


def is_kept(entry: str) -> bool:
    """Whether an entry stays when ``th`` is written: not the old one, no broken rv."""
    if entry.startswith("rv:"):
        return parse_randomness(entry[3:]) is not None
    return bool(entry) and not entry.startswith("th:")


def shorten(entries: list[str]) -> None:
    """Drop unknown entries from the right until the value has a legal length."""
    while len(";".join(entries)) > LONGEST_VALUE:
        unknown = [i for i, e in enumerate(entries) if e[:3] not in {"th:", "rv:"}]
        del entries[unknown[-1]]
