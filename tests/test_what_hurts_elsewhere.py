"""What hurts users of other telemetry libraries, and the tests that it does not here.

Each row is a complaint that many have had about OpenTelemetry's Python SDK,
prometheus_client or senders of alerts; that its tests exist is tested here.
"""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from programs import run_program
from servers.http_peers import speaking, stalls

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.sinks import OtlpSink

TESTS = Path(__file__).parent
ROWS = {
    "an exporter blocks the event loop": [
        (
            "test_what_hurts_elsewhere.py",
            "test_the_loop_turns_while_a_collector_stalls",
        ),
        ("sinks/test_otlp_heartbeat.py", "test_a_large_body_is_packed_beside_the_loop"),
    ],
    "the application hangs while the collector is down": [
        (
            "embedding/test_background_thread.py",
            "test_a_program_ends_although_a_sink_hangs",
        ),
        (
            "bridges/test_bridge_life.py",
            "test_exporting_goes_on_while_the_backend_hangs_and_a_flush_ends_in_time",
        ),
    ],
    "a shutdown waits for a retry": [
        (
            "engine/test_stop_deadline.py",
            "test_leaving_takes_at_most_the_drain_timeout_and_a_second",
        ),
        (
            "embedding/test_background_thread.py",
            "test_a_stop_returns_in_time_whatever_a_sink_does",
        ),
    ],
    "data are lost at exit and at SIGTERM": [
        ("engine/test_signals.py", "test_run_drains_on_a_signal"),
        (
            "embedding/test_background_thread.py",
            "test_a_program_that_ends_without_a_stop_is_drained_at_exit",
        ),
        (
            "examples/test_web_deployments.py",
            "test_sigterm_under_load_drains_what_was_answered",
        ),
    ],
    "time-outs are seconds here, milliseconds there, or ignored": [
        (
            "sinks/test_otlp_settings.py",
            "test_the_time_out_is_whole_milliseconds_and_0_is_no_bound",
        ),
    ],
    "a forked worker exports nothing, or its parent's data": [
        (
            "embedding/test_forking.py",
            "test_a_child_of_a_background_pipeline_sends_its_own_events_only",
        ),
        (
            "instrument/test_instrument_process.py",
            "test_a_forked_child_is_another_instance_that_has_seen_nothing",
        ),
    ],
    "gevent deadlocks": [
        ("test_what_hurts_elsewhere.py", "test_a_program_of_greenlets_is_drained"),
    ],
    "a context is lost, or detached in another task": [
        (
            "instrument/test_traced_functions.py",
            "test_an_async_generator_may_be_closed_by_another_task",
        ),
    ],
    "a partial success is not noticed": [
        ("sinks/test_otlp_sink.py", "test_a_partial_success_rejects_the_last_events"),
        (
            "sinks/test_otlp_grpc_sink.py",
            "test_a_partial_success_is_rejected_with_the_servers_words",
        ),
    ],
    "a gRPC channel never recovers": [
        (
            "sinks/test_otlp_grpc_sink.py",
            "test_a_channel_recovers_after_the_collector_restarts",
        ),
    ],
    "a batch that is too large is lost as a whole": [
        (
            "sinks/test_otlp_grpc_sink.py",
            "test_a_message_that_is_too_large_is_split_until_the_one_is_found",
        ),
    ],
    "cardinality has no bound": [
        (
            "instrument/test_metric_series.py",
            "test_threads_beyond_the_limit_keep_the_sum_right",
        ),
    ],
    "an exporter's own log lines are exported": [
        (
            "instrument/test_log_feedback.py",
            "test_a_dead_or_broken_endpoint_makes_no_records_of_its_own",
        ),
    ],
    "drops are silent": [
        (
            "engine/test_random_topologies.py",
            "test_books_balance_and_every_delivery_resolves_once",
        ),
    ],
    "a synchronous path is used on the loop": [
        (
            "sinks/test_console_sink.py",
            "test_a_terminal_that_stalls_does_not_stop_the_loop",
        ),
    ],
    "decorators time how long it takes to make a coroutine": [
        (
            "instrument/test_traced_functions.py",
            "test_a_coroutine_is_timed_until_it_has_been_awaited",
        ),
        (
            "instrument/test_metric_timing.py",
            "test_a_coroutine_function_is_timed_until_it_has_been_awaited",
        ),
    ],
    "measuring in a finalizer or a signal handler deadlocks": [
        (
            "instrument/test_metric_hazards.py",
            "test_a_finalizer_may_measure_whatever_is_being_measured",
        ),
        (
            "instrument/test_metric_hazards.py",
            "test_a_signal_handler_may_measure_whatever_is_being_measured",
        ),
    ],
    "workers overwrite each other's groups at a pushgateway": [
        (
            "sinks/test_pushgateway_coalescing.py",
            "test_workers_of_one_service_do_not_overwrite_each_other",
        ),
    ],
    "Retry-After is not honoured": [
        ("sinks/test_otlp_sink.py", "test_retry_after_is_understood_in_both_forms"),
        (
            "sinks/test_newest_updates.py",
            "test_an_update_is_superseded_while_the_receiver_wants_to_be_left_alone",
        ),
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_each_complaint_has_its_tests(row):
    for file, name in ROWS[row]:
        tree = ast.parse((TESTS / file).read_text())
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {n.name for n in ast.walk(tree) if isinstance(n, kinds)}, file


def test_the_loop_turns_while_a_collector_stalls(run):
    """Counted in turns: a blocking exporter would allow none."""

    async def scenario():
        async with speaking(stalls) as url:
            telemetry = Telemetry("shop")
            span = telemetry.tracer("t").span
            sink = OtlpSink(url, timeout=60, retry=None)
            pipeline = Pipeline(telemetry.spans >> sink, drain_timeout=0)
            turns = 0
            async with pipeline:
                while pipeline.statistics()[-1].in_flight == 0:
                    with span("s"):
                        await asyncio.sleep(0)
                while turns < 1000 and pipeline.statistics()[-1].in_flight:
                    with span("s"):
                        await asyncio.sleep(0)
                    turns += 1
            return turns, pipeline.ledger()

    turns, ledger = run(scenario())
    assert turns == 1000
    assert ledger.balanced
    assert ledger["otlp_sink"].delivered == 0


def test_a_program_of_greenlets_is_drained():
    printed = run_program(
        """
        from gevent import monkey

        monkey.patch_all()

        import gevent
        from sluiceway import Pipeline, sink
        from sluiceway.instrument import Telemetry

        taken = []

        @sink
        async def take(spans):
            taken.extend(spans)

        telemetry = Telemetry("shop")
        tracer = telemetry.tracer("t")

        def work(number):
            with tracer.span("s", attributes={"number": number}):
                gevent.sleep(0.01)

        with Pipeline(telemetry.spans >> take).background() as pipeline:
            gevent.joinall([gevent.spawn(work, number) for number in range(50)])
        print(len(taken), len({span.trace_id for span in taken}))
        """
    )
    assert printed == "50 50"
