"""Alerts in Alertmanager's words, and back."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.events import Alert, AlertStatus
from sluiceway.formats.alertmanager import (
    Group,
    Told,
    posted,
    read_alert,
)
from sluiceway.formats.webhook import rfc3339, unix_nano
from sluiceway.formats.webhook_body import read_alerts

NOW = 1_700_000_000_000_000_000
MINUTE = 60_000_000_000
VALID_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
labels = st.dictionaries(
    names.filter(lambda n: n not in {"alertname", "severity"}), texts, max_size=4
)
times = st.integers(1, NOW)
firing = st.builds(
    Alert,
    name=texts,
    severity=st.sampled_from(["info", "warning", "error", "critical"]),
    message=texts,
    labels=labels,
    annotations=st.dictionaries(
        names.filter(lambda n: n not in {"summary", "description"}), texts, max_size=3
    ),
    starts_at_unix_nano=times,
    generator_url=st.sampled_from(["", "http://here/graph?q=1"]),
)


def test_an_alert_in_alertmanagers_words():
    alert = Alert(
        name="HighErrorRate",
        severity="critical",
        message="5 % fail",
        labels={"route": "/pay"},
        annotations={"runbook": "http://wiki"},
        starts_at_unix_nano=NOW - 1,
        generator_url="http://here",
    )
    assert posted(alert, NOW, 4 * MINUTE) == {
        "labels": {
            "alertname": "HighErrorRate",
            "route": "/pay",
            "severity": "critical",
        },
        "annotations": {"runbook": "http://wiki", "summary": "5 % fail"},
        "startsAt": "2023-11-14T22:13:19.999999999Z",
        "endsAt": "2023-11-14T22:17:20Z",
        "generatorURL": "http://here",
    }


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("http.route", "http_route"),
        ("a__b", "a__b"),
        ("_private", "_private"),
        ("1st", "key_1st"),
        ("label with 😱", "label_with_"),
        ("花火", "_"),
        ("with-dash", "with_dash"),
        ("", "_"),
    ],
)
def test_a_labels_name_is_made_valid(key, name):
    told = posted(Alert(name="a", severity="", labels={key: "x"}), NOW, MINUTE)
    assert told["labels"] == {"alertname": "a", name: "x"}


def test_values_of_names_that_become_one_are_joined():
    alert = Alert(name="a", severity="", labels={"k.x": "1", "k-x": "2"})
    assert posted(alert, NOW, MINUTE)["labels"] == {"alertname": "a", "k_x": "2;1"}


def test_an_empty_label_is_no_label():
    alert = Alert(name="a", severity="", labels={"empty": ""})
    assert posted(alert, NOW, MINUTE)["labels"] == {"alertname": "a"}


def test_an_alerts_own_words_win():
    alert = Alert(
        name="a",
        message="m",
        labels={"severity": "page", "alertname": "b"},
        annotations={"summary": "s"},
    )
    told = posted(alert, NOW, MINUTE)
    assert told["labels"] == {"alertname": "b", "severity": "page"}
    assert told["annotations"] == {"summary": "s"}


@pytest.mark.parametrize(
    ("starts", "ends", "told"),
    [
        (NOW - 9, NOW - 5, (NOW - 9, NOW - 5)),
        (NOW - 9, 0, (NOW - 9, NOW)),
        (0, NOW - 5, (NOW - 5, NOW - 5)),
        (NOW - 5, NOW - 9, (NOW - 9, NOW - 9)),  # a clock that went back
        (NOW + 5, NOW + 9, (NOW, NOW)),  # resolved means that it is over
        (0, 0, (NOW, NOW)),
    ],
)
def test_a_resolved_alert_ends_after_its_start_and_not_in_the_future(
    starts, ends, told
):
    alert = Alert(
        name="a",
        status=AlertStatus.RESOLVED,
        starts_at_unix_nano=starts,
        ends_at_unix_nano=ends,
    )
    wire = posted(alert, NOW, MINUTE)
    assert (wire["startsAt"], wire["endsAt"]) == tuple(map(rfc3339, told))


@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "javascript:x",
        "http://a b",
        "x" * 9,
        "http://[bad",
        "http://x/%zz",
        "http://x:port/",
        "http:///path",
        "http://a%b/",
        "http://x/\x7f",
    ],
)
def test_a_generator_that_is_no_address_is_left_out(url):
    alert = Alert(name="a", generator_url=url)
    assert posted(alert, NOW, MINUTE)["generatorURL"] == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://here:9090/graph?g0.expr=up%20%3E%200&g0.tab=1#x",
        "https://user@[::1]:80/a%20b",
        "http://wäre/ü?q=%",
    ],
)
def test_a_generator_that_alertmanager_takes_is_told(url):
    assert (
        posted(Alert(name="a", generator_url=url), NOW, MINUTE)["generatorURL"] == url
    )


def test_an_alert_without_any_label_is_refused():
    with pytest.raises(ValueError, match="neither a name nor a label"):
        posted(Alert(name="", severity="", labels={"x": ""}), NOW, MINUTE)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8)), st.text(max_size=5))
def test_whatever_an_alert_says_its_labels_are_valid_ones(labels, name):
    told = posted(Alert(name=name, labels=labels), NOW, MINUTE)
    for key, value in told["labels"].items():
        assert VALID_NAME.fullmatch(key)
        assert value
        value.encode()


@given(firing)
def test_a_firing_alert_comes_back_as_it_was_sent(alert):
    wire = posted(alert, NOW, MINUTE)
    wire |= {"status": "firing", "endsAt": "0001-01-01T00:00:00Z"}
    assert read_alert(msgspec.convert(wire, Told)) == alert


@given(firing, st.integers(0, MINUTE))
def test_a_resolved_alert_comes_back_as_it_was_sent(alert, lasted):
    alert.status = AlertStatus.RESOLVED
    alert.ends_at_unix_nano = min(alert.starts_at_unix_nano + lasted, NOW)
    wire = posted(alert, NOW, MINUTE) | {"status": "resolved"}
    assert read_alert(msgspec.convert(wire, Told)) == alert


def test_a_webhooks_unknown_keys_are_ignored():
    body = {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 2,
        "status": "firing",
        "receiver": "r",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://x",
        "notification_reason": "new",
        "routeLabels": {},
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "a"},
                "annotations": {"description": "d"},
                "startsAt": "2023-11-14T23:13:20.5+01:00",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://g",
                "fingerprint": "0" * 16,
                "new_key": [1],
            }
        ],
    }
    group = msgspec.convert(body, Group)
    (alert,) = read_alerts(body)
    assert group.truncated_alerts == 2
    assert alert == Alert(
        name="a",
        message="d",
        annotations={"description": "d"},
        starts_at_unix_nano=NOW + 500_000_000,
        generator_url="http://g",
    )


@given(st.integers(1, 4_102_444_800 * 10**9))
def test_a_time_is_read_as_it_was_written(time):
    assert unix_nano(rfc3339(time)) == time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", 0),
        (None, 0),
        ("0001-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 10**9),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("2023-11-14T22:13:20.1234567891Z", NOW + 123_456_789),
    ],
)
def test_a_time_in_its_other_forms(text, time):
    assert unix_nano(text) == time


@pytest.mark.parametrize("text", ["now", "2023-11-14", "2023-13-14T22:13:20Z", "1" * 9])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"time|month"):
        unix_nano(text)
