"""Whether a function waits is known before it is called."""

import functools

import pytest

from sluiceway import BatchBy, ConfigurationError, Queue, route
from sluiceway.functions import is_async, is_plain
from sluiceway.processors import Filter
from sluiceway.testing import CollectingSink


class Waits:
    async def __call__(self, event):
        return 1


class Answers:
    def __call__(self, event):
        return 1


async def waits(event):
    return 1


@pytest.mark.parametrize("function", [waits, Waits(), functools.partial(waits, 1)])
def test_what_must_be_awaited_is_known_by_its_declaration(function):
    assert is_async(function)
    assert not is_plain(function)


@pytest.mark.parametrize("function", [len, Answers(), lambda event: 1])
def test_what_answers_at_once_is_plain(function):
    assert is_plain(function)
    assert not is_async(function)


def test_what_cannot_be_called_is_neither():
    assert not is_async(7)
    assert not is_plain(7)


@pytest.mark.parametrize("function", [waits, Waits()])
@pytest.mark.parametrize(
    "take",
    [
        lambda function: BatchBy(size=function),
        lambda function: Queue(max_bytes=1, size=function),
        lambda function: route(function, {"a": CollectingSink()}),
        Filter,
    ],
    ids=["BatchBy", "Queue", "route", "Filter"],
)
def test_a_function_that_must_be_awaited_is_refused_where_one_has_to_answer_at_once(
    take, function
):
    with pytest.raises(ConfigurationError, match="expected a plain function"):
        take(function)
