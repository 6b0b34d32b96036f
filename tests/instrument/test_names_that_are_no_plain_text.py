"""Names of spans and attributes that are of other classes than ``str``."""

from enum import Enum

import pytest
from taken import finished

from sluiceway.instrument import Telemetry


class Word(str, Enum):  # noqa: UP042 - what users of many versions have
    LOAD = "load cart"
    USER = "user.id"


class Proxy:
    """Says that it is of another class, as proxies to what a request has do."""

    __class__ = str

    def __call__(self):
        return str(self)

    def __str__(self):
        return "load cart"


class Unprintable:
    def __str__(self):
        raise ValueError("I will not be told")


class UnprintableText(str):
    __slots__ = ()

    def __str__(self):
        raise ValueError("I will not be told")

    def __hash__(self):
        raise ValueError("nor found")


@pytest.fixture
def telemetry():
    return Telemetry("shop")


def make_in_each_way(telemetry, name):
    """One span by ``span``, ``start_span``, ``start_as_current_span`` and renaming."""
    tracer = telemetry.tracer("a")
    with tracer.span(name), tracer.start_as_current_span(name):
        tracer.start_span(name).end()
        tracer.span(name)(int)()
        with tracer.span("another") as span:
            span.update_name(name)
    return [span.name for span in finished(telemetry)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (Word.LOAD, "load cart"),
        (Proxy(), "load cart"),
        (UnprintableText("load cart"), "load cart"),
        (Unprintable(), "<unprintable Unprintable>"),
        (None, "None"),
        (b"load", "b'load'"),
        (["load"], "['load']"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_name_that_is_no_plain_text_costs_no_span(telemetry, name, told):
    names = make_in_each_way(telemetry, name)
    assert names == [told] * 5
    assert {type(name) for name in names} == {str}


def test_a_member_of_an_enum_of_texts_names_an_attribute_by_its_value(telemetry):
    with telemetry.tracer("a").span("a", attributes={Word.USER: 1}) as span:
        span.set_attribute(Word.LOAD, {Word.USER: Word.LOAD})
        span.add_event(Word.LOAD, {Word.USER: 2})
    (event,) = finished(telemetry)
    assert event.attributes == {"user.id": 1, "load cart": {"user.id": "load cart"}}
    assert event.events[0].name == "load cart"
    assert event.events[0].attributes == {"user.id": 2}


def test_a_proxy_of_a_text_is_a_value_as_its_text_is(telemetry):
    with telemetry.tracer("a").span("a", attributes={Proxy(): Proxy()}):
        pass
    (event,) = finished(telemetry)
    assert event.attributes == {"load cart": "load cart"}
