"""Desk: the alerts of all stages of a pipeline, and what an operator does to them.

Law: stages are found by what they offer (``alerts``, ``pending_alerts``,
``acknowledge_alerts``, ``resolve_alerts``, ``silencing``), so that a stage of the
user's own can take part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..alerting.labels import Identity, Matches, identity_of, label_matcher, labels_of
from ..alerting.matching import SIGN
from ..alerting.muting import Silence, Silences, saved_silence
from ..errors import ConfigurationError, PipelineStateError
from ..events import Alert, AlertStatus
from ..pipeline import Pipeline
from ..reports import PipelineState
from .messages import AlertState, Selection, SilenceState

WHO = "a rule, a Notifier or an Escalation"
PENDING = "pending"
STATUS = {"acknowledge": AlertStatus.ACKNOWLEDGED, "resolve": AlertStatus.RESOLVED}
TELLING = (PipelineState.RUNNING, PipelineState.DRAINING)
FLUSH_SECONDS = 5.0  # that the pipeline may take to tell what was ordered


class Desk:
    """What can be asked of a pipeline's alerts.

    Args:
        pipeline: a pipeline that runs.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def alerts(self) -> list[AlertState]:
        """The alerts that fire or are about to, each once, the oldest first."""
        known = self._known("alerts")
        pending = self._known("pending_alerts")
        about_to = [found for i, found in pending.items() if i not in known]
        books, time = self._silences(), self._time()
        states = [state_of(a, stages, books, time) for a, stages in known.values()]
        for alert, stages in about_to:
            states.append(state_of(alert, stages, books, time))
            states[-1].status = PENDING
        return sorted(states, key=lambda state: (state.starts_at, state.name))

    def _known(self, what: str) -> dict[Identity, tuple[Alert, list[str]]]:
        """The alerts that stages offer, and which stages do; the last one is right."""
        known: dict[Identity, tuple[Alert, list[str]]] = {}
        for name, stage in self._offering(what):
            for alert in getattr(stage, what)():
                first, stages = known.setdefault(identity_of(alert), (alert, []))
                stages.append(name)
                first.status = alert.status
        return known

    async def acknowledge(self, selection: Selection) -> int:
        """Take alerts on, so that their escalation stops; how many that are.

        Raises:
            ConfigurationError: no alert can be meant, or no stage knows alerts.
            PipelineStateError: the pipeline does not run.
        """
        return await self._order("acknowledge", selection)

    async def resolve(self, selection: Selection) -> int:
        """End alerts, whatever their rule says; how many that are.

        Raises:
            ConfigurationError: no alert can be meant, or no stage can end one.
            PipelineStateError: the pipeline does not run.
        """
        return await self._order("resolve", selection)

    async def _order(self, what: str, selection: Selection) -> int:
        matches = narrow_matcher(selection)
        stages = self._offering(method := f"{what}_alerts")
        if not stages:
            raise ConfigurationError(
                f"no stage of this pipeline can {what} an alert; {WHO} can"
            )
        state = self._pipeline.state
        if state not in TELLING:
            raise PipelineStateError(f"the pipeline is {state.value}: nobody is told")
        meant = {
            identity_of(alert)  # of which one stage or another knows another status
            for _, stage in self._offering("alerts")
            for alert in stage.alerts()
            if alert.status is not STATUS[what] and matches(labels_of(alert))
        }
        ordered = sum(getattr(stage, method)(matches) for _, stage in stages)
        if ordered:
            await self._pipeline.flush(FLUSH_SECONDS)
        return len(meant) if ordered else 0

    def silences(self) -> list[SilenceState]:
        """The silences that have not ended."""
        time = self._time()
        found: list[SilenceState] = []
        for book in self._silences():
            for silence in book.all():
                kept = saved_silence(silence)
                state = SilenceState(
                    kept.matching,
                    kept.starts_at,
                    kept.ends_at,
                    kept.comment,
                    kept.author,
                )
                if not silence.has_ended(time) and state not in found:
                    found.append(state)
        return found

    def silence(self, asked: SilenceState) -> int:
        """Tell nobody of some alerts; how many of them fire now.

        Raises:
            ConfigurationError: it would match every alert, has ended already, or no
            stage knows silences.
        """
        silence = Silence(
            asked.matching,
            asked.starts_at,
            asked.ends_at,
            asked.comment,
            asked.author,
        )
        if silence.has_ended(self._time()):
            raise ConfigurationError(
                f"Silence.ends_at is {asked.ends_at!r}, which is over; expected a "
                "moment to come"
            )
        books = self._silences()
        if not books:
            raise ConfigurationError(
                "no stage of this pipeline knows silences; a Notifier or an Escalation "
                "does"
            )
        for book in books:
            book.forget_ended(self._time())
            book.add(silence)
        matches = label_matcher("silence", asked.matching)
        firing = [state for state in self.alerts() if state.status != PENDING]
        return sum(matches(labels_of_state(state)) for state in firing)

    async def unsilence(self, selection: Selection) -> int:
        """End the silences with just these matchers; how many that were.

        What waited for that is told at once.
        """
        wanted = plain(selection.matching)
        ended: list[Silence] = []
        for book in self._silences():
            for silence in book.all():
                if plain(silence.matching) == wanted:
                    book.remove(silence)
                    if silence not in ended:  # two stages may have one each
                        ended.append(silence)
        if ended and self._pipeline.state in TELLING:
            await self._pipeline.flush(FLUSH_SECONDS)
        return len(ended)

    def _time(self) -> float:
        """The time of day of the pipeline, in seconds since the epoch."""
        return self._pipeline.clock.time_ns() / 1e9

    def _offering(self, what: str) -> list[tuple[str, Any]]:
        """The stages that offer a method."""
        stages = self._pipeline.stages.items()
        return [(n, stage) for n, stage in stages if callable(getattr(stage, what, 0))]

    def _silences(self) -> list[Silences]:
        """The silences of all stages, each once."""
        found = (
            getattr(stage, "silencing", None)
            for stage in self._pipeline.stages.values()
        )
        books = [book for book in found if isinstance(book, Silences)]
        return list({id(book): book for book in books}.values())


def narrow_matcher(selection: Selection) -> Matches:
    """The test of a selection.

    Raises:
        ConfigurationError: it selects every alert.
    """
    matches = label_matcher("matching", selection.matching)
    if not selection.matching:
        raise ConfigurationError("matching is empty, which means every alert")
    return matches


def plain(matching: Mapping[str, Any]) -> dict[str, Any]:
    """Matchers in a form to compare: no spaces behind a sign, no sign for equality."""
    return {label: plain_value(wanted) for label, wanted in matching.items()}


def plain_value(wanted: Any) -> Any:
    """What a label must be, likewise."""
    if isinstance(wanted, list | tuple | set | frozenset):
        return sorted(str(plain_value(each)) for each in wanted)
    sign = SIGN.fullmatch(wanted) if isinstance(wanted, str) else None
    if sign is None:
        return wanted
    return sign[2] if sign[1] == "=" else sign[1] + sign[2]


def state_of(
    alert: Alert, stages: list[str], books: Iterable[Silences], time: float
) -> AlertState:
    """An alert as it is shown."""
    labels = labels_of(alert)
    return AlertState(
        alert.name,
        alert.severity,
        alert.status.value,
        dict(alert.labels),
        alert.message,
        any(book.mutes(labels, time) for book in books),
        alert.starts_at_unix_nano / 1e9,
        stages,
    )


def labels_of_state(state: AlertState) -> dict[str, str]:
    """All labels of an alert that is shown."""
    return {"severity": state.severity, **state.labels, "alertname": state.name}
