"""Which settings of a pipeline are searched, how they are turned, and told as TOML."""

from __future__ import annotations

import tomllib
from itertools import islice
from random import Random

import pytest

from sluiceway import (
    BatchBy,
    ConfigurationError,
    Pipeline,
    Queue,
    Sink,
    processor,
    sink,
    source,
)
from sluiceway.bench.knobs import as_toml, candidates, knobs_of, turn
from sluiceway.bench.rewiring import graph_of
from sluiceway.config import read
from sluiceway.sinks import OtlpSink


@source
async def events():
    yield 1


async def look(event):
    return event


@processor
def change(event):
    return event


async def put(events): ...


@pytest.fixture
def look_up():
    return processor(name="look_up", workers=2)(look)


@pytest.fixture
def write():
    return sink(name="write", queue=Queue(capacity=1000), max_in_flight=2)(put)


class Plain(Sink):
    async def write(self, events): ...


FILE = """
chains = ["lines >> out"]
[stages]
lines = { type = "JsonLinesSource", path = "x.jsonl" }
out = { type = "OtlpSink", batch = { max_events = 100, flush_interval = 0.2 } }
"""


def paths(*chains, from_file=False):
    knobs = knobs_of(Pipeline(*chains), from_file=from_file)
    return {knob.path: knob.present for knob in knobs}


def stage(pipeline, name):
    return next(node.stage for node in graph_of(pipeline).nodes if node.name == name)


def test_what_a_stage_has_and_what_can_matter_is_searched(look_up, write):
    assert paths(events >> look_up >> change >> BatchBy(50) >> write) == {
        "look_up.queue.capacity": 8192,
        "look_up.workers": 2,
        "batch_by.max_events": 50,
        "batch_by.flush_interval": 1.0,
        "write.queue.capacity": 1000,
        "write.max_in_flight": 2,
    }


def test_a_sink_that_gathers_no_batches_is_tried_with_some(write):
    pipeline = Pipeline(events >> write)
    [knob] = [k for k in knobs_of(pipeline, from_file=True) if "batch" in k.path]
    assert knob.path == "write.batch.max_events"
    assert knob.present == 0
    for changes in islice(candidates([knob], Random(1)), 9):
        turn(pipeline, knob.path, str(changes[knob.path]))
        patch = tomllib.loads(as_toml(Pipeline(events >> write), changes))
        assert stage(pipeline, "write").batch == BatchBy(
            **patch["stages"]["write"]["batch"]
        )


def test_a_file_can_only_set_what_a_class_takes():
    assert paths(events >> Plain(), from_file=True) == {}
    assert {*paths(events >> OtlpSink(), from_file=True)} == {
        "otlp_sink.batch.max_events",
        "otlp_sink.batch.flush_interval",
        "otlp_sink.queue.capacity",
        "otlp_sink.max_in_flight",
    }


def test_candidates_differ_from_each_other_and_turn_only_to_other_values(look_up):
    knobs = knobs_of(Pipeline(events >> look_up >> OtlpSink()), from_file=False)
    others = {knob.path: knob.others for knob in knobs}
    found = list(islice(candidates(knobs, Random(1)), 40))
    assert len(found) == 40
    assert all(found.count(changes) == 1 for changes in found)
    assert all(v in others[path] for changes in found for path, v in changes.items())
    assert all(knob.present not in knob.others for knob in knobs)


def test_candidates_end_where_there_are_no_more(write):
    knobs = knobs_of(Pipeline(events >> write), from_file=False)[:1]
    found = list(candidates(knobs, Random(1)))
    assert len(found) == len(knobs[0].others)


def test_no_candidate_gathers_more_than_its_queue_holds():
    out = OtlpSink(queue=Queue(capacity=2000), batch=BatchBy(1000))
    knobs = knobs_of(Pipeline(events >> out), from_file=False)
    for changes in islice(candidates(knobs, Random(2)), 60):
        batch = changes.get("otlp_sink.batch.max_events", 1000)
        assert batch <= changes.get("otlp_sink.queue.capacity", 2000)


def test_a_turned_setting_is_the_stages_and_its_neighbours_stay(look_up, write):
    pipeline = Pipeline(events >> look_up >> BatchBy(50, flush_interval=3) >> write)
    turn(pipeline, "look_up.workers", "8")
    turn(pipeline, "batch_by.max_events", "200")
    turn(pipeline, "write.queue.capacity", "64")
    assert stage(pipeline, "look_up").workers == 8
    assert stage(pipeline, "batch_by").settings == BatchBy(200, flush_interval=3)
    assert stage(pipeline, "write").queue == Queue(capacity=64)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("wrte.queue.capacity", "1", "did you mean 'write'"),
        ("write.queue.capcity", "1", "did you mean 'write.queue.capacity'"),
        ("write.queue.capacity", "many", "expected a number"),
        ("write.queue.capacity", "0", "Queue.capacity is 0"),
        ("write.max_in_flight", "1.5", "max_in_flight is 1.5"),
        ("look_up.workers", "true", "expected a number"),
    ],
)
def test_what_cannot_be_turned_is_told(path, value, told, look_up, write):
    pipeline = Pipeline(events >> look_up >> write)
    with pytest.raises(ConfigurationError, match=told):
        turn(pipeline, path, value)


@pytest.mark.parametrize("name", ["put it", "größe", 'a"b', "a.b", "plain-1_x"])
def test_a_patch_is_toml_whatever_a_stage_is_called(name):
    out = OtlpSink(name=name, queue=Queue(capacity=9000, when_full="drop_oldest"))
    patch = as_toml(Pipeline(events >> out), {f"{name}.queue.capacity": 100})
    assert tomllib.loads(patch) == {
        "stages": {name: {"queue": {"capacity": 100, "when_full": "drop_oldest"}}}
    }


def test_the_patch_of_a_file_gives_what_was_tried_and_leaves_the_rest():
    changes = {"out.batch.max_events": 400, "out.max_in_flight": 8}
    tried = read(FILE).pipeline
    for path, value in changes.items():
        turn(tried, path, str(value))
    patch = tomllib.loads(as_toml(read(FILE).pipeline, changes))
    assert patch == {
        "stages": {
            "out": {
                "batch": {"max_events": 400, "flush_interval": 0.2},
                "max_in_flight": 8,
            }
        }
    }
    tables = tomllib.loads(FILE)
    assert {*patch["stages"]["out"]} <= {"batch", "max_in_flight", "queue"}
    patched = OtlpSink(
        batch=BatchBy(**patch["stages"]["out"]["batch"]),
        max_in_flight=patch["stages"]["out"]["max_in_flight"],
    )
    assert stage(tried, "out").batch == patched.batch
    assert stage(tried, "out").max_in_flight == patched.max_in_flight
    assert tables["stages"]["out"]["batch"]["max_events"] == 100
