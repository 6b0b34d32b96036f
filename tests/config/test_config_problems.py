"""What is wrong with a file is told at once, with line, path and the nearest word."""

import textwrap

import pytest

from sluiceway import ConfigurationError
from sluiceway.config import InvalidFileError, load, read

SOUND = """
chains = ["letters >> out"]
[stages.letters]
type = "IterableSource"
iterable = ["a", "b"]
[stages.out]
type = "ConsoleSink"
"""


def wrong(text, **variables):
    with pytest.raises(InvalidFileError) as caught:
        read(textwrap.dedent(text), "x.toml", variables)
    return str(caught.value).splitlines()


def with_out(*lines):
    """A sound file whose sink is of these lines; they begin at line 6."""
    head = [
        'chains = ["letters >> out"]',
        "[stages.letters]",
        'type = "IterableSource"',
        'iterable = ["a"]',
        "[stages.out]",
    ]
    return "\n".join([*head, *lines])


def test_a_sound_file_is_a_pipeline():
    pipeline = read(SOUND, environment={}).pipeline
    assert pipeline.graph() == "letters  source      -> out\nout      sink"


CASES = {
    "a wrong key": (
        ['type = "OtlpSink"', 'endpont = "http://localhost:4318"'],
        (
            "x.toml:7: stages.out.endpont: is no setting of OtlpSink; "
            "did you mean 'endpoint'?"
        ),
    ),
    "a wrong key far from all": (
        ['type = "ConsoleSink"', "xyzzy = 1"],
        (
            "x.toml:7: stages.out.xyzzy: is no setting of ConsoleSink; "
            "it has format, queue, stream"
        ),
    ),
    "a wrong type": (
        ['type = "OtlpSnk"'],
        (
            "x.toml:6: stages.out.type: no stage is of type 'OtlpSnk'; "
            "did you mean 'OtlpSink'?"
        ),
    ),
    "another spelling of a type": (
        ['type = "console_sink"'],
        (
            "x.toml:6: stages.out.type: no stage is of type 'console_sink'; "
            "did you mean 'ConsoleSink'?"
        ),
    ),
    "no type": (
        ["format = 'json'"],
        "x.toml:5: stages.out: has no type; expected a word such as 'OtlpSink'",
    ),
    "a source for programs": (
        ['type = "Inlet"'],
        (
            "x.toml:6: stages.out.type: 'Inlet' is for programs, which call it; "
            "a file can only name a source"
        ),
    ),
    "what is in a package of batteries and no stage": (
        ['type = "RuleSampler"'],
        (
            "x.toml:6: stages.out.type: no stage is of type 'RuleSampler'; "
            "did you mean 'RateLimitSampler'?"
        ),
    ),
    "a missing setting": (
        ['type = "JsonLinesSink"'],
        "x.toml:5: stages.out: JsonLinesSink needs path: a text",
    ),
    "a text for a number": (
        ['type = "OtlpSink"', 'max_in_flight = "many"'],
        "x.toml:7: stages.out.max_in_flight: is 'many'; expected a whole number",
    ),
    "a flag for a number": (
        ['type = "OtlpSink"', "max_in_flight = true"],
        "x.toml:7: stages.out.max_in_flight: is true; expected a whole number",
    ),
    "a number that its constructor refuses": (
        ['type = "OtlpSink"', "max_in_flight = 0"],
        "x.toml:7: stages.out.max_in_flight: is 0; expected a whole number from 1",
    ),
    "a wrong word": (
        ['type = "ConsoleSink"', 'format = "jsn"'],
        (
            "x.toml:7: stages.out.format: is 'jsn'; expected one of 'line', 'json'; "
            "did you mean 'json'?"
        ),
    ),
    "inside an inline table": (
        ['type = "ConsoleSink"', "queue = { capacity = 10, when_ful = 'block' }"],
        (
            "x.toml:7: stages.out.queue.when_ful: is no setting of Queue; "
            "did you mean 'when_full'?"
        ),
    ),
    "inside a table of its own": (
        ['type = "OtlpSink"', "[stages.out.retry]", "initial = -1"],
        "x.toml:8: stages.out.retry.initial: is -1; expected a number from 0",
    ),
    "a table for a text": (
        ['type = "JsonLinesSink"', "path = { name = 'x' }"],
        "x.toml:7: stages.out.path: is a table; expected a text",
    ),
    "a value below a secret key": (
        ['type = "OtlpSink"', "headers.Authorization = 12345678"],
        "x.toml:7: stages.out.headers.Authorization: is ***; expected a text",
    ),
    "a function that is none": (
        ['type = "tests_have_no_such_module:rule"'],
        "x.toml:6: stages.out.type: there is no module 'tests_have_no_such_module'",
    ),
    "a name that a module has not": (
        ['type = "sluiceway.sinks.console:ConsolSink"'],
        (
            "x.toml:6: stages.out.type: module sluiceway.sinks.console has no "
            "'ConsolSink'; did you mean 'ConsoleSink'?"
        ),
    ),
    "what the whole of the settings lacks": (
        ['type = "SlackSink"', 'token = "x"'],
        "x.toml:5: stages.out: SlackSink has a token and no channel",
    ),
    "an address, and not what would be missing without it": (
        ['type = "SlackSink"', 'url = "nowhere"'],
        (
            "x.toml:7: stages.out.url: is 'nowhere'...; expected an address such as "
            "'https://example.com/hooks/alerts'"
        ),
    ),
    "a number, and not what would be missing without what it is about": (
        ['type = "SlackSink"', 'url = "http://a"', "timeout = 0"],
        "x.toml:8: stages.out.timeout: is 0; expected seconds above 0",
    ),
    "an address of another type, and not that there is none": (
        ['type = "SlackSink"', "url = 7"],
        "x.toml:7: stages.out.url: is 7; expected a text",
    ),
    "a secret that cannot be used": (
        ['type = "WebhookSink"', 'url = "http://a"', 'secret = "sesame"'],
        "x.toml:8: stages.out.secret: cannot be used; expected whsec_",
    ),
    "a header that cannot be sent": (
        ['type = "WebhookSink"', 'url = "http://a"', 'headers = { a = "b\\u0000" }'],
        "x.toml:8: stages.out.headers: ['a'] is no header value",
    ),
    "an object that is no stage": (
        ['type = "json:dumps"'],
        "decorate dumps with @source, @processor, @sampler or @sink",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_with_its_place_and_the_right_word(case):
    lines, told = CASES[case]
    found = wrong(with_out(*lines))
    assert len(found) == 1
    assert told in found[0]


def test_keys_of_the_outermost_table_are_checked_too():
    assert wrong("drain_timeout = -1" + SOUND) == [
        "x.toml:1: drain_timeout: is -1; expected seconds from 0"
    ]
    assert wrong("drain_timeout = 'long'" + SOUND) == [
        "x.toml:1: drain_timeout: is 'long'; expected a number"
    ]
    assert (
        "x.toml:2: chain: is no setting of a pipeline; did you mean 'chains'?"
        in wrong(SOUND.replace("chains", "chain"))
    )


def test_an_empty_file_is_told_what_it_needs():
    assert wrong("") == [
        "x.toml: a pipeline needs stages: a table",
        "x.toml: a pipeline needs chains: a list",
    ]


def test_what_may_be_a_list_or_something_that_can_be_iterated_says_so_once():
    assert wrong(SOUND.replace('["a", "b"]', "3")) == [
        (
            "x.toml:5: stages.letters.iterable: is 3; "
            "expected a list or an iterable, as 'module:name'"
        )
    ]


def test_a_stage_that_stands_in_no_chain_is_a_mistake():
    idle = SOUND + '[stages.idle]\ntype = "ConsoleSink"\n'
    assert wrong(idle) == ["x.toml:8: stages.idle: stands in no chain; add it to one"]


def test_a_chain_without_an_end_is_a_mistake():
    chains = 'chains = ["letters >> out", "letters >> half"]'
    text = SOUND.replace('chains = ["letters >> out"]', chains)
    text += '[stages.half]\ntype = "RateLimitSampler"\nper_second = 1\n'
    assert wrong(text) == [
        "x.toml:2: chains: half leads to no sink; end the chain with one"
    ]


def test_names_that_could_not_stand_in_a_chain_are_refused():
    told = wrong(SOUND + '[stages."a b"]\ntype = "ConsoleSink"\n')
    assert any("'a b' cannot stand in a chain; expected letters" in one for one in told)
    told = wrong(SOUND + '[stages.merge]\ntype = "ConsoleSink"\n')
    assert any("'merge' cannot stand in a chain" in one for one in told)


def test_chains_that_are_no_list_do_not_make_every_stage_a_mistake():
    told = wrong(SOUND.replace('["letters >> out"]', '"letters >> out"'))
    assert told == ["x.toml:2: chains: is 'letters >> out'; expected a list"]


def test_of_one_stage_all_settings_that_it_refuses_are_told():
    found = wrong(
        with_out(
            'type = "AlertmanagerSink"',
            'url = "nowhere"',
            "resend_interval = 0",
            "timeout = -1",
            'headers = { "a b" = "c" }',
            "queue = { capacity = 'x' }",
        )
    )
    assert [line.split(": ")[1] for line in found] == [
        "stages.out.url",
        "stages.out.resend_interval",
        "stages.out.timeout",
        "stages.out.headers",
        "stages.out.queue.capacity",
    ]


def test_a_variable_that_is_nested_too_deep_for_a_number_is_a_text():
    lines = ['type = "OtlpSink"', 'max_in_flight = "${N}"']
    (told,) = wrong(with_out(*lines), N="[" * 100_000)
    assert told.endswith("is '${N}'; expected a whole number")


def test_a_mark_of_the_bytes_order_is_passed_over(tmp_path):
    (tmp_path / "a.toml").write_text(SOUND, encoding="utf-8-sig")
    assert load(tmp_path / "a.toml", {}).pipeline.graph()


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines():
    found = wrong(
        """\
        chains = ["otlp >> hide >> out", "otlp >> spare >>"]

        [stages.otlp]
        type = "OtlpSource"
        port = 70000
        ack = "acepted"

        [stages.out]
        type = "OtlpSink"
        endpoint = "ftp://example"
        compression = "gzp"
        queue = { capacity = 0, when_full = "drop", max_bytes = -1 }
        """
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["x.toml:1", "chains[0]"],
        ["x.toml:1", "chains[1]"],
        ["x.toml:1", "chains[1]"],
        ["x.toml:5", "stages.otlp.port"],
        ["x.toml:6", "stages.otlp.ack"],
        ["x.toml:10", "stages.out.endpoint"],
        ["x.toml:11", "stages.out.compression"],
        ["x.toml:12", "stages.out.queue.when_full"],
        ["x.toml:12", "stages.out.queue.capacity"],
        ["x.toml:12", "stages.out.queue.max_bytes"],
    ]


def test_a_bound_in_bytes_that_nothing_can_measure_is_refused_before_anything_opens():
    found = wrong(with_out('type = "ConsoleSink"', "queue = { max_bytes = 10 }"))
    assert len(found) == 1
    assert "queue: has max_bytes, but nothing tells the size of an event" in found[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb = = 2\n", "x.toml:2: is no TOML at character 5: Invalid value"),
        ("a = 1\na = 2\n", "x.toml:2: is no TOML at character 6: Cannot overwrite"),
        ("a = [", "x.toml: is no TOML: Unexpected end of document"),
        ("a = " + "9" * 5000, "x.toml: is no TOML: Exceeds the limit"),
        ("a = " + "[" * 5000, "x.toml: is no TOML: "),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text, told):
    found = wrong(text)
    assert found[0].startswith(told) or told.split(": ")[1] in found[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no\.toml: cannot be read \(No such"):
        load(tmp_path / "no.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load(binary)
