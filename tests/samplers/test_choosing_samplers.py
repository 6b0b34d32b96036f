from __future__ import annotations

import re

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.events import SpanKind
from sluiceway.samplers import (
    AlwaysOffSampler,
    AlwaysOnSampler,
    ParentBasedSampler,
    ProbabilitySampler,
    Rule,
    RuleSampler,
    SpanStart,
)

PARENT = b"\x01" * 8


@pytest.mark.parametrize(
    ("start", "chosen"),
    [
        (SpanStart("s"), "root"),
        (SpanStart("s", parent_sampled=True, parent_is_remote=True), "root"),
        (
            SpanStart(
                "s", parent_id=PARENT, parent_sampled=True, parent_is_remote=True
            ),
            "remote_parent_sampled",
        ),
        (
            SpanStart("s", parent_id=PARENT, parent_is_remote=True),
            "remote_parent_not_sampled",
        ),
        (
            SpanStart("s", parent_id=PARENT, parent_sampled=True),
            "local_parent_sampled",
        ),
        (SpanStart("s", parent_id=PARENT), "local_parent_not_sampled"),
    ],
)
def test_the_kind_of_parent_chooses_the_sampler(start, chosen):
    names = [
        "remote_parent_sampled",
        "remote_parent_not_sampled",
        "local_parent_sampled",
        "local_parent_not_sampled",
    ]
    sampler = ParentBasedSampler("root", **{name: name for name in names})
    assert sampler.choose(start) == chosen
    assert sampler.choices == ("root", *names)


def test_by_default_every_root_is_recorded_and_a_parent_is_followed():
    sampler = ParentBasedSampler()
    assert sampler.follows_parents
    assert sampler.root == sampler.remote_parent_sampled == AlwaysOnSampler()
    assert sampler.remote_parent_not_sampled == AlwaysOffSampler()
    assert ParentBasedSampler(ProbabilitySampler(0.5)).follows_parents
    never = ParentBasedSampler.for_all(AlwaysOffSampler())
    assert not never.follows_parents
    assert set(never.choices) == {AlwaysOffSampler()}


def test_one_says_always_yes_and_the_other_never():
    assert AlwaysOnSampler().should_sample(1, None, "s") is True
    assert AlwaysOffSampler().should_sample(1, None, "s", {"a": 1}) is False


RULES = RuleSampler(
    [
        Rule("health", name="GET /health*"),
        Rule("big", name=re.compile(r"order \d+"), attributes={"items": 100}),
        Rule("server", kind="server", attributes={"url.path": "/api/*"}),
        Rule("flagged", attributes={"debug": True}),
    ],
    otherwise="rest",
)


@pytest.mark.parametrize(
    ("start", "chosen"),
    [
        (SpanStart("GET /health"), "health"),
        (SpanStart("GET /healthz", SpanKind.SERVER), "health"),
        (SpanStart("get /health"), "rest"),
        (SpanStart("order 12", attributes={"items": 100}), "big"),
        (SpanStart("order 12", attributes={"items": 100.0}), "rest"),
        (SpanStart("order 12", attributes={}), "rest"),
        (SpanStart("my order 12", attributes={"items": 100}), "rest"),
        (SpanStart("x", SpanKind.SERVER, {"url.path": "/api/users"}), "server"),
        (SpanStart("x", SpanKind.CLIENT, {"url.path": "/api/users"}), "rest"),
        (SpanStart("x", SpanKind.SERVER, {"url.path": 7}), "rest"),
        (SpanStart("x", attributes={"debug": True}), "flagged"),
        (SpanStart("x", attributes={"debug": 1}), "rest"),
        (SpanStart("several\nlines"), "rest"),
    ],
)
def test_the_first_rule_that_matches_chooses(start, chosen):
    assert RULES.choose(start) == chosen


def test_a_rule_without_conditions_matches_everything():
    sampler = RuleSampler([Rule("all"), Rule("never reached", name="s")])
    assert sampler.choose(SpanStart("s\n", SpanKind.SERVER)) == "all"
    assert sampler.choices == ("all", "never reached", AlwaysOnSampler())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": 7}, r"Rule\.name is 7"),
        ({"kind": "servr"}, r"Rule\.kind is 'servr'.*did you mean 'server'"),
        ({"attributes": ["a"]}, r"Rule\.attributes is \['a'\]"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(arguments, told):
    with pytest.raises(ConfigurationError, match=told):
        Rule(AlwaysOnSampler(), **arguments)


@pytest.mark.parametrize("wrong", [AlwaysOnSampler(), [AlwaysOnSampler()], 7])
def test_what_is_no_rule_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"RuleSampler\.rules"):
        RuleSampler(wrong)
