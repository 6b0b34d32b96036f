"""The JSON Schema takes what a pipeline can be made of, and refuses what it cannot."""

import inspect
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from sluiceway.config import InvalidFileError, read
from sluiceway.config.hints import Unknown, evaluated
from sluiceway.config.schema import schema
from sluiceway.config.types import all_types, battery, battery_of
from sluiceway.sinks import OtlpSink

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@pytest.fixture(scope="module")
def validator():
    made = schema()
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


def told(validator, text):
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_schema_takes_the_examples(validator, path):
    assert told(validator, path.read_text()) == []


SINK = 'chains = ["in >> out"]\n[stages.in]\ntype = "JsonLinesSource"\npath = "x"\n'

RIGHT = [
    'type = "OtlpSink"\nmax_in_flight = "${MANY:-3}"',
    'type = "OtlpSink"\nbatch = false\nretry.deadline = 5',
    'type = "OtlpSink"\ncompression = "${HOW:-gzip}"\nheaders.a = "b"',
    'type = "JsonLinesSink"\npath = "y"\nfsync = true\nqueue = { capacity = 1 }',
    'type = "PushgatewaySink"\nbasic_auth = ["user", "word"]\ngrouping = {}',
    'type = "ConsoleSink"\nstream = "sys:stderr"',
    'type = "sluiceway.testing:CollectingSink"',
]
WRONG = [
    'type = "OtlpSnk"',
    "compression = 'gzip'",
    "type = 3",
    'type = "OtlpSink"\nmax_in_flight = "3"',
    'type = "OtlpSink"\nmax_in_flight = true',
    'type = "OtlpSink"\nmax_in_flight = 1.5',
    'type = "OtlpSink"\nretry = true',
    'type = "OtlpSink"\nretry.dedline = 5',
    'type = "OtlpSink"\ncompression = "zip"',
    'type = "OtlpSink"\nheaders = ["a"]',
    'type = "JsonLinesSink"',
    'type = "PushgatewaySink"\nbasic_auth = ["user"]',
    'type = "PushgatewaySink"\ngrouping.a = 1',
    'type = "Inlet"',
]


@pytest.mark.parametrize("lines", RIGHT)
def test_what_a_file_may_say_the_schema_takes(validator, lines):
    text = f"{SINK}[stages.out]\n{lines}\n"
    read(text, environment={})
    assert told(validator, text) == []


@pytest.mark.parametrize("lines", WRONG)
def test_what_a_file_may_not_say_the_schema_refuses_too(validator, lines):
    text = f"{SINK}[stages.out]\n{lines}\n"
    with pytest.raises(InvalidFileError):
        read(text, environment={})
    assert told(validator, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SINK + "[stages.'a b']\ntype = 'ConsoleSink'",
        "chain = []\n" + SINK,
        "drain_timeout = 'x'\n" + SINK,
        "name = 1\n" + SINK,
        SINK + "[routes.a]\nselect = 'kind'",
        SINK + "[routes.a]\nselect = 'kind'\nbranches = 'out'",
        SINK + "[routes.a]\nselect = 'kind'\nbranches.b = 'out'\ndefalt = 'out'",
    ],
)
def test_the_outermost_tables_are_in_the_schema_too(validator, text):
    with pytest.raises(InvalidFileError):
        read(text, environment={})
    assert told(validator, text)


def test_the_schema_says_what_each_stage_and_setting_is_for():
    defined = schema()["$defs"]
    told = inspect.getdoc(OtlpSink).partition("\n")[0]
    assert defined["OtlpSink"]["description"] == told
    setting = defined["OtlpSink"]["properties"]["max_in_flight"]
    assert setting["description"] == "writes at the same time; default 4."
    queue = defined["OtlpSink"]["properties"]["queue"]["properties"]
    assert "events that have room" in queue["capacity"]["description"]


def test_every_setting_of_every_battery_can_be_read_by_its_hints():
    """A setting whose hint cannot be evaluated would be a mere reference."""
    kinds = {word: battery(battery_of(word), word) for word, _ in all_types()}
    unknown = [
        f"{word}.{parameter.name}"
        for word, kind in kinds.items()
        for parameter in inspect.signature(kind).parameters.values()
        if evaluated(parameter.annotation, kind) is Unknown
    ]
    assert unknown == ["RegistrySource.registry"]
