"""The rules of the W3C's own test suite for ``tracestate``, as vectors."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.formats.tracestate import (
    format_tracestate,
    is_member,
    parse_tracestate,
    shortened,
)

KEY_LETTERS = string.ascii_lowercase + string.digits + "_-*/@"
VALUE_LETTERS = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in ",=")


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        (["foo=1"], {"foo": "1"}),
        (["foo=1,bar=2"], {"foo": "1", "bar": "2"}),
        (["a=1,b=2", "c=1", "d=3"], {"a": "1", "b": "2", "c": "1", "d": "3"}),
        ([], {}),
        ([""], {}),
        (["foo=1", ""], {"foo": "1"}),
        (["", "foo=1"], {"foo": "1"}),
        (["foo=1,,bar=2,"], {"foo": "1", "bar": "2"}),
        (["foo=1 \t , \t bar=2, \t baz=3"], {"foo": "1", "bar": "2", "baz": "3"}),
        (["\t foo=1 \t"], {"foo": "1"}),
        (["foo=  1"], {"foo": "  1"}),
        (["foo=1,foo=2"], {"foo": "1"}),
        (["foo=1", "foo=2"], {"foo": "1"}),
        (["1a=x"], {"1a": "x"}),
        ([f"{'z' * 256}=1"], {"z" * 256: "1"}),
        ([f"foo={'v' * 256}"], {"foo": "v" * 256}),
        (["t" * 241 + "@" + "v" * 14 + "=1"], {"t" * 241 + "@" + "v" * 14: "1"}),
        ([f"a{KEY_LETTERS}={VALUE_LETTERS}"], {f"a{KEY_LETTERS}": VALUE_LETTERS}),
        ([",".join(f"k{i}=1" for i in range(32))], {f"k{i}": "1" for i in range(32)}),
    ],
)
def test_the_members_of_valid_headers_are_kept_in_their_order(headers, members):
    assert list(parse_tracestate(headers).items()) == list(members.items())


@pytest.mark.parametrize(
    "wrong",
    [
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1",
        "_foo=1",
        "foo",
        "foo=",
        "=1",
        "foo=1=2",
        "foo=bar=",
        "foo=\u00e9",
        "foo=a\tb",
        "foo=a\nb",
        f"{'z' * 257}=1",
        f"foo={'v' * 257}",
        ",".join(f"k{i}=1" for i in range(32)),
    ],
)
def test_one_malformed_member_spoils_them_all(wrong):
    assert parse_tracestate(["good=1", wrong]) == {}


def test_bulky_members_go_first_and_then_those_on_the_right():
    members = {"a": "1" * 126, "b": "2" * 127, "c": "3" * 127, "d": "4", "e": "5"}
    assert [*shortened(members, 512)] == [*"abcde"]
    assert [*shortened(members, 396)] == [*"abcde"]
    assert [*shortened(members, 395)] == [*"abde"]
    assert [*shortened(members, 140)] == [*"ade"]
    assert [*shortened(members, 135)] == [*"ad"]
    assert [*shortened(members, 128)] == [*"a"]
    assert shortened(members, 0) == {}


def test_so_many_characters_are_never_sent_on():
    header = ",".join(f"k{i}={'v' * 256}" for i in range(32))
    kept = parse_tracestate([header])
    assert len(format_tracestate(kept)) <= 8192
    assert [*kept] == [f"k{i}" for i in range(len(kept))]


keys = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
values = st.text(VALUE_LETTERS, min_size=1, max_size=20).map(str.lstrip)
values = values.map(str.rstrip).filter(bool)


@given(st.dictionaries(keys, values, max_size=32), st.integers(1, 31))
def test_what_is_written_is_read_back_from_one_header_or_two(members, cut):
    pairs = [f"{key}={value}" for key, value in members.items()]
    assert parse_tracestate([format_tracestate(members)]) == members
    headers = [",".join(pairs[:cut]), ",".join(pairs[cut:])]
    assert list(parse_tracestate(headers).items()) == list(members.items())


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_text_is_read_or_refused(headers):
    for key, value in parse_tracestate(headers).items():
        assert is_member(key, value)
