"""The rules of the W3C's own test suite for trace contexts, as vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.formats.traceparent import format_traceparent, parse_traceparent

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
GOOD = f"00-{TRACE}-{SPAN}-01"
READ = (int(TRACE, 16), int(SPAN, 16), 1)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f" {GOOD}",
        f"\t{GOOD}",
        f"{GOOD} ",
        f"\t {GOOD} \t",
        f"cc-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
        f"01-{TRACE}-{SPAN}-01-",
        f"fe-{TRACE}-{SPAN}-01-\u00e9",
    ],
)
def test_a_valid_header_is_read_whatever_later_versions_add(text):
    assert parse_traceparent(text) == READ


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        f"{GOOD}.",
        f"{GOOD}-",
        f"{GOOD}-what-the-future-will-be-like",
        f"{GOOD}\n",
        f"{GOOD},{GOOD}",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
        f"cc-{TRACE}-{SPAN}-011",
        f"ff-{TRACE}-{SPAN}-01",
        f".0-{TRACE}-{SPAN}-01",
        f"0.-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"0000-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-.{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE}3-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-.{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        f"00-{TRACE}-{SPAN}7-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}-.0",
        f"00-{TRACE}-{SPAN}-0.",
        f"00-{TRACE}-{SPAN}-001",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{'a' * 31}A-{SPAN}-01",
        f"00-{TRACE}-{'b' * 15}B-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"0A-{TRACE}-{SPAN}-01",
        "00-" + "\uff11" * 32 + f"-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
    ],
)
def test_a_header_that_breaks_a_rule_is_none(text):
    assert parse_traceparent(text) is None


@pytest.mark.parametrize(
    ("flags", "known"),
    [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0), ("08", 0)],
)
def test_only_the_flags_that_are_known_are_read_and_sent(flags, known):
    read = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}")
    assert read == (*READ[:2], known)
    sent = format_traceparent(*READ[:2], int(flags, 16))
    assert sent == f"00-{TRACE}-{SPAN}-{known:02x}"


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.integers(0, 3))
def test_what_is_written_is_read_back(trace_id, span_id, flags):
    text = format_traceparent(trace_id, span_id, flags)
    assert len(text) == 55
    assert parse_traceparent(text) == (trace_id, span_id, flags)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    assert parse_traceparent(text) is None


@given(st.integers(0, 54), st.characters())
def test_a_character_that_is_no_lower_case_hex_digit_spoils_it(place, character):
    text = GOOD[:place] + character + GOOD[place + 1 :]
    is_hex = character in "0123456789abcdef"
    if GOOD[place] == "-":
        assert (parse_traceparent(text) is None) == (character != "-")
    else:
        assert (parse_traceparent(text) is not None) <= is_hex
