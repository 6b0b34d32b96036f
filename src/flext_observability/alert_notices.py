"""AlertNotices: the stage that tells channels of alerts, each as its policy says.

Law: an accumulator that is told the time. Who was told that an alert fires is told that
it is acknowledged, and that it is over, once each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from sluiceway import Accumulator, Alert, PartialError, StageContext
from sluiceway.alerting import Escalation, Silences, labels_of, target_of
from sluiceway.events import AlertStatus
from sluiceway.fork import follow_forks

from .alert_events import LEVEL, level_of, told_to

AT_ONCE: Final = ""  # the policy of alerts that follow none

Key = tuple[str, frozenset[tuple[str, str]]]
Tell = Callable[[Alert, list[str]], None]


@frozen
class Notice:
    """What channels are to be told.

    Attributes:
        alert: as it is now.
        policy: which decides who is told.
        channels: who is told at once, whatever the policy says.
        is_news: whether those who were told that it fires are told how it is now.
    """

    alert: Alert
    policy: str = AT_ONCE
    channels: tuple[str, ...] = ()
    is_news: bool = False


class AlertNotices(Accumulator[Notice, Alert]):
    """Lets alerts follow their policies, and tells channels besides.

    What it releases is for the channel that ``target_of`` names.

    Args:
        policies: makes the escalation of each policy, by its name.
        silences: alerts that no channel is told of.
        on_told: called with an alert as it is told, and the channels that are told.
    """

    name = "alert_notices"

    def __init__(
        self,
        policies: Mapping[str, Callable[[], Escalation]],
        silences: Silences,
        on_told: Tell,
    ) -> None:
        self._policies = policies
        self._silences = silences
        self._on_told = on_told
        self._epoch = 0.0  # the time of day when the pipeline's clock was 0
        self.after_fork()
        follow_forks(self)

    def after_fork(self) -> None:
        """In a forked child: what fires is the parent's to tell."""
        self._running = {name: make() for name, make in self._policies.items()}
        self._told: dict[Key, dict[str, None]] = {}

    async def open(self, context: StageContext) -> None:
        """Learn the time of day."""
        self._epoch = context.clock.time_ns() / 1e9 - context.clock.now()
        for escalation in self._running.values():
            await escalation.open(context)

    async def close(self) -> None:
        """Let the escalations rest."""
        for escalation in self._running.values():
            await escalation.close()

    def add(self, events: list[Notice], now: float) -> list[Alert]:
        """Take notices in; what channels are told by it.

        Raises:
            PartialError: there are too many alerts for some.
        """
        released: list[Alert] = []
        failed: dict[int, Exception] = {}
        for index, notice in enumerate(events):
            try:
                released += self._take(notice, now)
            except PartialError as error:
                failed[index] = error.failed[0]
        if failed:
            raise PartialError(failed, released)
        return released

    def _take(self, notice: Notice, now: float) -> list[Alert]:
        """What policies tell by it, and what is to be told besides."""
        alert, key = notice.alert, key_of(notice.alert)
        released = self._running[notice.policy].add([alert], now)
        told = self._noted(notice.policy, released)
        if alert.status is not AlertStatus.FIRING:
            return told + self._after(alert, key)
        heard = {target_of(each) for each in told if key_of(each) == key}
        besides = [each for each in self._besides(notice, now) if each not in heard]
        if besides:
            self._note(alert, besides)
        return told + [told_to(alert, name) for name in besides]

    def _after(self, alert: Alert, key: Key) -> list[Alert]:
        """What is told to those who know that it fires, now that it does not."""
        told = [*self._told.get(key, ())]
        if alert.status is AlertStatus.RESOLVED:
            self._told.pop(key, None)
        return [told_to(alert, name) for name in told]

    def _besides(self, notice: Notice, now: float) -> list[str]:
        """Whom a notice of an alert that fires is for, whatever the policy says."""
        alert = notice.alert
        before = self._told.get(key_of(alert), {}) if notice.is_news else {}
        if self._silences.mutes(labels_of(alert), self._epoch + now):
            before = {}
        return [*notice.channels, *(each for each in before)]

    def _noted(self, policy: str, released: list[Alert]) -> list[Alert]:
        """What a policy tells of alerts that fire; what is over is told elsewhere."""
        firing = [each for each in released if each.status is AlertStatus.FIRING]
        levels: dict[tuple[Key, int], list[Alert]] = {}
        for alert in firing:
            if policy == AT_ONCE:
                alert.annotations.pop(LEVEL, None)  # there are no levels
            levels.setdefault((key_of(alert), level_of(alert)), []).append(alert)
        for alerts in levels.values():
            self._note(alerts[0], [target_of(each) for each in alerts])
        return firing

    def _note(self, alert: Alert, channels: list[str]) -> None:
        self._told.setdefault(key_of(alert), {}).update(dict.fromkeys(channels))
        self._on_told(alert, channels)

    def tick(self, now: float) -> list[Alert]:
        """What policies tell, since its time has come."""
        return self._each(lambda escalation: escalation.tick(now))

    def flush(self, now: float) -> list[Alert]:
        """The same, asked for early: nothing is told before its time."""
        return self._each(lambda escalation: escalation.flush(now))

    def _each(self, turn: Callable[[Escalation], list[Alert]]) -> list[Alert]:
        told: list[Alert] = []
        for policy, escalation in self._running.items():
            told += self._noted(policy, turn(escalation))
        return told

    def next_deadline(self) -> float | None:
        """When the next level of any alert is due."""
        due = (escalation.next_deadline() for escalation in self._running.values())
        return min((when for when in due if when is not None), default=None)

    def statistics(self) -> Any:
        """What each policy has in hand, by its name."""
        return {name: each.statistics() for name, each in self._running.items()}


def key_of(alert: Alert) -> Key:
    """What tells an alert from others."""
    return alert.name, frozenset(alert.labels.items())
