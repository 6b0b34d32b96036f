"""The rules of the W3C's own test suite for baggage, as vectors, and its limits."""

from __future__ import annotations

import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.formats.baggage import BaggageValue, format_baggage, parse_baggage

ODD = "\t \"';=asdf!@#$%^&*()"


def told(*headers):
    """Names with values and properties, as they were read."""
    found = parse_baggage(headers)
    return [(name, str(value), value.properties) for name, value in found.items()]


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        ([], []),
        ([""], []),
        (["a=b"], [("a", "b", "")]),
        (["a="], [("a", "", "")]),
        (["SomeKey=Some=equals="], [("SomeKey", "Some=equals=", "")]),
        (["Key=1,key=2"], [("Key", "1", ""), ("key", "2", "")]),
        (
            ["SomeKey=SomeValue;SomeProp,Key2=Value2;ValueProp=PropVal"],
            [
                ("SomeKey", "SomeValue", "SomeProp"),
                ("Key2", "Value2", "ValueProp=PropVal"),
            ],
        ),
        (
            ["K \t = \t V \t ; \t P \t ; \t Q \t = \t R \t , \t K2 \t = \t V2 \t "],
            [("K", "V", "P;Q=R"), ("K2", "V2", "")],
        ),
        ([f"SomeKey={quote(ODD)}"], [("SomeKey", ODD, "")]),
        (["a=DF%2028,b=a+b"], [("a", "DF 28", ""), ("b", "a+b", "")]),
        (["a=1", "b=2,c=3"], [("a", "1", ""), ("b", "2", ""), ("c", "3", "")]),
        (["a=1,b=2,a=3"], [("a", "3", ""), ("b", "2", "")]),
        (["a=%FF%C3%A9"], [("a", "\ufffd\u00e9", "")]),
        (["a=100%,b=%zz"], [("a", "100%", ""), ("b", "%zz", "")]),
        (["a=1;p=%41;q"], [("a", "1", "p=%41;q")]),
        (["a=1;;p; =x"], [("a", "1", "p")]),
        (["%41=1"], [("%41", "1", "")]),
    ],
)
def test_valid_members_are_read_and_decoded(headers, members):
    assert told(*headers) == members


@pytest.mark.parametrize(
    "wrong",
    [
        "a",
        "=b",
        " =b",
        "a b=c",
        "a=b c",
        'a="b"',
        "a=b\\c",
        "\u00e9=b",
        "a=\u00e9",
        "(=1",
    ],
)
def test_a_malformed_member_costs_only_itself(wrong):
    assert told(f"good=1,{wrong},,after=2") == [("good", "1", ""), ("after", "2", "")]


def test_a_value_is_text_and_remembers_its_properties():
    value = parse_baggage(["a=b;ttl=5;private"])["a"]
    assert value == "b"
    assert isinstance(value, str)
    assert value.properties == "ttl=5;private"
    copy = pickle.loads(pickle.dumps(value))
    assert (copy, copy.properties) == (value, value.properties)


@pytest.mark.parametrize(
    ("members", "header"),
    [
        ([], ""),
        ([("a", "b")], "a=b"),
        ([("a", "DF 28"), ("b", "x+y")], "a=DF%2028,b=x%2By"),
        ([("SomeKey", ODD)], "SomeKey=%09%20%22'%3B=asdf!@#$%25^&*()"),
        ([("a", "1,2;3\\")], "a=1%2C2%3B3%5C"),
        ([("a", "\u00e9")], "a=%C3%A9"),
        ([("a", BaggageValue("b c", "ttl=5;private"))], "a=b%20c;ttl=5;private"),
    ],
)
def test_values_are_written_so_that_everybody_reads_the_same(members, header):
    assert format_baggage(members) == (header, [])


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a,b", "\u00e9", "a;b"])
def test_a_name_that_cannot_be_told_is_left_out_and_returned(name):
    assert format_baggage([("a", "1"), (name, "2")]) == ("a=1", [name])


def test_at_least_64_members_and_8192_bytes_are_passed_on():
    many = [(f"key{i}", "value") for i in range(64)]
    assert len(parse_baggage([format_baggage(many)[0]])) == 64
    header, left_out = format_baggage([("a", "0123456789" * 819)])
    assert (len(header), left_out) == (8192, [])
    assert len(parse_baggage([header])["a"]) == 8190
    short = [(f"{i:03d}", "0123456789a") for i in range(512)]
    header, left_out = format_baggage(short)
    assert (len(header), left_out) == (8191, [])
    assert len(parse_baggage([header])) == 512


def test_what_does_not_fit_is_left_out_whole():
    header, left_out = format_baggage([("a", "1"), ("b", "x" * 8192), ("c", "3")])
    assert (header, left_out) == ("a=1,c=3", ["b"])
    read = parse_baggage([f"a=1,b={'x' * 8192},c=3"])
    assert [*read] == ["a"]


def test_a_text_that_is_no_unicode_is_told_in_part():
    header, _ = format_baggage([("a", "x\ud800y")])
    assert parse_baggage([header])["a"] == "x?y"


names = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,10}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
properties = st.lists(st.sampled_from(["p", "q=1", "r=%20", "s="]), max_size=3)
values = st.builds(BaggageValue, texts, properties.map(";".join))


@given(st.dictionaries(names, values, max_size=20))
def test_what_is_written_is_read_back_with_its_properties(members):
    header, left_out = format_baggage(members.items())
    assert header.isascii()
    assert left_out == []
    found = parse_baggage([header])
    assert found == members
    for name, value in members.items():
        assert found[name].properties == value.properties


@given(st.lists(st.text(max_size=40), max_size=3))
def test_any_text_is_read_and_told_again_the_same(headers):
    found = parse_baggage(headers)
    again = parse_baggage([format_baggage(found.items())[0]])
    assert again == found
