"""Whatever happens, what each receiver is told of an alert is a story that ends."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.alerting import (
    Escalation,
    FlapDamper,
    Level,
    Notifier,
    Silence,
    Silences,
    ThresholdRule,
    target_of,
)
from sluiceway.events import MetricPoint

NEXT = {
    "": {"firing"},
    "firing": {"firing", "acknowledged", "resolved"},
    "acknowledged": {"firing", "resolved"},
    "resolved": {"firing"},
}
ORDERS = ("hot", "cold", "nothing", "ack", "resolve", "silence", "unsilence", "restart")


def anything(labels):
    return bool(labels)


class Chain:
    """Rule, damper, notifier and escalation, as a pipeline would call them."""

    def __init__(self, for_, limit, again):
        self._settings = for_, limit, again
        self.told = {"chat": [], "pager": []}
        self._silence = Silence({"alertname": "Hot"})
        self._make()

    def _make(self):
        for_, limit, again = self._settings
        self._silences = Silences()
        levels = [Level(["chat"]), Level(["pager"], after=5)]
        self.stages = [
            ThresholdRule("Hot", above=1, window=3, for_=for_),
            FlapDamper(limit, window=20),
            Notifier(group_wait=1, group_interval=3, silences=self._silences),
            Escalation(levels, acknowledged_for=again, silences=self._silences),
        ]

    def restart(self, now):
        kept = [msgspec.json.encode(stage.snapshot()) for stage in self.stages]
        self._make()
        for stage, state in zip(self.stages, kept, strict=True):
            saved = msgspec.json.decode(state, type=type(stage.snapshot()))
            stage.restore(saved, now)

    def obey(self, order, now):
        """Do what is ordered, and let a second pass."""
        if order == "restart":
            self.restart(now)
        elif order == "silence":
            self._silences.add(self._silence)
        elif order == "unsilence":
            self._silences.remove(self._silence)
        elif order in ("ack", "resolve"):
            name = "acknowledge_alerts" if order == "ack" else "resolve_alerts"
            for stage in self.stages:
                if hasattr(stage, name):
                    getattr(stage, name)(anything)
        value = {"hot": 2, "cold": 0}.get(order)
        points = [] if value is None else [MetricPoint(name="t", value=value)]
        self._pass(points, now, flush=order in ("ack", "resolve", "unsilence"))

    def _pass(self, events, now, *, flush):
        """Hand on what each stage releases; a flush reaches all of them."""
        for stage in self.stages:
            released = flat(stage.add(events, now)) if events else []
            released += flat(stage.tick(now))
            if flush:
                released += flat(stage.flush(now))
            events = released
        for alert in events:
            self.told[target_of(alert)].append(alert.status.value)


def flat(released):
    """The alerts of one batch, or of several."""
    batches = released if released and isinstance(released[0], list) else [released]
    return [alert for batch in batches for alert in batch]


@given(
    st.lists(st.sampled_from(ORDERS), max_size=60),
    st.sampled_from([0, 2]),
    st.sampled_from([2, 50]),
    st.sampled_from([None, 8]),
)
def test_each_receiver_hears_a_story_that_ends(orders, for_, limit, again):
    chain = Chain(for_, limit, again)
    for now, order in enumerate([*orders, "unsilence", *["cold"] * 60]):
        chain.obey(order, float(now))
    for story in chain.told.values():
        before = ""
        for status in story:
            assert status in NEXT[before], story
            before = status
        assert before in ("", "resolved"), story
    assert chain.stages[2].alerts() == chain.stages[3].alerts() == []
