"""Mistakes that first users made: each is told, and none loses a neighbour's events."""

import subprocess
import sys
import textwrap
from collections import OrderedDict

import pytest

from sluiceway import (
    ConfigurationError,
    Inlet,
    PartialError,
    Pipeline,
    PipelineFailedError,
    PipelineStateError,
    Retry,
    Sampler,
    Sink,
    Source,
    TransientError,
    merge,
    processor,
    route,
    sampler,
    sink,
    source,
)
from sluiceway.instrument import Telemetry
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink


async def yielding(events):
    yield events


def generating(event):
    yield event


class YieldingSink(Sink):
    async def write(self, events):
        yield events


class TooMany(Sampler):
    def sample(self, events, now):
        return events + events


def run_program(program):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("function", [yielding, generating])
@pytest.mark.parametrize("decorate", [sink, sampler])
def test_a_sink_or_sampler_that_yields_is_refused_since_nothing_would_run(
    function, decorate
):
    with pytest.raises(ConfigurationError, match="must not yield"):
        decorate(function)


def test_a_sink_class_whose_write_yields_is_refused():
    with pytest.raises(ConfigurationError, match="write must not yield"):
        Pipeline(IterableSource([1]) >> YieldingSink())


@pytest.mark.parametrize("retry", [None, Retry(initial=0, deadline=1)])
def test_a_partial_error_that_names_no_event_delivers_nothing(run, retry, caplog):
    @sink(retry=retry, name="end")
    async def end(events):
        raise PartialError({len(events): TransientError("one too far")})

    pipeline = Pipeline(IterableSource([1, 2]) >> end)
    run(pipeline.run())
    ledger = pipeline.ledger()
    assert (ledger.delivered, ledger.lost, ledger.balanced) == (0, 2, True)
    assert "stage end" in caplog.text


def test_a_sampler_cannot_add_events(run):
    pipeline = Pipeline(IterableSource([1, 2]) >> TooMany() >> CollectingSink())
    run(pipeline.run())
    assert pipeline.ledger()["too_many"].rejected == {"TypeError": 2}


def test_events_that_no_way_takes_are_logged_as_well_as_booked(run, caplog):
    end = CollectingSink()
    ways = route(lambda event: event["kind"], {"known": end})
    source = IterableSource([{}, {"kind": "known"}, {"kind": "new"}], name="kinds")
    pipeline = Pipeline(source >> ways)
    run(pipeline.run())
    assert end.events == [{"kind": "known"}]
    assert pipeline.ledger()["kinds"].rejected == {"KeyError": 1, "unrouted": 1}
    assert "stage kinds: 2 events failed" in caplog.text


async def chooses(event):
    return "a"


@pytest.mark.parametrize("wrong", [(3, {"a": None}), (str, ["a"]), (chooses, {})])
def test_a_route_without_a_plain_function_or_names_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="a plain function of one event"):
        route(*wrong)


def test_a_stage_that_calls_sys_exit_rejects_its_event_and_ends_nothing(run):
    @processor
    def leaves(event):
        return sys.exit(3) if event == 1 else event

    end = CollectingSink()
    pipeline = Pipeline(IterableSource([0, 1, 2]) >> leaves >> end)
    run(pipeline.run())
    assert end.events == [0, 2]
    assert pipeline.ledger()["leaves"].rejected == {"RuntimeError": 1}


def test_a_callers_exception_passes_though_a_stage_calls_sys_exit():
    @processor
    def leaves(event):
        return sys.exit(3)

    inlet = Inlet()
    pipeline = Pipeline(inlet >> leaves >> CollectingSink())

    def body():
        with pipeline.background() as background:
            inlet.emit_nowait(1)
            assert background.flush()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        body()
    assert pipeline.ledger().lost == 1


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1"])
@pytest.mark.parametrize("ask", ["stop", "flush"])
def test_a_timeout_that_is_no_time_is_refused(run, ask, seconds):
    async def main():
        async with Pipeline(Inlet() >> CollectingSink()) as pipeline:
            with pytest.raises(ConfigurationError, match="seconds from 0"):
                await getattr(pipeline, ask)(seconds)
            return pipeline.state.value

    assert run(main()) == "running"


@pytest.mark.parametrize("given", [None, 5, "abc", {"a": 1}])
def test_a_source_function_that_does_not_yield_is_told_to(run, given):
    @source
    async def forgetful():
        return given

    with pytest.raises(PipelineFailedError) as caught:
        run(Pipeline(forgetful >> CollectingSink()).run())
    assert str(caught.value.__cause__) == (
        f"source forgetful returned {given!r}; "
        "yield its events, or return an iterable of them"
    )


@pytest.mark.parametrize("event", [{"a": 1}, OrderedDict(a=1), "abc", b"abc"])
def test_a_source_that_sends_one_event_without_a_list_is_told_to(run, event):
    class Bare(Source):
        async def run(self, send):
            await send(event)

    end = CollectingSink()
    with pytest.raises(PipelineFailedError) as caught:
        run(Pipeline(Bare() >> end).run())
    assert isinstance(caught.value.__cause__, TypeError)
    assert str(caught.value.__cause__).endswith("use send([event])")
    assert end.events == []


def test_a_source_that_yields_nothing_lets_others_run(run):
    nothing = IterableSource([[]] * 3_000_000)
    pipeline = Pipeline(nothing >> CollectingSink())

    async def main():
        async with pipeline:
            report = await pipeline.stop(5)
        return report.drained

    assert run(main())


def test_a_background_that_nobody_holds_drains_at_exit():
    done = run_program("""
        from sluiceway import BatchBy, Inlet, Pipeline, sink
        inlet = Inlet()

        @sink(batch=BatchBy(max_events=100, flush_interval=60))
        def show(events):
            print("delivered", events, flush=True)

        def set_up():
            Pipeline(inlet >> show).background().start()

        set_up()
        inlet.emit_nowait(1)
    """)
    assert (done.stdout, done.stderr) == ("delivered [1]\n", "")


def test_a_blocked_loop_does_not_hold_the_stop_of_a_background():
    done = run_program("""
        import threading, time
        from sluiceway import Inlet, Pipeline, sink
        inlet, entered = Inlet(), threading.Event()

        @sink
        def blocks(events):
            entered.set()
            time.sleep(300)

        background = Pipeline(inlet >> blocks, drain_timeout=0.2).background().start()
        inlet.emit_nowait(1)
        entered.wait()
        print(background.stop().stuck)
    """)
    assert done.stdout == "('event loop',)\n"


def test_a_stage_cannot_wait_for_the_pipeline_that_waits_for_it():
    told = []

    @sink
    def waits(events):
        try:
            background.flush(1)
        except PipelineStateError as error:
            told.append(str(error))

    inlet = Inlet()
    background = Pipeline(inlet >> waits).background()
    with background:
        inlet.emit_nowait(1)
    assert "own thread" in told[0]


def test_a_forked_process_of_multiprocessing_drains_what_it_emitted():
    done = run_program("""
        import multiprocessing
        from sluiceway import BatchBy, Inlet, Pipeline, sink
        inlet = Inlet()

        @sink(batch=BatchBy(max_events=100, flush_interval=60))
        def show(events):
            print("delivered", events, flush=True)

        with Pipeline(inlet >> show).background():
            child = multiprocessing.get_context("fork").Process(
                target=inlet.emit_nowait, args=("from the child",)
            )
            child.start()
            child.join()
    """)
    assert done.stdout == "delivered ['from the child']\n"


def test_what_holds_stages_and_is_none_names_those_that_were_meant():
    with pytest.raises(ConfigurationError, match="mean its logs or metrics or spans"):
        Pipeline(Telemetry("shop") >> CollectingSink())


def test_a_merge_of_nothing_is_called_a_merge():
    with pytest.raises(ConfigurationError, match="merge or route needs at least one"):
        merge()
