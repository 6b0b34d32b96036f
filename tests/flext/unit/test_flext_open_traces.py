"""OpenTraces: bounded, told the time, and known by ids alone."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flext_observability import FlextTrace
from flext_observability.open_traces import REMEMBERED, OpenTraces, Operation

LIMIT, TIMEOUT = 5, 10.0


def operation(trace, began=0.0, *, by_name=False):
    return Operation(trace, {}, 0, began, by_name)


def test_nothing_expires_before_its_time_or_after_it():
    traces = OpenTraces(LIMIT, TIMEOUT)
    traces.add(operation(FlextTrace("a", "a"), 0.0))
    traces.add(operation(FlextTrace("b", "b"), 4.0))
    assert traces.expired(9.9) == []
    assert traces.next_look(9.9) == 10.0
    assert [each.trace.name for each in traces.expired(10.0)] == ["a"]
    assert traces.next_look(10.0) == 14.0
    assert [each.trace.name for each in traces.expired(20.0)] == ["b"]
    assert traces.next_look(20.0) == 30.0


def test_a_trace_id_prefers_what_only_it_can_name():
    traces = OpenTraces(LIMIT, TIMEOUT)
    first = FlextTrace("first", "a")
    by_name = FlextTrace("by_name", "a", trace_id=first.trace_id)
    traces.add(operation(first))
    traces.add(operation(by_name, by_name=True))
    assert traces.named(first.trace_id) == (by_name.trace_id, by_name.span_id)
    traces.end(traces.named(first.trace_id), "completed")
    assert traces.named(first.trace_id) == (first.trace_id, first.span_id)


def test_of_what_ended_only_the_latest_is_remembered():
    traces = OpenTraces(LIMIT, TIMEOUT)
    keys = []
    for _ in range(REMEMBERED + 1):
        each = operation(FlextTrace("a", "a"))
        traces.add(each)
        traces.end(each.key, "completed")
        keys.append(each.key)
    assert traces.story(keys[0]) == ""
    assert traces.story(keys[1]) == "was completed already"
    assert traces.story(keys[-1][1]) == "was completed already"


class AgainstAList(RuleBasedStateMachine):
    """The same as a list of what runs, in which everything is looked for."""

    def __init__(self):
        super().__init__()
        self.traces = OpenTraces(LIMIT, TIMEOUT)
        self.open = []
        self.now = 0.0

    @rule(trace=st.integers(1, 3), by_name=st.booleans())
    def start(self, trace, by_name):
        fresh = FlextTrace("t", "t", trace_id=f"{trace:032x}")
        given = operation(fresh, self.now, by_name=by_name)
        left = (
            self.open[len(self.open) - LIMIT + 1 :]
            if len(self.open) >= LIMIT
            else (self.open)
        )
        gone = [each for each in self.open if each not in left]
        assert self.traces.add(given) == gone
        self.open = [*left, given]

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data):
        asked = data.draw(st.sampled_from(self.open))
        name = data.draw(st.sampled_from([asked.key, *asked.key]))
        mine = [each for each in self.open if name == each.key or name in each.key]
        chosen = next((each for each in mine if each.by_name), mine[0])
        key = self.traces.named(name)
        assert key == chosen.key
        assert self.traces.end(key, "completed") == chosen
        self.open.remove(chosen)

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds):
        self.now += seconds
        due = [each for each in self.open if self.now >= each.began + TIMEOUT]
        assert self.traces.expired(self.now) == due
        self.open = self.open[len(due) :]

    @invariant()
    def bounded(self):
        assert len(self.traces) == len(self.open) <= LIMIT

    def teardown(self):
        assert self.traces.end_all() == self.open
        assert len(self.traces) == 0


TestAgainstAList = AgainstAList.TestCase
