"""AlertChannels: the channels of one backend, and which policy tells them of an alert.

Law: nobody waits for a channel, and least of all another channel. Whatever names a
channel or a policy that there is not is refused, with the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sluiceway import Alert, Chain, Inlet, Sink, best_effort, route
from sluiceway.alerting import Escalation, Level, Silences, labels_of, target_of

from .alert_book import MOST_ACTIVE
from .alert_events import ALERT_ID, of_texts
from .alert_notices import AT_ONCE, AlertNotices, Notice
from .escalation import FlextEscalationPolicy, exact_text
from .exceptions import FlextConfigurationError
from .result import FlextResult

UNKNOWN: Final = "unknown_channel"
MOST: Final = 2 * MOST_ACTIVE  # since what gives way is over only after the new one
BEFORE: Final = "before the backend starts for the first time"


class AlertChannels:
    """Channels by their names, and policies in the order in which they are asked.

    Args:
        channels: sinks of alerts by their names.
        policies: who is told when; without one all channels are told at once.

    Attributes:
        silences: alerts that no channel is told of.

    Raises:
        FlextConfigurationError: a channel is no sink, or there are two policies of
            one name.
    """

    def __init__(
        self,
        channels: Mapping[str, Sink[Any]] | None = None,
        policies: Sequence[FlextEscalationPolicy] = (),
    ) -> None:
        self.silences = Silences()
        self._notices: Inlet[Notice] = Inlet("alert_notices_inlet")
        self._sinks: dict[str, Sink[Any]] = {}
        self._policies: dict[str, FlextEscalationPolicy] = {}
        self._is_built = False
        for name, sink in (channels or {}).items():
            self.add(name, sink)
        for policy in policies:
            self.add_policy(policy)

    def add(self, name: str, sink: Sink[Any]) -> None:
        """Make a channel."""
        told = exact_text("channel", name)
        if not isinstance(sink, Sink):
            expected = "a Sink, such as sluiceway.sinks.SlackSink(...)"
            raise FlextConfigurationError(f"channel {told!r}", sink, expected)
        self._check_new("channel", told, self._sinks)
        self._sinks[told] = sink

    def add_policy(self, policy: FlextEscalationPolicy) -> None:
        """Ask a further policy, after those that there are."""
        if not isinstance(policy, FlextEscalationPolicy):
            raise FlextConfigurationError("policy", policy, "a FlextEscalationPolicy")
        self._check_new("policy", policy.name, self._policies)
        self._policies[policy.name] = policy

    def _check_new(self, kind: str, name: str, known: Iterable[str]) -> None:
        if name in known:
            raise FlextConfigurationError(kind, name, f"the name of no other {kind}")
        if self._is_built:
            raise FlextConfigurationError(kind, name, f"to be given {BEFORE}")

    def names(self) -> list[str]:
        """The channels that there are."""
        return [*self._sinks]

    def policy_for(self, alert: Alert) -> str:
        """The policy that an alert will follow; ``""`` for none."""
        labels = labels_of(alert)
        matching = (each for each in self._policies.values() if each.matches(labels))
        return next((policy.name for policy in matching), AT_ONCE)

    def policy(self, name: str) -> FlextEscalationPolicy | None:
        """The policy of a name; None if an alert follows none."""
        return self._policies.get(name)

    def known(self, field: str, names: Iterable[str]) -> FlextResult[None]:
        """Whether these are channels; a failure that names the first that is none."""
        for name in names:
            if name not in self._sinks:
                error = self._unknown(field, name)
                return FlextResult.fail(str(error), UNKNOWN, {"field": field})
        return FlextResult.ok(None)

    def _unknown(self, field: str, name: str) -> FlextConfigurationError:
        known = ", ".join(self._sinks) or "no channel, as there is none"
        expected = f"one of {known}" if self._sinks else known
        return FlextConfigurationError(field, name, expected, self._sinks)

    def tell(self, notice: Notice) -> bool:
        """Tell channels, if there are any; False if it cannot be now."""
        return not self._sinks or self._notices.emit_nowait(notice)

    def heard(self, alerts: list[Alert]) -> None:
        """Tell channels of alerts that were made elsewhere, and so have no id."""
        for alert in filter(None, map(of_texts, alerts)):
            if ALERT_ID not in alert.annotations:
                self.tell(Notice(alert, self.policy_for(alert), is_news=True))

    def chains(self, on_told: Callable[[Alert, list[str]], None]) -> list[Chain]:
        """What a pipeline needs so that channels are told; nothing without channels.

        Args:
            on_told: called with an alert as it is told, and the channels that are.

        Raises:
            FlextConfigurationError: a policy names a channel that there is not.
        """
        for policy in self._policies.values():
            for name in policy.channels():
                if name not in self._sinks:
                    raise self._unknown(f"a channel of {policy.name!r}", name)
        self._is_built = True
        if not self._sinks:
            return []
        stage = AlertNotices(self._escalations(), self.silences, on_told)
        apart = {name: best_effort(sink) for name, sink in self._sinks.items()}
        return [self._notices >> stage >> route(target_of, apart)]

    def _escalations(self) -> Mapping[str, Callable[[], Escalation]]:
        """What makes the escalation of each policy."""
        escalation = partial(Escalation, silences=self.silences, max_alerts=MOST)
        at_once = partial(escalation, [Level(self.names())])
        return {AT_ONCE: at_once} | {
            name: partial(
                escalation,
                [level.as_level() for level in policy.levels],
                repeats=policy.repeats,
                pause=float(policy.pause),
            )
            for name, policy in self._policies.items()
        }
