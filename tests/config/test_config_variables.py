"""Variables are filled into texts, and their values are in no error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.config import InvalidFileError, read

FILE = """
chains = ["letters >> out"]
[stages.letters]
type = "IterableSource"
iterable = ["{text}"]
[stages.out]
type = "ConsoleSink"
"""


def filled(text, **variables):
    pipeline = read(FILE.replace("{text}", text), environment=variables).pipeline
    return pipeline.sources()[0].iterable[0]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${NAME}", "shop"),
        ("a ${NAME} and ${NAME}.", "a shop and shop."),
        ("${MISSING:-a default}", "a default"),
        ("${EMPTY:-a default}", "a default"),
        ("${EMPTY}", ""),
        ("${MISSING:-}", ""),
        ("${NAME:-a default}", "shop"),
        ("$${NAME}", "${NAME}"),
        ("$$$$", "$$"),
        ("^costs 5 $", "^costs 5 $"),
        ("$NAME", "$NAME"),
        ("${HARMLESS}", 'x"\n[stages.evil]\ntype = "${NAME}"'),
    ],
)
def test_a_variable_stands_for_its_value_and_nothing_else(text, meant):
    harmless = 'x"\n[stages.evil]\ntype = "${NAME}"'
    assert filled(text, NAME="shop", EMPTY="", HARMLESS=harmless) == meant


@given(st.text())
def test_no_value_can_break_a_file(value):
    assert filled("${VALUE}", VALUE=value) == value


def test_a_variable_may_stand_for_a_number_or_a_flag():
    text = """
    chains = ["lines >> out"]
    [stages.lines]
    type = "JsonLinesSource"
    path = "x"
    batch_size = "${SIZE:-7}"
    [stages.out]
    type = "JsonLinesSink"
    path = "y"
    fsync = "${SAFE}"
    retry = "${RETRY:-false}"
    """
    source = read(text, environment={"SAFE": "true"}).pipeline.sources()[0]
    assert source.batch_size == 7
    with pytest.raises(InvalidFileError) as caught:
        read(text, "x.toml", {"SIZE": "1.5", "SAFE": "perhaps", "RETRY": "true"})
    assert str(caught.value).splitlines() == [
        "x.toml:6: stages.lines.batch_size: is '${SIZE:-7}'; expected a whole number",
        "x.toml:10: stages.out.fsync: is '${SAFE}'; expected true or false",
        (
            "x.toml:11: stages.out.retry: is '${RETRY:-false}'; "
            "expected a table of Retry's settings or false"
        ),
    ]


def test_a_variable_that_is_not_set_is_named_with_the_nearest_that_is():
    with pytest.raises(InvalidFileError) as caught:
        filled("${ENDPONT}", ENDPOINT="x")
    assert "no variable ENDPONT is set; set it or write ${ENDPONT:-default}" in str(
        caught.value
    )
    assert "did you mean 'ENDPOINT'?" in str(caught.value)


def test_a_variable_that_is_not_set_is_one_problem_and_not_two():
    text = 'chains = ["out"]\n[stages.out]\ntype = "OtlpSink"\nendpoint = "${NO}"\n'
    with pytest.raises(InvalidFileError) as caught:
        read(text, environment={})
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("text", ["${", "${NAME", "${}", "${NAME:}", "${A B}"])
def test_a_variable_that_is_written_wrongly_is_refused(text):
    with pytest.raises(InvalidFileError, match=r"expected \$\{NAME\} or \$\{NAME:-"):
        filled(text, NAME="x")


@pytest.mark.parametrize(
    "line",
    [
        'endpoint = "ftp://${SECRET}"',
        'headers = { "bad header" = "${SECRET}" }',
        'compression = "${SECRET}"',
        'max_in_flight = "${SECRET}"',
        'queue = "${SECRET}"',
        'queue = { when_full = "${SECRET}" }',
        'certificate = "${SECRET}"\nmax_request = 0',
    ],
)
@pytest.mark.parametrize("secret", ["hunter22", 'it\'s \\ {a} "quoted"\n one'])
def test_no_error_shows_the_value_of_a_variable(line, secret):
    text = f'chains = ["out"]\n[stages.out]\ntype = "OtlpSink"\n{line}\n'
    with pytest.raises(InvalidFileError) as caught:
        read(text, environment={"SECRET": secret})
    told = str(caught.value)
    assert "stages.out" in told
    assert secret not in told
    assert repr(secret)[1:-1] not in told
