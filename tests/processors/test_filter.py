from __future__ import annotations

import asyncio

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.processors import Filter
from sluiceway.stages import Processed
from sluiceway.testing import check_processor, run


def test_the_events_that_the_predicate_likes_go_on_in_order():
    result = asyncio.run(run(Filter(lambda n: n % 2), [1, 2, 3, 4]))
    assert result.outputs == [1, 3]
    assert result.failures == {}


def test_a_failing_predicate_rejects_only_its_event():
    result = asyncio.run(run(Filter(lambda n: 10 / n > 3), [1, 0, 2, 9]))
    assert result.outputs == [1, 2]
    assert list(result.failures) == [1]
    assert isinstance(result.failures[1], ZeroDivisionError)


def test_filtered_and_failed_events_are_counted_apart():
    answer = Filter(lambda n: 10 / n > 3).process([1, 0, 2, 9])
    assert isinstance(answer, Processed)
    assert (answer.filtered, answer.created, len(answer.failed)) == (1, 0, 1)


@pytest.mark.parametrize("predicate", [None, "x > 1", 5])
def test_a_predicate_that_is_no_function_is_refused(predicate):
    with pytest.raises(ConfigurationError, match=r"Filter\.predicate"):
        Filter(predicate)


def test_an_async_predicate_is_refused_since_it_would_be_true_for_every_event():
    async def ask(_event):
        return False

    with pytest.raises(ConfigurationError, match="plain function"):
        Filter(ask)


def test_it_conforms_and_can_stand_in_two_places():
    stage = Filter(lambda n: n > 1, name="big")
    check_processor(lambda: stage, [1, 2, 3])
    assert (stage.name, stage.stateful, stage.mutates) == ("big", False, False)
    assert "Filter" in repr(stage)
