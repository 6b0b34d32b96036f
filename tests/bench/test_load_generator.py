"""The load: when events are due, what they look like, and what a slow pipeline owes."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import ConfigurationError, Pipeline, Queue, Sink
from sluiceway.bench.generator import Extent, LoadSource
from sluiceway.bench.recordings import RecordedEvents, read_recording
from sluiceway.bench.schedules import Bursts, Ramp, Steady
from sluiceway.bench.telemetry import MIX, Shape, TelemetryMaker
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.formats import otlp_json, otlp_protobuf
from sluiceway.formats.json_events import encode_event
from sluiceway.testing import CollectingSink, ManualClock

rates = st.floats(0.1, 1e6)
SCHEDULES = st.one_of(
    st.builds(Steady, rates),
    st.builds(Bursts, st.integers(1, 10_000), st.floats(0.01, 100)),
    st.builds(Ramp, rates, st.floats(0.1, 100)),
)


def make(count=400, **shape):
    return TelemetryMaker(Shape(**shape), lambda: 1_700_000_000_000_000_000)(count)


def alike(some, others):
    """Whether these are the same events: OTLP puts the points of a metric together."""
    return sorted(map(encode_event, some)) == sorted(map(encode_event, others))


class Notes:
    """What a generator told of its events."""

    def __init__(self):
        self.handed, self.late, self.deliveries = [], [], []

    def sent(self, delivery, first, last, count):
        self.handed.append((first, last, count))
        self.deliveries.append(delivery)

    def unsent(self, first, last, count):
        self.late.append((first, last, count))


class Gate(Sink):
    """Writes only when it is let."""

    queue = Queue(capacity=5)

    def __init__(self):
        self.open_gate = asyncio.Event()

    async def write(self, events):
        await self.open_gate.wait()


@given(SCHEDULES, st.integers(0, 100_000))
def test_an_event_is_due_at_its_own_time_and_the_next_one_is_not_before(plan, index):
    when = plan.time_of(index)
    assert plan.count_by(when + 1e-6) >= index + 1
    assert plan.time_of(index + 1) >= when


@given(SCHEDULES, st.floats(0, 1000))
def test_what_is_due_by_a_time_has_a_time_that_has_come(plan, seconds):
    count = plan.count_by(seconds)
    assert plan.time_of(count - 1) <= seconds + 1e-5
    assert plan.time_of(count) >= seconds - 1e-5


@given(SCHEDULES, st.integers(1, 5))
def test_a_share_of_a_schedule_is_due_no_faster_than_the_whole(plan, parts):
    assert plan.share(parts).count_by(10) <= plan.count_by(10) + 1


def test_a_ramp_reaches_its_rate():
    plan = Ramp(100, 10)
    assert plan.count_by(10) == 501
    assert plan.count_by(11) - plan.count_by(10) == 100


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    assert make(seed=3) == make(seed=3)
    assert make(seed=3) != make(seed=4)


def test_the_mix_decides_the_kinds():
    kinds = [type(event) for event in make(2000, mix={"spans": 1, "logs": 3})]
    assert MetricPoint not in kinds
    assert 350 < kinds.count(Span) < 650
    assert kinds.count(LogRecord) + kinds.count(Span) == 2000


@given(st.integers(0, 30), st.integers(1, 50), st.integers(0, 300))
def test_attributes_cardinality_and_text_are_as_asked(attributes, cardinality, text):
    events = make(200, attributes=attributes, cardinality=cardinality, text=text)
    assert {len(event.attributes) for event in events} == {attributes}
    users = {event.attributes.get("user.id") for event in events} - {None}
    assert len(users) <= cardinality
    assert {len(e.body) for e in events if isinstance(e, LogRecord)} == {text}


def test_spans_form_traces_of_a_root_and_its_children():
    spans = make(60, mix={"spans": 1})
    roots = {span.trace_id: span.span_id for span in spans if not span.parent_span_id}
    assert len(roots) == 10
    for span in spans:
        assert span.parent_span_id in {b"", roots[span.trace_id]}


def test_every_event_may_be_changed_without_changing_another():
    first, *others = make(200)
    first.attributes["user.id"] = "changed"
    assert "changed" not in {event.attributes.get("user.id") for event in others}


@pytest.mark.parametrize("body", [otlp_protobuf, otlp_json])
def test_made_events_are_read_back_from_otlp_as_they_were(body):
    spans = make(50, mix={"spans": 1})
    assert body.decode_traces(body.encode_traces(spans)) == spans
    points = make(50, mix={"points": 1})
    assert alike(body.decode_metrics(body.encode_metrics(points)), points)
    logs = make(50, mix={"logs": 1})
    assert body.decode_logs(body.encode_logs(logs)) == logs


@pytest.mark.parametrize("kind", list(MIX))
@pytest.mark.parametrize("form", ["protobuf", "json", "lines"])
def test_a_recording_is_known_by_what_is_in_it(tmp_path, kind, form):
    events = make(20, mix={kind: 1})
    if form == "lines":
        body = b"\n".join(map(encode_event, events))
    else:
        module = otlp_protobuf if form == "protobuf" else otlp_json
        word = {"spans": "traces", "points": "metrics"}.get(kind, kind)
        body = getattr(module, f"encode_{word}")(events)
    path = tmp_path / "recorded"
    path.write_bytes(body)
    assert alike(read_recording(str(path)).events, events)


def test_a_compressed_recording_is_read_like_another(tmp_path):
    events = make(20)
    path = tmp_path / "recorded.gz"
    path.write_bytes(gzip.compress(b"\n".join(map(encode_event, events))))
    assert alike(read_recording(str(path)).events, events)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_recording(str(path))


def test_a_request_on_each_line_is_a_recording_of_all_of_them(tmp_path):
    spans, logs = make(9, mix={"spans": 1}), make(5, mix={"logs": 1})
    path = tmp_path / "collector.jsonl"
    requests = [otlp_json.encode_traces(spans), otlp_json.encode_logs(logs)]
    path.write_bytes(b"\n".join(requests))
    assert alike(read_recording(str(path)).events, [*spans, *logs])


@pytest.mark.parametrize("broken", [b"", b"{", b"[1]", b"null", b'{"n": 1}', b"\xff"])
def test_a_broken_line_costs_itself_and_is_counted(tmp_path, broken):
    events = make(3)
    first, second, third = map(encode_event, events)
    path = tmp_path / "recorded"
    path.write_bytes(b"\n".join([first, broken, second, third, third[:-1]]))
    found = read_recording(str(path))
    assert alike(found.events, events)
    assert found.broken == 1 + bool(broken)


@pytest.mark.parametrize("body", [b"", b"not an event", b'{"type": "spam"}', b"\xff\0"])
def test_a_recording_without_events_is_refused(tmp_path, body):
    path = tmp_path / "recorded"
    path.write_bytes(body)
    with pytest.raises(ConfigurationError, match="recorded: holds no events"):
        read_recording(str(path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_recording(str(tmp_path / "absent"))


def test_a_recording_begins_again_with_copies():
    events = make(3)
    recorded = RecordedEvents(events)
    assert recorded(2) + recorded(5) == [*events, *events, events[0]]
    recorded(1)[0].attributes.clear()
    assert all(event.attributes for event in events)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mix": {"span": 1}}, "did you mean 'spans'"),
        ({"mix": {"spans": 0}}, "no share above 0"),
        ({"mix": {"spans": -1}}, "a share from 0"),
        ({"cardinality": 0}, "cardinality is 0"),
    ],
)
def test_a_shape_that_means_nothing_is_refused(settings, told):
    with pytest.raises(ConfigurationError, match=told):
        Shape(**settings)


def generator(notes, plan, **extent):
    maker = TelemetryMaker(Shape(), lambda: 0)
    return LoadSource(maker, Extent(**extent), plan, notes, "load")


def test_as_many_events_as_asked_are_sent_as_fast_as_possible():
    async def scenario():
        notes, sink = Notes(), CollectingSink()
        source = generator(notes, None, seconds=None, events=250)
        async with Pipeline(source >> sink) as pipeline:
            await pipeline.wait()
        assert len(sink.events) == 250
        assert [count for _, _, count in notes.handed] == [100, 100, 50]

    asyncio.run(scenario())


def test_events_are_due_by_the_schedule_and_not_when_they_were_sent():
    async def scenario():
        clock, notes, sink = ManualClock(), Notes(), CollectingSink()
        source = generator(notes, Steady(10), seconds=2)
        async with Pipeline(source >> sink, clock=clock) as pipeline:
            for _ in range(70):
                await clock.advance(0.03)
            await pipeline.wait()
        assert len(sink.events) == 20
        assert notes.late == []
        assert notes.handed[0] == (0.0, 0.0, 1)
        assert notes.handed[-1][1] == pytest.approx(1.9)

    asyncio.run(scenario())


def test_what_a_full_pipeline_kept_from_being_sent_is_late_since_it_was_due():
    async def scenario():
        clock, notes, gate = ManualClock(), Notes(), Gate()
        source = generator(notes, Steady(10), seconds=10, batch=5)
        async with Pipeline(source >> gate, clock=clock) as pipeline:
            for _ in range(204):
                await clock.advance(0.05)
            sent_before = source.count
            gate.open_gate.set()
            await clock.advance(0.05)
            await pipeline.wait()
        assert sent_before < 10
        handed = sum(count for _, _, count in notes.handed)
        [(first, last, late)] = notes.late
        assert handed + late == 100
        assert first == pytest.approx(handed / 10)
        assert last == pytest.approx(9.9)

    asyncio.run(scenario())


def test_a_stop_ends_the_load():
    async def scenario():
        notes, sink = Notes(), CollectingSink()
        source = generator(notes, Steady(1000), seconds=None)
        async with Pipeline(source >> sink) as pipeline:
            await pipeline.flush()
        assert pipeline.ledger().balanced
        assert len(sink.events) == source.count

    asyncio.run(scenario())
