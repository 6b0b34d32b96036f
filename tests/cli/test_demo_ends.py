"""Where the demo sends telemetry: the environment decides, and shows no secret."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from sluiceway import ConfigurationError, Ledger, StageLedger
from sluiceway.cli.demo.ends import open_ends
from sluiceway.sinks import AlertmanagerSink, OtlpSink, PushgatewaySink


def ends_of(environment):
    async def look():
        async with AsyncExitStack() as stack:
            return await open_ends(stack, environment)

    return asyncio.run(look())


def test_without_environment_all_receivers_are_our_own_and_on_loopback():
    ends = ends_of({"ALERTMANAGER_URL": " "})
    all_ends = (ends.otlp, ends.gateway, ends.alerts)
    assert [end.title for end in all_ends] == [
        "OTLP receiver",
        "push target",
        "webhook receiver",
    ]
    assert all(end.where.startswith("http://127.0.0.1:") for end in all_ends)


def test_each_variable_names_a_real_one_whose_secrets_are_not_shown(monkeypatch):
    otlp = "http://me:hunter22@collector:4318/team?key=pass9"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp)
    ends = ends_of(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "PROMETHEUS_PUSH_GATEWAY": "me:hunter22@gateway:9091",
            "ALERTMANAGER_URL": "https://me:hunter22@alerts/am/",
        }
    )
    places = [end.where for end in (ends.otlp, ends.gateway, ends.alerts)]
    assert places == [
        "http://collector:4318/team",
        "http://gateway:9091",
        "https://alerts/am/",
    ]
    assert isinstance(ends.otlp.sink, OtlpSink)
    assert isinstance(ends.gateway.sink, PushgatewaySink)
    assert isinstance(ends.alerts.sink, AlertmanagerSink)
    assert "hunter22" not in repr([end.sink for end in (ends.otlp, ends.alerts)])


def test_of_a_real_end_the_books_tell_what_it_took():
    ends = ends_of({"PROMETHEUS_PUSH_GATEWAY": "http://gateway:9091"})
    books = StageLedger(
        "pushgateway", "sink", received=9, delivered=7, errored={"x": 2}
    )
    arrival = ends.gateway.arrival(Ledger({"pushgateway": books}), answered=3)
    assert (arrival.words, arrival.complaint) == ("7 events delivered, 2 lost", "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "shop", "'shop'; .* 'http://localhost:4318'"),
        ("PROMETHEUS_PUSH_GATEWAY", "ftp://a", "'ftp://a'; .* 'http://localhost:9091'"),
        ("PROMETHEUS_PUSH_GATEWAY", "http://a/?b=c", "'http://a/'; .* without a query"),
        ("ALERTMANAGER_URL", "alerts:9", "'alerts:9'; .* 'http://localhost:9093'"),
    ],
)
def test_a_variable_that_is_no_address_is_named_and_shown_one(name, value, told):
    with pytest.raises(ConfigurationError, match=f"{name} is {told}"):
        ends_of({name: value})
