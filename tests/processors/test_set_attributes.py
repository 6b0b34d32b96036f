from __future__ import annotations

import asyncio

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.events import Alert, LogRecord, Span
from sluiceway.processors import SetAttributes
from sluiceway.testing import check_processor, run


def span(**attributes):
    return Span(
        name="s", trace_id=b"t" * 16, span_id=b"s" * 8, attributes={**attributes}
    )


def put(stage, *events):
    return asyncio.run(run(stage, events))


def test_every_event_with_attributes_gets_them():
    events = [span(a=1), LogRecord(body="b")]
    result = put(SetAttributes({"env": "prod"}), *events)
    assert result.outputs == events
    assert events[0].attributes == {"a": 1, "env": "prod"}
    assert events[1].attributes == {"env": "prod"}


def test_by_default_what_is_there_is_replaced():
    event = span(env="dev")
    put(SetAttributes({"env": "prod"}), event)
    assert event.attributes == {"env": "prod"}


def test_without_overwrite_what_is_there_stays():
    event = span(env="dev")
    put(SetAttributes({"env": "prod", "zone": 1}, overwrite=False), event)
    assert event.attributes == {"env": "dev", "zone": 1}


def test_lists_and_dicts_are_not_shared_between_events():
    one, other = span(), span()
    source = {"tags": ["a"]}
    put(SetAttributes(source), one, other)
    one.attributes["tags"].append("b")
    source["tags"].append("c")
    assert other.attributes == {"tags": ["a"]}


def test_events_without_attributes_pass_as_they_are():
    events = [Alert(name="a"), {"x": 1}, "text"]
    assert put(SetAttributes({"env": "prod"}), *events).outputs == events


def test_an_event_whose_attributes_are_no_dict_costs_itself_only():
    class Odd:
        attributes = 5

    good = span()
    result = put(SetAttributes({"env": "prod"}), Odd(), good)
    assert result.outputs == [good]
    assert isinstance(result.failures[0], AttributeError)


@pytest.mark.parametrize("attributes", [None, ["a"], {1: "x"}, {"": 1}])
def test_attributes_that_are_no_mapping_of_texts_are_refused(attributes):
    with pytest.raises(ConfigurationError, match=r"SetAttributes\.attributes"):
        SetAttributes(attributes)


def test_it_conforms_and_can_stand_in_two_places():
    stage = SetAttributes({"env": "prod"})
    check_processor(lambda: stage, [span(), Alert(name="a")])
    assert (stage.stateful, stage.mutates) == (False, True)
    assert "env" in repr(stage)
    assert "prod" not in repr(stage)
