"""The five kinds of rules, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.alerting import (
    AbsenceRule,
    ChangeRule,
    RateRule,
    RatioRule,
    ThresholdRule,
)
from sluiceway.errors import ConfigurationError
from sluiceway.events import (
    AlertStatus,
    ExponentialBuckets,
    ExponentialHistogram,
    Histogram,
    LogRecord,
    MetricKind,
    MetricPoint,
    Resource,
    Span,
    SpanKind,
    StatusCode,
    Temporality,
)

SHOP = Resource({"service.name": "shop"})


def point(value, name="cpu", kind=MetricKind.GAUGE, **attributes):
    return MetricPoint(
        name=name, value=value, kind=kind, attributes=attributes, resource=SHOP
    )


def total(value, **attributes):
    return point(value, "requests", MetricKind.SUM, **attributes)


def span(status=StatusCode.UNSET, seconds=0.1, **attributes):
    return Span(
        name="GET",
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        kind=SpanKind.SERVER,
        status_code=status,
        start_time_unix_nano=10**18,
        end_time_unix_nano=10**18 + int(seconds * 1e9),
        attributes=attributes,
        resource=SHOP,
    )


FINE, FAILED = span(), span(StatusCode.ERROR)


def played(rule, script, until=None):
    """What a rule tells: ``(when, status)`` for events given by time."""
    told = []
    last = max(script, default=0) if until is None else until
    now = 0.0
    while now <= last:
        released = rule.add(script[now], now) if now in script else rule.tick(now)
        told += [(now, alert.status.value) for alert in released]
        now += 1.0
    return told


# A threshold.


def test_a_number_above_the_limit_fires_and_one_that_is_not_resolves():
    rule = ThresholdRule("Hot", above=90)
    assert played(rule, {0: [point(90)], 3: [point(91)], 5: [point(90)]}) == [
        (3, "firing"),
        (5, "resolved"),
    ]


def test_below_is_the_other_way_round():
    rule = ThresholdRule("Empty", below=10)
    assert played(rule, {0: [point(9)], 4: [point(10)]}) == [
        (0, "firing"),
        (4, "resolved"),
    ]


def test_it_fires_only_after_the_condition_has_held_without_a_break():
    rule = ThresholdRule("Hot", above=90, for_=5)
    script = {0: [point(91)], 3: [point(1)], 6: [point(95)], 20: [point(1)]}
    assert played(rule, script) == [(11, "firing"), (20, "resolved")]


def test_it_goes_on_firing_for_a_while_and_a_relapse_in_between_is_none():
    rule = ThresholdRule("Hot", above=90, keep_firing_for=5)
    script = {0: [point(91)], 2: [point(1)], 5: [point(91)], 8: [point(1)]}
    assert played(rule, script, until=20) == [(0, "firing"), (13, "resolved")]


def test_with_a_level_to_clear_it_does_not_flap_round_the_limit():
    script = {n: [point(91 if n % 2 else 89)] for n in range(10)}
    script |= {10: [point(81)], 11: [point(80)]}
    assert played(ThresholdRule("Hot", above=90, clear=80), script) == [
        (1, "firing"),
        (11, "resolved"),
    ]
    assert len(played(ThresholdRule("Hot", above=90), script)) == 10


def test_a_number_that_nobody_repeats_counts_for_the_window_only():
    rule = ThresholdRule("Hot", above=90, window=60)
    assert played(rule, {0: [point(95)]}, until=100) == [
        (0, "firing"),
        (61, "resolved"),
    ]
    assert rule.next_deadline() is None
    assert rule.statistics().series == 0


@pytest.mark.parametrize(
    ("aggregate", "fires"),
    [("last", False), ("mean", False), ("max", True), ("min", False), ("sum", True)],
)
def test_the_numbers_of_a_window_are_aggregated(aggregate, fires):
    rule = ThresholdRule("Hot", above=90, aggregate=aggregate)
    told = rule.add([point(10), point(95), point(20)], 0.0)
    assert bool(told) is fires


def test_a_span_s_duration_and_a_histogram_s_parts_are_numbers_too():
    slow = ThresholdRule("Slow", value="duration", above=2)
    assert slow.add([span(seconds=2.5)], 0.0)
    histogram = point(Histogram(3, 12.0, [3], []), kind=MetricKind.HISTOGRAM)
    assert ThresholdRule("Much", value="value.sum", above=10).add([histogram], 0.0)
    retries = ThresholdRule("Retries", value="attributes.retries", above=3)
    assert retries.add([span(retries=4)], 0.0)
    assert ThresholdRule("Own", value=lambda event: len(event.name), above=2).add(
        [FINE], 0.0
    )


@pytest.mark.parametrize("value", [None, "7", True, float("nan"), 10**400, object()])
def test_what_is_no_number_is_not_looked_at(value):
    assert ThresholdRule("Hot", above=0).add([point(value)], 0.0) == []


# Series.


def test_each_set_of_labels_is_an_alert_of_its_own():
    rule = ThresholdRule(
        "Hot", above=90, by=["attributes.cpu", "resource.service.name"]
    )
    (alert,) = rule.add([point(95, cpu="0"), point(50, cpu="1")], 0.0)
    assert alert.labels == {"cpu": "0", "service.name": "shop"}
    (other,) = rule.add([point(95, cpu="1")], 1.0)
    assert other.labels["cpu"] == "1"
    assert rule.statistics().firing == 2
    assert repr(rule) == "<ThresholdRule Hot 2 series, 2 firing>"


def test_paths_can_be_given_labels_and_what_an_event_lacks_is_empty():
    rule = ThresholdRule(
        "Hot", above=90, by={"zone": "attributes.z", "first": lambda e: e.name[0]}
    )
    (alert,) = rule.add([point(95)], 0.0)
    assert alert.labels == {"zone": "", "first": "c"}


def test_series_are_bounded_and_what_has_no_room_is_counted():
    rule = ThresholdRule("Hot", above=90, by=["attributes.cpu"], max_series=2)
    told = rule.add([point(95, cpu=str(n)) for n in range(5)], 0.0)
    assert len(told) == 2
    assert rule.statistics().refused == 3


def test_a_series_that_is_quiet_and_inactive_makes_room():
    rule = ThresholdRule(
        "Hot", above=90, by=["attributes.cpu"], max_series=1, window=10
    )
    assert rule.add([point(5, cpu="0")], 0.0) == []
    assert rule.tick(20.0) == []
    assert rule.add([point(95, cpu="1")], 21.0)


# A rate.


def test_a_rate_is_events_a_second_over_the_window():
    rule = RateRule("Busy", above=2, window=10)
    script = {n: [FINE] * 2 for n in range(10)}
    assert played(rule, script) == []
    assert rule.add([FINE], 10.0)[0].status is AlertStatus.FIRING
    assert played(rule, {}, until=30)[-1][1] == "resolved"


def test_a_rate_of_sums_is_what_they_have_grown_by_and_a_reset_is_no_fall():
    rule = RateRule("Busy", above=0.9, window=10, by=["attributes.route"])
    assert rule.add([total(1_000_000, route="/a", code=200)], 0.0) == []
    assert rule.add([total(1_000_009, route="/a", code=200)], 1.0) == []
    (alert,) = rule.add([total(1, route="/a", code=200)], 2.0)
    assert alert.labels == {"route": "/a"}
    assert rule.add([total(5, route="/a", code=500)], 3.0) == []


def test_delta_sums_add_up_and_histograms_grow_by_their_counts():
    delta = total(5)
    delta.temporality = Temporality.DELTA
    assert RateRule("Busy", above=0.9, window=10).add([delta, delta], 0.0)
    buckets = ExponentialBuckets(0, [1])
    for grown in (
        lambda count: Histogram(count, 1.0, [count], []),
        lambda count: ExponentialHistogram(count, 1.0, 0, 0, buckets, buckets),
    ):
        rule = RateRule("Busy", above=0.9, window=10)
        assert rule.add([point(grown(7), kind=MetricKind.HISTOGRAM)], 0.0) == []
        assert rule.add([point(grown(17), kind=MetricKind.HISTOGRAM)], 1.0)


def test_a_rate_that_falls_below_a_limit_fires_even_when_nothing_comes_at_all():
    rule = RateRule("Quiet", below=0.5, window=10)
    script = {n: [FINE] for n in range(20)}
    assert played(rule, script, until=40) == [(26, "firing")]


def test_a_rate_is_not_low_because_little_has_been_seen_of_it():
    rule = RateRule("Quiet", below=0.5, window=10)
    assert played(rule, {0: [FINE], 9: [FINE]}, until=9.5) == []
    assert rule.flush(10.0)[0].status is AlertStatus.FIRING


# A ratio.


def test_a_ratio_is_the_share_of_one_kind():
    rule = RatioRule("Errors", of={"status_code": "error"}, above=0.1, window=60)
    assert rule.add([FINE] * 9 + [FAILED], 0.0) == []
    (alert,) = rule.add([FAILED], 1.0)
    assert alert.status is AlertStatus.FIRING
    (over,) = rule.add([FINE] * 20, 2.0)
    assert over.status is AlertStatus.RESOLVED


def test_a_ratio_of_too_few_events_means_nothing():
    rule = RatioRule("Errors", of={"status_code": "error"}, above=0.1, at_least=10)
    assert rule.add([FAILED] * 9, 0.0) == []
    assert rule.add([FAILED], 1.0)


def test_where_says_which_events_count_at_all():
    rule = RatioRule(
        "Errors",
        where={"kind": "server", "attributes.route": ["/a", "=~ /b.*"]},
        of={"attributes.code": ">= 500"},
        above=0.5,
    )
    assert rule.add([span(route="/c", code=500)] * 3, 0.0) == []
    assert (
        rule.add([span(route="/a", code=200), span(route="/bb", code=503)], 1.0) == []
    )
    assert rule.add([span(route="/b", code=500)], 2.0)


def test_a_ratio_of_sums_counts_what_they_have_grown_by():
    rule = RatioRule("Errors", of={"attributes.code": 500}, above=0.1, window=60)
    assert rule.add([total(900, code=200), total(500, code=500)], 0.0) == []
    assert rule.add([total(990, code=200), total(510, code=500)], 10.0) == []
    assert rule.add([total(990, code=200), total(513, code=500)], 20.0)


def test_a_ratio_may_be_of_one_metric_out_of_another():
    rule = RatioRule(
        "Errors",
        of={"name": "errors"},
        out_of={"name": "requests"},
        above=0.1,
        window=60,
        message="{value:.0%}",
    )

    def counted(errors, requests, now):
        names = {"errors": errors, "requests": requests}
        names["others"] = now
        points = [point(v, n, MetricKind.SUM) for n, v in names.items()]
        return rule.add(points, now)

    assert counted(0, 0, 0.0) == []
    assert counted(10, 100, 10.0) == []
    (alert,) = counted(24, 120, 20.0)
    assert alert.message == "20%"


# A change.


def test_a_change_compares_the_newest_with_the_oldest_of_the_window():
    rule = ChangeRule("Jump", above=50, window=60)
    assert rule.add([point(100)], 0.0) == []
    assert rule.add([point(149)], 30.0) == []
    assert rule.add([point(151)], 40.0)


def test_a_change_can_be_a_share_and_a_fall():
    rule = ChangeRule("Drop", below=-0.5, relative=True, window=60)
    assert rule.add([point(100)], 0.0) == []
    assert rule.add([point(51)], 10.0) == []
    assert rule.add([point(49)], 20.0)
    zero = ChangeRule("Drop", below=-0.5, relative=True)
    assert zero.add([point(0), point(-5)], 0.0) == []


# Absence.


def test_silence_fires_and_the_next_event_resolves_it():
    rule = AbsenceRule("Dead", window=10)
    assert rule.next_deadline() == 0.0
    assert played(rule, {25: [FINE]}, until=40) == [
        (10, "firing"),
        (25, "resolved"),
        (35, "firing"),
    ]


def test_each_series_that_was_seen_is_waited_for():
    rule = AbsenceRule("Dead", window=10, by=["attributes.host"], forget_after=30)
    script = {0: [span(host="a"), span(host="b")]}
    script |= {n: [span(host="b")] for n in range(5, 60, 5)}
    assert played(rule, script, until=60) == [(10, "firing"), (30, "resolved")]
    assert rule.statistics().series == 1


# What an alert says.


def test_texts_tell_of_the_value_the_limit_the_labels_and_the_latest_event():
    rule = RatioRule(
        "Errors",
        of={"status_code": "error"},
        above=0.25,
        by=["resource.service.name"],
        severity="critical",
        message="{alert}: {value:.0%} (of {threshold:.0%}) at {labels[service.name]}",
        labels={"team": "shop", "first": "{event.name}"},
        annotations={"route": "{event.attributes[http.route]}{event.attributes[no]}"},
    )
    events = [span(StatusCode.ERROR, **{"http.route": "/pay"}), FINE, FINE]
    (alert,) = rule.add([*events[1:], events[0]], 0.0)
    assert alert.message == "Errors: 33% (of 25%) at shop"
    assert alert.severity == "critical"
    assert alert.labels == {"team": "shop", "first": "GET", "service.name": "shop"}
    assert alert.annotations == {"route": "/pay"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("{event.kind} {event.status_code}", "server error"),
        ("{event.trace_id}", "0a" * 16),
        ("{event.duration:.1f} s", "2.5 s"),
        ("{value!r} {event.attributes[code]!r}", "1.0 500"),
        ("{event.attributes[slow]}", "true"),
        ("[{event.body}{event.resource.attributes[no]:.2f}]", "[]"),
    ],
)
def test_a_text_tells_an_event_s_fields_as_rules_call_them(message, text):
    event = Span(
        name="GET",
        trace_id=b"\x0a" * 16,
        span_id=b"\x01" * 8,
        kind=SpanKind.SERVER,
        status_code=StatusCode.ERROR,
        end_time_unix_nano=2_500_000_000,
        attributes={"code": 500, "slow": True},
    )
    rule = RatioRule("Errors", of={}, above=0.5, message=message)
    (alert,) = rule.add([event], 0.0)
    assert alert.message == text


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{valeu}", "did you mean 'value'?"),
        ("{value", "cannot be filled in"),
        ("{}", "cannot be filled in"),
        (7, "expected a text"),
        ("{event.__class__}", "cannot be filled in"),
        ("{labels.zone}", "has {labels.zone}; expected {labels[zone]}"),
        ("{event.attributes.a.b:>3}", "expected {event.attributes[a.b]}"),
    ],
)
def test_a_text_that_could_never_be_filled_in_is_refused(message, words):
    with pytest.raises(ConfigurationError) as refused:
        ThresholdRule("Hot", above=1, message=message)
    assert str(refused.value).startswith("ThresholdRule.message ")
    assert words in str(refused.value)


def test_the_alert_that_resolves_is_the_one_that_fired():
    rule = ThresholdRule("Hot", above=90, message="{value}")
    (fired,) = rule.add([point(95)], 100.0)
    fired.labels["changed"] = "by a sink"
    (resolved,) = rule.add([point(1)], 130.0)
    assert (fired.starts_at_unix_nano, fired.ends_at_unix_nano) == (100 * 10**9, 0)
    assert resolved.starts_at_unix_nano == fired.starts_at_unix_nano
    assert resolved.ends_at_unix_nano == 130 * 10**9
    assert (resolved.message, resolved.labels) == ("95.0", {})


# What cannot mean anything.


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ThresholdRule("", above=1), "ThresholdRule.alert is ''"),
        (lambda: ThresholdRule("H"), "needs one of above and below"),
        (lambda: ThresholdRule("H", above=1, below=0), "needs one of above and below"),
        (lambda: ThresholdRule("H", above=1, clear=2), "expected at most above, 1"),
        (lambda: ThresholdRule("H", below=1, clear=0), "expected at least below, 1"),
        (lambda: ThresholdRule("H", above="1"), "ThresholdRule.above is '1'"),
        (lambda: ThresholdRule("H", above=1, for_=-1), "ThresholdRule.for_ is -1"),
        (lambda: ThresholdRule("H", above=1, window=0), "ThresholdRule.window is 0"),
        (lambda: ThresholdRule("H", above=1, by="a"), "expected a list of paths"),
        (
            lambda: ThresholdRule("H", above=1, by=["atributes.a"]),
            "did you mean 'attributes'?",
        ),
        (lambda: ThresholdRule("H", above=1, by=["resource"]), "expected resource.KEY"),
        (
            lambda: ThresholdRule("H", above=1, by=["attributes.a", "resource.a"]),
            "two paths of the label 'a'",
        ),
        (lambda: ThresholdRule("H", above=1, by=[len]), "give it a label"),
        (lambda: ThresholdRule("H", above=1, value=""), "ThresholdRule.value has ''"),
        (
            lambda: ThresholdRule("H", above=1, aggregate="avg"),
            "ThresholdRule.aggregate is 'avg'",
        ),
        (lambda: RatioRule("H", above=1, of=3), "RatioRule.of is 3"),
        (
            lambda: RatioRule("H", above=1, of={"body": "=~ ("}),
            "RatioRule.of['body'] is '=~('; expected a regular expression",
        ),
        (
            lambda: RatioRule("H", above=1, of={"body": "> many"}),
            "compares with 'many'; expected a number",
        ),
        (lambda: ThresholdRule("H", above=1, labels=3), "expected a table of texts"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(make, words):
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        ("error", "error", "ok"),
        ("= =x", "=x", "x"),
        ("!= error", "ok", "error"),
        ("> 5", 6, 5),
        (">= 5", 5, 4.9),
        ("< 5", -1, 5),
        ("<= 5", 5, "5.1"),
        ("=~ /api/.*", "/api/x", "/x/api/"),
        ("!~ /api/.*", "/x", "/api/x"),
        (["a", "b"], "b", "c"),
        (5, 5, 6),
        (True, True, False),
        (True, True, 1),
        (1, 1, None),
    ],
)
def test_a_condition_is_a_value_a_list_or_a_sign_and_a_value(wanted, yes, no):
    rule = RateRule("Any", above=0, where={"body": wanted})
    assert rule.add([LogRecord(body=no)], 0.0) == []
    assert rule.add([LogRecord(body=yes)], 1.0)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [("SERVER", True), ("server", True), ("!= SERVER", False), ("Client", False)],
)
def test_words_of_enums_are_taken_in_any_case(wanted, passes):
    rule = RateRule("Any", above=0, where={"kind": wanted})
    assert bool(rule.add([span()], 0.0)) is passes


def test_conditions_that_are_functions_may_fail():
    def fails(event):
        raise KeyError(event)

    assert RateRule("Any", above=0, where=fails).add([FINE], 0.0) == []
    assert RateRule("Any", above=0, where=lambda e: e.name == "GET").add([FINE], 0.0)


# Laws.


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 100)), max_size=40),
    st.sampled_from([0, 3]),
    st.sampled_from([0, 3]),
)
def test_fired_and_resolved_take_turns_whatever_comes(steps, for_, keep):
    rule = ThresholdRule(
        "Hot", above=50, for_=for_, keep_firing_for=keep, by=["attributes.k"], window=10
    )
    now, told = 0.0, []
    for pause, value in steps:
        now += pause
        told += rule.add([point(value, k=value % 3)], now)
        deadline = rule.next_deadline()
        assert deadline is None or deadline >= now
    told += rule.flush(now + 100)
    told += rule.flush(now + 200)
    for key in "012":
        mine = [a.status.value for a in told if a.labels["k"] == key]
        assert mine == ["firing", "resolved"] * (len(mine) // 2)
    assert rule.held() == 0
    assert rule.statistics().series == 0


def test_an_alert_that_was_ended_by_hand_fires_again_only_after_its_condition_ended():
    rule = ThresholdRule("Hot", above=90, clear=80, by=["attributes.x"])
    rule.add([point(95, x="1"), point(95, x="2")], 0.0)
    assert rule.resolve_alerts(lambda labels: labels["x"] == "1") == 1
    assert [alert.labels["x"] for alert in rule.alerts()] == ["2"]
    (over,) = rule.flush(1.0)
    assert (over.labels, over.status) == ({"x": "1"}, AlertStatus.RESOLVED)
    assert rule.resolve_alerts(lambda labels: labels["x"] == "1") == 0
    for now, value in ((2.0, 99), (3.0, 85), (4.0, 99), (5.0, 70)):
        assert rule.add([point(value, x="1")], now) == []
    (again,) = rule.add([point(95, x="1")], 6.0)
    assert again.status is AlertStatus.FIRING
