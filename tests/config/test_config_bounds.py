"""The schema's bounds of numbers are those of the constructors."""

from __future__ import annotations

import tomllib

import pytest
from jsonschema import Draft202012Validator

from sluiceway import Pipeline, sink
from sluiceway.config import InvalidFileError, read
from sluiceway.config.forms import Choice, Simple
from sluiceway.config.outline import OUTLINE
from sluiceway.config.records import Record
from sluiceway.config.schema import schema
from sluiceway.config.types import StageType, all_types
from sluiceway.settings import Bounds
from sluiceway.sources import HostMetricsSource

NEEDED = {
    "AbsenceRule": 'alert = "x"',
    "ChangeRule": 'alert = "x"\nabove = 1',
    "Escalation": 'levels = [{ targets = ["a"] }]',
    "RateRule": 'alert = "x"\nabove = 1',
    "RatioRule": 'alert = "x"\nabove = 1\nof = {}',
    "ThresholdRule": 'alert = "x"\nabove = 1',
    "Filter": 'predicate = "builtins:bool"',
    "FileTailSource": 'paths = "x"',
    "HealthSource": 'checks = [{ name = "x", pipeline = true }]',
    "IterableSource": "iterable = []",
    "JsonLinesSink": 'path = "x"',
    "JsonLinesSource": 'path = "x"',
    "PagerDutySink": 'routing_key = "x"',
    "ProbabilitySampler": "probability = 1",
    "PrometheusScrapeSource": 'targets = ["http://a"]',
    "RateLimitSampler": "per_second = 1",
    "SetAttributes": "attributes = {}",
    "SlackSink": 'url = "http://a"',
    "WebhookSink": 'url = "http://a"',
}
FREE = {"above", "below", "clear", "dropped_attributes_count"}  # any number at all


@sink
async def nothing(events):
    """Takes all."""


def numbers_of(record, at=()):
    """The numeric settings of a table and of those in it, by path, with their forms."""
    for key, setting in record.settings.items():
        form = setting.form
        for each in form.forms if isinstance(form, Choice) else [form]:
            if isinstance(each, Record):
                yield from numbers_of(each, (*at, key))
            elif isinstance(each, Simple) and each.word in ("integer", "number"):
                yield (*at, key), each


def all_numbers():
    for word, kind in all_types():
        for path, form in numbers_of(kind.record):
            free = path[-1] in FREE
            if not free:
                yield pytest.param(word, path, form, id=".".join((word, *path)))


@pytest.fixture(scope="module")
def validator():
    return Draft202012Validator(schema())


IN = '[stages.in]\ntype = "JsonLinesSource"\npath = "x"\n'
OUT = '[stages.out]\ntype = "ConsoleSink"\n'


def file_with(word, path, value):
    """A file in which a setting of a stage of the kind has a value."""
    needed = NEEDED.get(word, "")
    if needed.startswith(f"{path[0]} ="):
        needed = ""
    around = {"Source": ("x >> out", OUT), "Sink": ("in >> x", IN)}
    ends = next((ends for kind, ends in around.items() if kind in word), None)
    chain, others = ends or ("in >> x >> out", IN + OUT)
    setting = f"{'.'.join(path)} = {value}"
    return (
        f'chains = ["{chain}"]\n[stages.x]\ntype = "{word}"\n{needed}\n{setting}\n'
        f"{others}"
    )


def taken(validator, text):
    """Whether a file is taken, by the loader and by the schema."""
    try:
        read(text, environment={})
    except InvalidFileError as error:
        places = [problem.path for problem in error.problems]
        by_loader = not all(place.startswith("stages.x") for place in places)
    else:
        by_loader = True
    return by_loader, validator.is_valid(tomllib.loads(text))


@pytest.mark.parametrize(("word", "path", "form"), [*all_numbers()])
def test_the_bounds_of_a_number_are_those_of_its_constructor(
    validator, word, path, form
):
    bounds = form.bounds
    assert isinstance(bounds, Bounds), "annotate it: Annotated[int, Bounds(1)]"
    tried = {bounds.low - 1: False, bounds.low: not bounds.above}
    if bounds.above:
        tried |= {bounds.low + 0.001: True}
    if bounds.high != float("inf"):
        tried |= {bounds.high: True, bounds.high + 1: False}
    if path[-1] == "max_bytes":  # needs a function that tells the size
        tried = {value: False for value, good in tried.items() if not good}
    for value, good in tried.items():
        assert taken(validator, file_with(word, path, value)) == (good, good), value


def test_the_numbers_of_the_outermost_table_have_bounds_too(validator):
    text = file_with("HostMetricsSource", ("interval",), 1)
    assert taken(validator, text) == (True, True)
    for value, good in ((-1, False), (0, True), (1e9, True)):
        whole = f"drain_timeout = {value}\n{text}"
        assert validator.is_valid(tomllib.loads(whole)) is good
    assert [path for path, _ in numbers_of(OUTLINE)] == [("drain_timeout",)]


def test_what_the_engine_reads_off_a_stage_of_ones_own_has_bounds():
    record = StageType("own:nothing", nothing).record
    found = {path: form.bounds for path, form in numbers_of(record)}
    assert found[("max_in_flight",)] == Bounds(1)
    assert found[("timeout",)] == Bounds(0, above=True)
    assert found[("retry", "deadline")] == Bounds(0)
    assert Pipeline(HostMetricsSource(1) >> nothing).graph()


def test_a_variable_may_stand_for_a_number_all_the_same(validator):
    text = file_with("HostMetricsSource", ("interval",), '"${INTERVAL:-60}"')
    assert taken(validator, text) == (True, True)
