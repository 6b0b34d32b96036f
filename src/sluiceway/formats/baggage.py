"""The ``baggage`` header: names and values that travel with a request.

Law: a bad member costs itself only; members are whole or absent. Names are
case-sensitive tokens and stand as they are, values are percent-encoded UTF-8, and a
member's properties are passed on as they came. Source: W3C Baggage, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Self
from urllib.parse import quote, unquote

LONGEST = 8192  # bytes of the whole; so much every platform passes on

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
# What quote() need not touch: every baggage-octet but the percent sign, and but for
# the plus sign, which some readers take for a space.
UNTOUCHED = "!#$&'()*-./:<=>?@[]^_`{|}~"
PLAIN = re.compile(rf"[{re.escape(UNTOUCHED)}0-9A-Za-z]*")


class BaggageValue(str):
    """A value of a baggage: a text, and the properties that came with it.

    Attributes:
        properties: as in the header, without the first semicolon; often empty.
    """

    __slots__ = ("properties",)
    properties: str

    def __new__(cls, value: str, properties: str = "") -> Self:
        """The text ``value`` with these properties."""
        made = super().__new__(cls, value)
        made.properties = properties
        return made


def parse_baggage(headers: Iterable[str]) -> dict[str, BaggageValue]:
    """The members of all headers in their order; of two namesakes the last one wins.

    Args:
        headers: the values of the headers; what is beyond 8192 bytes is left out.
    """
    found: dict[str, BaggageValue] = {}
    for member in bounded_members(headers):
        name, value = parse_member(member)
        if name:
            found[name] = value
    return found


def bounded_members(headers: Iterable[str]) -> Iterator[str]:
    """The first members, as many as are 8192 bytes, without the space round them."""
    room = LONGEST + 1
    for part in ",".join(headers).split(","):
        member = part.strip(" \t")
        if not member:
            continue
        room -= len(member) + 1
        if room < 0:
            return
        yield member


def parse_member(member: str) -> tuple[str, BaggageValue]:
    """Name and value of a member; the name is empty where it is malformed."""
    pair, _, further = member.partition(";")
    name, equals, text = pair.partition("=")
    name, text = name.strip(" \t"), text.strip(" \t")
    if not equals or not TOKEN.fullmatch(name) or not OCTETS.fullmatch(text):
        return "", BaggageValue("")
    if "%" in text:
        text = unquote(text, errors="replace")
    return name, BaggageValue(text, clean_properties(further) if further else "")


def clean_properties(text: str) -> str:
    """The properties without the space in them, and without malformed ones."""
    return ";".join(filter(None, map(clean_property, text.split(";"))))


def clean_property(text: str) -> str:
    """The property without the space in it, or nothing where it is malformed."""
    key, equals, value = (part.strip(" \t") for part in text.partition("="))
    if not TOKEN.fullmatch(key) or not OCTETS.fullmatch(value):
        return ""
    return f"{key}{equals}{value}"


def format_baggage(members: Iterable[tuple[str, str]]) -> tuple[str, list[str]]:
    """The header, and the names of those members that could not be part of it.

    Args:
        members: names and values; a ``BaggageValue`` keeps its properties. A name that
            is no token cannot be told, and what does not fit into 8192 bytes is left
            out, so that shorter members after it still go.
    """
    told: list[str] = []
    left_out: list[str] = []
    room = LONGEST + 1
    for name, value in members:
        member = format_member(name, value)
        if TOKEN.fullmatch(name) is None or len(member) >= room:
            left_out.append(name)
        else:
            room -= len(member) + 1
            told.append(member)
    return ",".join(told), left_out


def format_member(name: str, value: str) -> str:
    """One member, its value percent-encoded where it must be."""
    properties = value.properties if isinstance(value, BaggageValue) else ""
    text = str(value)
    if PLAIN.fullmatch(text) is None:  # a third of the cost of asking quote()
        text = quote(text, safe=UNTOUCHED, errors="replace")
    return f"{name}={text};{properties}" if properties else f"{name}={text}"
