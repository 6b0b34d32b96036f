"""Channels of alerts: what each type takes, and how a file describes them."""

from __future__ import annotations

import pytest
from attrs import field, fields_dict, frozen
from hypothesis import given
from hypothesis import strategies as st
from servers.polling import eventually

from flext_observability import (
    FlextAlertService,
    FlextBackend,
    FlextChannel,
    FlextEscalationLevel,
    FlextEscalationPolicy,
    FlextObservabilityConfig,
    FlextValidationError,
    flext_create_alert,
    validation,
)
from flext_observability.alert_book import MOST_ACTIVE
from flext_observability.alert_channels import AlertChannels
from flext_observability.beginnings import channels_of
from flext_observability.chains import pipeline_of
from flext_observability.fields import by, several, with_checks
from flext_observability.settings import combined
from flext_observability.toml_file import Reader, of_file
from sluiceway import Pipeline
from sluiceway.sinks import AlertmanagerSink, PagerDutySink, SlackSink, WebhookSink
from sluiceway.sources import WebhookSource
from sluiceway.testing import CollectingSink

KEY = "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="
FILE = """
service_name = "shop"

[[channels]]
name = "chat"
type = "slack"
url = "${SLACK_WEBHOOK}"

[[channels]]
name = "oncall"
type = "pagerduty"
key = "${ROUTING_KEY}"

[[channels]]
name = "hook"
type = "webhook"
url = "http://localhost:9095/"
headers = { x-team = "${TEAM}" }
"""
VARIABLES = {
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/T/B/hunter2",
    "ROUTING_KEY": "hunter2hunter2",
    "TEAM": "till",
}


def load(folder, text, variables=None):
    file = folder / "flext.toml"
    file.write_text(text)
    return FlextObservabilityConfig.load(file, variables or {})


@pytest.mark.parametrize(
    ("kind", "settings", "made"),
    [
        ("webhook", {"url": "http://localhost/"}, WebhookSink),
        ("webhook", {"url": "http://localhost/", "key": KEY}, WebhookSink),
        ("slack", {"url": "https://hooks.slack.com/services/a"}, SlackSink),
        ("pagerduty", {"key": "abc"}, PagerDutySink),
        ("pagerduty", {"key": "abc", "url": "http://localhost/"}, PagerDutySink),
        ("alertmanager", {"url": "http://localhost:9193"}, AlertmanagerSink),
        ("Slack", {"url": "https://hooks.slack.com/services/a"}, SlackSink),
    ],
)
def test_each_type_has_its_sink_by_the_channels_name(kind, settings, made):
    sink = FlextChannel("there", kind, **settings).sink()
    assert type(sink) is made
    assert sink.name == "there"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"type": "mail"}, "type is 'mail'; expected one of webhook, slack"),
        ({"type": "slak"}, "did you mean 'slack'"),
        ({"type": "slack"}, "expected the url that a channel of type slack needs"),
        ({"type": "pagerduty"}, "expected the key that a channel of type pagerduty"),
        ({"type": "slack", "url": "http://h/", "key": "k"}, "type slack has no key"),
        (
            {"type": "pagerduty", "key": "k", "headers": {"a": "b"}},
            "type pagerduty has no headers",
        ),
        (
            {"type": "webhook", "url": "nowhere"},
            "url is '.hidden.'; expected an address",
        ),
        ({"type": "pagerduty", "key": "two words"}, "settings of a pagerduty"),
        ({"name": "", "type": "slack"}, "name is ''"),
    ],
)
def test_what_a_channel_cannot_be_is_refused(settings, told):
    with pytest.raises(FlextValidationError, match=told):
        FlextChannel(**{"name": "there", **settings})


def test_a_file_describes_channels_and_names_variables_for_what_is_secret(tmp_path):
    config = load(tmp_path, FILE, VARIABLES).unwrap()
    assert [(each.name, each.type) for each in config.channels] == [
        ("chat", "slack"),
        ("oncall", "pagerduty"),
        ("hook", "webhook"),
    ]
    assert config.channels[0].url == VARIABLES["SLACK_WEBHOOK"]
    assert config.channels[2].headers == {"x-team": "till"}
    made = channels_of(config)
    assert [*made] == ["chat", "oncall", "hook"]
    assert [sink.name for sink in made.values()] == [*made]
    assert "hunter2" not in repr(config)


def test_a_file_alone_may_name_variables_too(tmp_path, monkeypatch):
    monkeypatch.setenv("TEAM", "till")
    file = tmp_path / "flext.toml"
    file.write_text('service_name = "${TEAM}"\nenvironment = "x${TEAM}"\n')
    config = FlextObservabilityConfig.from_toml(file).unwrap()
    assert (config.service_name, config.environment) == ("till", "x${TEAM}")


def test_a_variable_that_is_not_set_is_told_by_the_line(tmp_path):
    failure = load(tmp_path, FILE, {**VARIABLES, "TEAM": ""})
    place = f"{tmp_path / 'flext.toml'}:4: "
    assert failure.error == f"{place}the variable TEAM is not set"


def test_all_that_is_wrong_with_channels_is_told_by_its_line(tmp_path):
    text = """[[channels]]
name = "chat"
type = "slak"
ulr = "https://hooks.slack.com/services/T/B/hunter2"

[[channels]]
type = "slack"
url = "https//hooks.slack.com/services/T/B/hunter2"

[[channels]]
name = "hook"
type = "webhook"
key = "hunter2"
"""
    told = load(tmp_path, text).error
    assert "hunter2" not in told
    lines = [
        line.removeprefix(f"{tmp_path / 'flext.toml'}:") for line in told.split("\n")
    ]
    assert [line.partition(";")[0] for line in lines] == [
        "3: type is 'slak'",
        "4: setting is 'ulr'",
        "8: url is '(hidden)'",
        "6: a table of channels has no name",
        "10: url is ''",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("channels = 5", "channels is 5; expected channels: [[channels]] in TOML"),
        ("channels = [5]", "channels is 5; expected a table: [[channels]]"),
        ("[channels]\nname = 'x'", "channels is a dict of 1; expected channels"),
    ],
)
def test_what_is_no_list_of_tables_is_refused(tmp_path, text, told):
    assert told in load(tmp_path, text).error


def test_two_channels_have_two_names():
    hook = FlextChannel("hook", "webhook", "http://localhost/")
    failure = FlextObservabilityConfig.load(environ={}, channels=[hook, hook])
    assert "and not two called 'hook'" in failure.error


@pytest.mark.parametrize("value", ["chat", [5], 5])
def test_an_argument_that_is_no_channel_is_refused(value):
    assert FlextObservabilityConfig.load(environ={}, channels=value).is_failure


# Policies.

POLICIES = """
[[policies]]
name = "oncall"
matching = { severity = ["error", "critical"] }
repeats = 1

[[policies.levels]]
channels = "chat"

[[policies.levels]]
channels = ["oncall", "hook"]
after = 300
severity = "critical"

[[policies]]
name = "rest"
levels = [{ channels = ["chat"] }]
"""


def test_a_file_describes_who_is_told_when(tmp_path):
    config = load(tmp_path, FILE + POLICIES, VARIABLES).unwrap()
    assert config.policies == (
        FlextEscalationPolicy(
            "oncall",
            [
                FlextEscalationLevel("chat"),
                FlextEscalationLevel(["oncall", "hook"], 300, "critical"),
            ],
            matching={"severity": ["error", "critical"]},
            repeats=1,
        ),
        FlextEscalationPolicy("rest", [FlextEscalationLevel("chat")]),
    )


def test_all_that_is_wrong_with_policies_is_told_by_its_line(tmp_path):
    text = """[[policies]]
name = "oncall"
repeats = 100
[[policies.levels]]
channels = "chat"
after = -1
[[policies.levels]]
severity = "sever"

[[policies]]
levels = []
"""
    told = load(tmp_path, text).error
    lines = [x.removeprefix(f"{tmp_path / 'flext.toml'}:") for x in told.split("\n")]
    assert [line.partition(";")[0] for line in lines] == [
        "3: repeats is 100",
        "6: after is -1",
        "8: severity is 'sever'",
        "7: a table of policies.levels has no channels",
        "11: levels is []",
        "10: a table of policies has no name",
    ]


def test_a_policy_that_names_no_channel_is_refused_at_the_start(tmp_path):
    text = FILE + POLICIES.replace('"chat"', '"chatt"', 1)
    backend = FlextBackend(load(tmp_path, text, VARIABLES).unwrap())
    told = backend.start().error
    assert "a channel of 'oncall' is 'chatt'" in told
    assert "did you mean 'chat'" in told


def test_two_policies_have_two_names():
    policy = FlextEscalationPolicy("a", [FlextEscalationLevel("chat")])
    failure = FlextObservabilityConfig.load(environ={}, policies=[policy, policy])
    assert "and not two called 'a'" in failure.error
    assert FlextObservabilityConfig.load(environ={}, policies=["a"]).is_failure


class Receiver:
    """Takes the signed requests of a webhook."""

    def __init__(self):
        self._source = WebhookSource(port=0, secret=KEY)
        self._kept = CollectingSink()
        self.background = Pipeline(self._source >> self._kept).background()

    def table(self, name):
        url = f"http://127.0.0.1:{self._source.port}/"
        described = f'name = "{name}"\ntype = "webhook"\nurl = "{url}"\n'
        return f'[[channels]]\n{described}key = "${{KEY}}"\n'

    def names(self):
        return [alert.name for alert in self._kept.events]


def test_an_alert_climbs_from_channel_to_channel_as_the_file_says(tmp_path):
    chat, oncall = Receiver(), Receiver()
    policy = """
    [[policies]]
    name = "all"
    levels = [{ channels = "chat" }, { channels = "oncall", after = 0.1 }]
    """
    with chat.background, oncall.background:
        text = chat.table("chat") + oncall.table("oncall") + policy
        backend = FlextBackend(load(tmp_path, text, {"KEY": KEY}).unwrap())
        try:
            alert = flext_create_alert("Fire", "error", "it burns").unwrap()
            assert FlextAlertService(backend).process(alert).is_success
            eventually(oncall.names)
        finally:
            backend.stop()
    assert "Fire" in chat.names()


def test_without_a_policy_each_channel_is_told_at_once(tmp_path):
    chat, oncall = Receiver(), Receiver()
    with chat.background, oncall.background:
        text = chat.table("chat") + oncall.table("oncall")
        backend = FlextBackend(load(tmp_path, text, {"KEY": KEY}).unwrap())
        try:
            alert = flext_create_alert("Fire", "error", "it burns").unwrap()
            assert FlextAlertService(backend).process(alert).is_success
            eventually(lambda: chat.names() and oncall.names())
        finally:
            backend.stop()


@frozen(kw_only=True, field_transformer=with_checks)
class Step:
    """What stands in tables within tables."""

    after: float = field(metadata=by(validation.at_least_zero))
    note: str = field(default="", metadata=by(validation.any_text))


@frozen(kw_only=True, field_transformer=with_checks)
class Plan:
    """What has several steps."""

    name: str = field(metadata=by(validation.text))
    steps: tuple[Step, ...] = field(
        default=(), metadata=several(lambda _, value: value, Step)
    )


@frozen(kw_only=True, field_transformer=with_checks)
class Plans:
    """What has several plans."""

    plans: tuple[Plan, ...] = field(
        default=(), metadata=several(lambda _, value: value, Plan)
    )


NESTED = """
[[plans]]
name = "first"
[[plans.steps]]
after = 1
[[plans.steps]]
after = {after}
note = "${X}"

[[plans]]
name = "second"
"""


def test_tables_can_stand_within_tables(tmp_path):
    file = tmp_path / "plans.toml"
    file.write_text(NESTED.replace("{after}", "2"))
    told = of_file(Plans, file, {"X": "x"})
    assert combined(Plans, [told]).unwrap() == Plans(
        plans=(
            Plan(name="first", steps=(Step(after=1), Step(after=2, note="x"))),
            Plan(name="second"),
        )
    )
    file.write_text(NESTED.replace("{after}", "-2").replace('"second"', "5"))
    assert combined(Plans, [of_file(Plans, file, {"X": "x"})]).error.splitlines() == [
        f"{file}:7: after is -2; expected a number from 0",
        f"{file}:11: name is 5; expected text",
    ]


PLAIN = st.booleans() | st.integers() | st.floats() | st.text() | st.just("${X}")
WORDS = st.sampled_from(["name", "type", "url", "key", "headers", "other"])
KINDS = st.sampled_from(["slack", "webhook", "pagerduty", "http://localhost/"])
TABLE = st.dictionaries(WORDS, PLAIN | KINDS | st.dictionaries(WORDS, PLAIN))
VALUE = PLAIN | st.lists(PLAIN | TABLE, max_size=3) | TABLE
KEYS = st.sampled_from([*fields_dict(FlextObservabilityConfig), "other", "channels"])


@given(st.dictionaries(KEYS, VALUE))
def test_no_document_makes_it_raise_and_each_problem_has_its_place(document):
    reader = Reader("flext.toml", {}, {"X": "x"})
    reader.read(FlextObservabilityConfig, document)
    result = combined(FlextObservabilityConfig, [reader.told])
    problems = (result.error_data or {"problems": []})["problems"]
    assert all(problem.startswith("flext.toml:1: ") for problem in problems)
    assert result.is_success is not bool(problems)


def test_only_what_may_be_dead_sheds_and_channels_hear_of_every_alert():
    sinks = [CollectingSink(name="first"), CollectingSink(name="second")]
    backend = FlextBackend(
        FlextObservabilityConfig(),
        sinks={"alerts": sinks},
        channels={"chat": CollectingSink(name="chat")},
    )
    pipeline, _ = pipeline_of(backend)
    told = next(x for x in pipeline.graph().splitlines() if x.startswith("alerts "))
    assert told.endswith("-> first (best effort), second (best effort), channels")


def test_an_escalation_knows_more_alerts_than_may_fire():
    channels = AlertChannels({"chat": CollectingSink()})
    policy = FlextEscalationPolicy("p", [FlextEscalationLevel("chat")])
    channels.add_policy(policy)
    made = [make() for make in channels._escalations().values()]
    assert len(made) == 2
    assert all(escalation.max_alerts >= 2 * MOST_ACTIVE for escalation in made)
