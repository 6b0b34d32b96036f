"""The five kinds of rules: threshold, rate, ratio, change and absence.

Each is a stage: events go in, alerts come out, ``spans >> RatioRule(...) >> sink``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from attrs import define, field

from ..events import Alert
from ..settings import number, one_of
from .amounts import Amounts
from .bounded import BoundedRule
from .matching import Match, matcher
from .reading import Read, number_of, reader
from .rule import Measure, Rule, Where
from .window import Window

Aggregate = Literal["last", "mean", "max", "min", "sum"]
Path = str | Callable[[Any], Any]

AGGREGATES: Final[dict[str, Callable[[Window], float]]] = {
    "last": Window.last,
    "mean": lambda window: window.total() / window.count(),
    "max": Window.most,
    "min": Window.least,
    "sum": Window.total,
}


class Windowed(Measure):
    """Numbers in a window.

    Args:
        seconds: of the window.
        read: gives an event's number, or None.
        show: what is made of those in the window.
    """

    def __init__(
        self, seconds: float, read: Read, show: Callable[[Window], float | None]
    ) -> None:
        self._window = Window(seconds)
        self._read = read
        self._show = show

    def add(self, event: Any, now: float) -> None:
        """Take an event's number in, if it has one."""
        value = number_of(self._read(event))
        if value is not None:
            self._window.add(value, now)

    def value(self, now: float) -> float | None:
        """What the window shows; None if it is empty."""
        self._window.forget(now)
        return None if self._window.is_empty else self._show(self._window)

    def is_idle(self) -> bool:
        """Whether the window is empty."""
        return self._window.is_empty


@define(eq=False, slots=False, repr=False)
class ThresholdRule(BoundedRule):
    """Fires while a number is above or below a limit.

    ``ThresholdRule("Hot", where={"name": "temperature"}, above=90)``.

    Args:
        value: the path of the number, such as ``"value"`` (default, of a metric point),
            ``"value.sum"``, ``"duration"`` or ``"attributes.KEY"``; or a function.
        aggregate: which number of a window: ``"last"`` (default), ``"mean"``,
            ``"max"``, ``"min"`` or ``"sum"``.
    """

    value: Path = field(default="value", kw_only=True)
    aggregate: Aggregate = field(
        default="last", kw_only=True, validator=one_of(Aggregate)
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._read = reader("ThresholdRule.value", self.value)

    def new_measure(self) -> Measure:
        """A window of the numbers."""
        return Windowed(self.window, self._read, AGGREGATES[self.aggregate])


@define(eq=False, slots=False, repr=False)
class ChangeRule(BoundedRule):
    """Fires while a number has changed by more, or less, than a limit in a window.

    What is compared is the newest number with the oldest one of the window.

    Args:
        value: the path of the number, or a function; default ``"value"``.
        relative: True compares by shares of the oldest number: 0.5 is half as much
            again; default False, by the difference.
    """

    value: Path = field(default="value", kw_only=True)
    relative: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._read = reader("ChangeRule.value", self.value)

    def new_measure(self) -> Measure:
        """A window of the numbers."""
        show = relative_change if self.relative else change
        return Windowed(self.window, self._read, show)


def change(window: Window) -> float:
    """By how much the newest number differs from the oldest."""
    return window.last() - window.first()


def relative_change(window: Window) -> float | None:
    """The same as a share of the oldest; None if that is zero."""
    first = window.first()
    return None if first == 0 else (window.last() - first) / abs(first)


@define(eq=False, slots=False, repr=False)
class RateRule(BoundedRule):
    """Fires while so many events come in a second, on the average of a window.

    Of metric points it counts what their sums, or their histograms' counts, have grown
    by, resets considered. Whether it is ``below`` a limit is not known before a window
    has passed since the first event of a series. A series that nothing is heard of any
    more has the rate 0, and is forgotten unless that makes it fire.
    """

    def new_measure(self) -> Measure:
        """A window of what the events count for."""
        return Pace(self.window, whole=self.below is not None)


class Pace(Measure):
    """Events a second; 0, and not unknown, when nothing comes.

    Args:
        seconds: that an event counts for.
        whole: whether the rate is unknown before so many seconds have been seen, since
            it would be too low.
    """

    def __init__(self, seconds: float, *, whole: bool) -> None:
        self._window = Window(seconds)
        self._seconds = seconds
        self._whole = whole
        self._since: float | None = None
        self._amounts = Amounts()

    def add(self, event: Any, now: float) -> None:
        """Count an event."""
        if self._since is None:
            self._since = now
        self._window.add(self._amounts.of(event), now)

    def value(self, now: float) -> float | None:
        """The rate; None if too little has been seen."""
        self._window.forget(now)
        since = now if self._since is None else self._since
        if self._whole and now - since < self._seconds:
            return None
        return self._window.total() / self._seconds

    def is_idle(self) -> bool:
        """Whether nothing has come."""
        return self._window.is_empty


@define(eq=False, slots=False, repr=False)
class RatioRule(BoundedRule):
    """Fires while a share of the events of a window is of some kind.

    ``RatioRule("Errors", of={"status_code": "error"}, above=0.1, window=60)``. Metric
    points count by what they have grown by, as for ``RateRule``.

    Args:
        of: which of the events are counted above the line, as ``where`` says it.
        out_of: which are counted below it, where those above are others, such as
            another metric; default all.
        at_least: events below the line without which the share means nothing; default
            1.
    """

    of: Where = field(kw_only=True)
    out_of: Where = field(factory=dict, kw_only=True)
    at_least: float = field(default=1, kw_only=True, validator=number(0))

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._above = matcher("RatioRule.of", self.of)
        self._below = matcher("RatioRule.out_of", self.out_of)

    def new_measure(self) -> Measure:
        """A window of all and one of those above the line."""
        return Share(self.window, self._above, self._below, self.at_least)


class Share(Measure):
    """How large a part of the events is of some kind.

    Args:
        seconds: that an event counts for.
        above: whether it is of that kind; None if all are.
        below: whether it is one of those that are shared; None if all are.
        at_least: events without which there is no share.
    """

    def __init__(
        self, seconds: float, above: Match | None, below: Match | None, at_least: float
    ) -> None:
        self._all, self._some = Window(seconds), Window(seconds)
        self._above, self._below = above, below
        self._least = at_least
        self._amounts = Amounts()

    def add(self, event: Any, now: float) -> None:
        """Count an event."""
        amount = self._amounts.of(event)
        if self._below is None or self._below(event):
            self._all.add(amount, now)
        if self._above is None or self._above(event):
            self._some.add(amount, now)

    def value(self, now: float) -> float | None:
        """The share; None if there are too few events."""
        self._all.forget(now)
        self._some.forget(now)
        total = self._all.total()
        if total <= 0 or total < self._least:
            return None
        return self._some.total() / total

    def is_idle(self) -> bool:
        """Whether no event counts any more."""
        return self._all.is_empty and self._some.is_empty


@define(eq=False, slots=False, repr=False)
class AbsenceRule(Rule):
    """Fires when no event has come for a while: a dead man's switch.

    Without ``by`` it waits from the start of the pipeline on; with ``by`` each series
    is waited for once it has been seen.

    Args:
        window: seconds of silence after which it fires; default 300.
        forget_after: seconds of silence after which a series of ``by`` is given up and
            resolved; None (default) waits for ever.
    """

    window: float = field(default=300.0, kw_only=True, validator=number(0.001))
    forget_after: float | None = field(
        default=None, kw_only=True, validator=number(0.001, optional=True)
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._started = False

    @property
    def threshold(self) -> float:
        """The window."""
        return self.window

    @property
    def patience(self) -> float:
        """The window: so long nobody knows whether the silence has ended."""
        return self.window

    def new_measure(self) -> Measure:
        """How long ago the last event was."""
        return Silence(self.forget_after)

    def holds(self, value: float | None, *, firing: bool) -> bool:  # noqa: ARG002 - the interface's
        """Whether the silence has lasted for the window."""
        return value is not None and value >= self.window

    def tick(self, now: float) -> list[Alert]:
        """Begin to wait, or look whether the silence is too long."""
        if not self._started:
            self._started = True
            if not self._by and () not in self._series:
                self.new_series(())
            for series in self._series.values():
                series.measure.add(None, now)
        return super().tick(now)

    def next_deadline(self) -> float | None:
        """When it looks again; at once when the pipeline starts."""
        return super().next_deadline() if self._started else 0.0


class Silence(Measure):
    """Seconds since the last event.

    Args:
        forget_after: seconds after which nobody waits any more; None for never.
    """

    def __init__(self, forget_after: float | None) -> None:
        self._heard = 0.0
        self._forget_after = forget_after
        self._forgotten = False

    def add(self, event: Any, now: float) -> None:  # noqa: ARG002 - the interface's
        """Something was heard."""
        self._heard = now
        self._forgotten = False

    def value(self, now: float) -> float | None:
        """How long ago that was; None once it is forgotten."""
        silence = now - self._heard
        after = self._forget_after
        self._forgotten = after is not None and silence >= after
        return None if self._forgotten else silence

    def is_idle(self) -> bool:
        """Whether nobody waits any more."""
        return self._forgotten
