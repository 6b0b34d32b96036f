"""`sluiceway demo` as a user runs it: a process, its output and its exit code."""

from __future__ import annotations

import re
import signal
import time
from contextlib import closing

import pytest
from cli.demo_runs import Run, ended, read_until, run, running
from servers.processes import free_port

DEAD = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:hunter22@127.0.0.1:{port}/t?k=pass9"
}


@pytest.fixture(scope="module")
def demo() -> Run:
    begin = time.monotonic()
    done = run("demo", "--duration", "2")
    assert time.monotonic() - begin < 2 + 5 + 3, "drain time-out and start-up included"
    return done


def dead_endpoint() -> dict[str, str]:
    return {name: value.format(port=free_port()) for name, value in DEAD.items()}


def test_the_demo_ends_well_with_balanced_books_and_nothing_lost(demo):
    assert (demo.code, demo.err) == (0, "")
    assert re.fullmatch(r"balanced, delivered [\d,]+, lost 0", demo.verdict)


def test_on_a_pipe_it_prints_plain_lines_about_one_a_second(demo):
    lines = [line for line in demo.out.splitlines() if " events/s " in line]
    assert 1 <= len(lines) <= 4
    assert all(len(line) <= 80 for line in demo.out.splitlines())
    assert "\x1b" not in demo.out


def test_the_otlp_receiver_counts_what_the_ledger_says_was_delivered(demo):
    spans = demo.number(r"OTLP receiver +([\d,]+) spans")
    logs = demo.number(r"OTLP receiver .* ([\d,]+) logs")
    delivered = demo.number(r"otlp +sink .* = ([\d,]+) delivered")
    assert spans == demo.number(r"\n  spans .* ([\d,]+) created")
    assert logs == demo.number(r"\n  logs .* ([\d,]+) created")
    assert spans + logs == delivered > 0


def test_every_request_of_the_shop_is_a_trace_and_is_counted_on_both_pages(demo):
    requests = demo.number(r"OTLP receiver .*; ([\d,]+) traces")
    assert requests == 200, "two seconds at the default rate"
    assert requests == demo.number(r"push target .* ([\d,]+) requests counted")
    assert requests == demo.number(r"scrape page .* ([\d,]+) requests counted")


def test_the_alerts_that_the_rule_made_arrive_at_the_webhook(demo):
    arrived = demo.number(r"webhook receiver +(\d+) alerts?")
    assert arrived == demo.number(r"error_rate +accumulator .* = (\d+) sent") > 0
    assert arrived == demo.number(r"alerts +sink .* = (\d+) delivered")
    assert "HighErrorRate firing" in demo.out


def test_what_variables_say_of_otlp_is_not_said_to_its_own_receiver():
    meant_for_others = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    done = run("demo", "--duration", "0.2", **meant_for_others)
    assert (done.code, done.err) == (0, "")
    assert done.verdict.endswith("lost 0")
    assert done.number(r"OTLP receiver +([\d,]+) spans") > 0


def test_a_variable_that_switches_telemetry_off_is_named_before_anything_runs():
    done = run("demo", OTEL_SDK_DISABLED="true")
    assert (done.code, done.out) == (2, "")
    assert "OTEL_SDK_DISABLED switches telemetry off" in done.err


def test_a_rate_that_nobody_can_keep_up_with_ends_with_its_time():
    done = run("demo", "--duration", "0.1", "--rate", "1e7")
    assert (done.code, done.err) == (0, "")
    assert done.verdict.endswith("lost 0")


def test_an_interrupted_demo_drains_and_prints_the_ledger_all_the_same():
    with running("demo", "--duration", "60") as process:
        before = read_until(process, " events/s ")
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        done = ended(process, before)
    assert time.monotonic() - begin < 8
    assert (done.code, done.err) == (0, "")
    assert done.verdict.startswith("balanced")
    assert done.verdict.endswith("lost 0")
    requests = done.number(r"; ([\d,]+) traces")
    assert 0 < requests == done.number(r"scrape page .* ([\d,]+) requests counted")


def test_a_termination_drains_like_an_interruption():
    with running("demo", "--duration", "60") as process:
        before = read_until(process, " events/s ")
        process.terminate()
        done = ended(process, before)
    assert done.code == 0
    assert done.verdict.endswith("lost 0")


def test_a_second_interruption_aborts_and_the_books_still_balance():
    with running("demo", "--duration", "60", **dead_endpoint()) as process:
        before = read_until(process, " events/s ")
        process.send_signal(signal.SIGINT)
        before += read_until(process, "ending")
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        done = ended(process, before)
    assert time.monotonic() - begin < 4
    assert done.code == 130
    assert "dropped{aborted}" in done.out
    assert done.verdict.startswith("balanced")


def test_a_second_interruption_aborts_while_it_drains_too():
    with running("demo", "--duration", "60", **dead_endpoint()) as process:
        before = read_until(process, " events/s ")
        process.send_signal(signal.SIGINT)
        before += read_until(process, "  draining")
        process.send_signal(signal.SIGINT)
        done = ended(process, before)
    assert done.code == 130
    assert done.verdict.startswith("balanced")


@pytest.fixture(scope="module")
def dead() -> Run:
    begin = time.monotonic()
    done = run("demo", "--duration", "1", **dead_endpoint())
    assert time.monotonic() - begin < 1 + 5 + 3
    return done


def test_a_dead_endpoint_loses_events_says_why_and_the_books_balance(dead):
    lost = dead.number(r"what was lost\n  ([\d,]+) at otlp: errored{connection}")
    assert dead.code == 0
    assert dead.verdict.startswith("balanced")
    assert dead.verdict.endswith(f"lost {lost:,}")
    assert lost == dead.number(r"otlp +sink +([\d,]+) received") > 0
    assert "Connection refused" in dead.err


def test_a_dead_endpoint_costs_the_other_receivers_nothing(dead):
    assert dead.number(r"push target .* ([\d,]+) requests counted") == 100
    assert dead.number(r"error_rate +accumulator +([\d,]+) received") > 100


def test_no_secret_of_an_address_is_printed(dead):
    assert "OTEL_EXPORTER_OTLP_ENDPOINT  http://127.0.0.1:" in dead.out
    assert not re.search("hunter22|user:|pass9", dead.out + dead.err)


def test_a_reader_that_goes_away_ends_the_demo_without_a_traceback():
    with running("demo", "--duration", "60") as process:
        with closing(process.stdout):
            read_until(process, "sluiceway demo")
        process.stdout = None
        done = ended(process, "")
    assert (done.code, done.err) == (1, "")
