"""What keeps an alert from being told: silences, and alerts that explain it.

Law: pure, told the time of day. An alert that is muted stays what it is; it is told
once nothing mutes it any more. Source: Alertmanager, ``silence/`` and ``inhibit/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from attrs import Attribute, field, frozen

from ..errors import ConfigurationError
from .labels import Labels, Matches, label_matcher
from .reading import number_of


def a_moment(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a date with a time zone, seconds since the epoch, or None."""
    seconds = number_of(value) is not None
    dated = isinstance(value, datetime) and value.tzinfo is not None
    if value is not None and not seconds and not dated:
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected a date "
            "and time with a time zone, or seconds since the epoch"
        )


def a_text(owner: Any, attribute: Attribute[Any], value: Any) -> None:
    """An attrs validator: a text."""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{type(owner).__name__}.{attribute.name} is {value!r}; expected a text"
        )


def seconds_of(moment: datetime | float | None, default: float) -> float:
    """A moment as seconds since the epoch."""
    if moment is None:
        return default
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


@frozen
class Silence:
    """Alerts that nobody is told of for a while.

    Args:
        matching: what their labels must be: ``{"alertname": "Slow", "x": "=~ a.*"}``.
        starts_at: from when on: a date with a time zone, or seconds since the epoch;
            None (default) from the beginning.
        ends_at: until when; None (default) for ever.
        comment: why.
        author: by whom.

    Raises:
        ConfigurationError: it would match every alert, or ends before it begins.
    """

    matching: Mapping[str, Any]
    starts_at: datetime | float | None = field(default=None, validator=a_moment)
    ends_at: datetime | float | None = field(default=None, validator=a_moment)
    comment: str = field(default="", validator=a_text)
    author: str = field(default="", validator=a_text)
    _matches: Matches = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        matches = label_matcher("Silence.matching", self.matching)
        if matches({}):
            raise ConfigurationError(
                f"Silence.matching is {self.matching!r}, which silences everything; "
                "expected a label that must have some value"
            )
        if seconds_of(self.ends_at, float("inf")) <= seconds_of(self.starts_at, 0.0):
            raise ConfigurationError(
                f"Silence.ends_at is {self.ends_at!r}; expected a moment after "
                f"starts_at, {self.starts_at!r}"
            )
        object.__setattr__(self, "_matches", matches)

    def mutes(self, labels: Labels, time: float) -> bool:
        """Whether it silences an alert at a time of day, in seconds since the epoch."""
        return self.is_active(time) and self._matches(labels)

    def is_active(self, time: float) -> bool:
        """Whether it has begun and not ended."""
        starts = seconds_of(self.starts_at, 0.0)
        return starts <= time and not self.has_ended(time)

    def has_ended(self, time: float) -> bool:
        """Whether it is over, at a time of day in seconds since the epoch."""
        return time >= seconds_of(self.ends_at, float("inf"))


class SavedSilence(msgspec.Struct):
    """A silence as it is kept; times are seconds since the epoch."""

    matching: dict[str, Any]
    starts_at: float | None
    ends_at: float | None
    comment: str
    author: str = ""


def saved_silence(silence: Silence) -> SavedSilence:
    """A silence in a form that can be kept."""
    starts, ends = silence.starts_at, silence.ends_at
    return SavedSilence(
        dict(silence.matching),
        None if starts is None else seconds_of(starts, 0.0),
        None if ends is None else seconds_of(ends, 0.0),
        silence.comment,
        silence.author,
    )


def restored_silence(saved: SavedSilence) -> Silence:
    """A silence that was kept."""
    return Silence(
        saved.matching, saved.starts_at, saved.ends_at, saved.comment, saved.author
    )


class Silences:
    """The silences that are in force, which an operator changes while a pipeline runs.

    One object may be given to several stages.

    Args:
        silences: to begin with; each start has them again, whatever became of them.
    """

    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._given = [checked_silence(each) for each in silences]
        self._added: list[Silence] = []
        self._watchers: list[Callable[[], None]] = []

    def add(self, silence: Silence) -> None:
        """Tell nobody of some alerts, from the next look at them on."""
        self._added.append(checked_silence(silence))
        self._tell_watchers()

    def remove(self, silence: Silence) -> bool:
        """End a silence; whether there was such a one."""
        for silences in (self._added, self._given):
            if silence in silences:
                silences.remove(silence)
                self._tell_watchers()
                return True
        return False

    def all(self) -> list[Silence]:
        """All of them, in force or not."""
        return [*self._given, *self._added]

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call a function whenever one is added or removed, until ``unwatch``."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def _tell_watchers(self) -> None:
        for watcher in [*self._watchers]:
            watcher()

    def saved(self) -> list[SavedSilence]:
        """Those that were added, in a form that can be kept."""
        return [saved_silence(each) for each in self._added]

    def restore(self, saved: Iterable[SavedSilence], time: float) -> None:
        """Add those that were kept and have not ended, each once."""
        for silence in map(restored_silence, saved):
            if not silence.has_ended(time) and silence not in self.all():
                self._added.append(silence)

    def forget_ended(self, time: float) -> None:
        """Leave out those that were added and are over."""
        self._added = [each for each in self._added if not each.has_ended(time)]

    def active(self, time: float) -> list[Silence]:
        """Those in force at a time of day, in seconds since the epoch."""
        return [silence for silence in self.all() if silence.is_active(time)]

    def until(self, labels: Labels, time: float) -> float | None:
        """When the first of those ends that silence an alert; None if none does."""
        ends = (
            seconds_of(silence.ends_at, float("inf"))
            for silence in self.all()
            if silence.mutes(labels, time)
        )
        return min(ends, default=None)

    def mutes(self, labels: Labels, time: float) -> bool:
        """Whether one of them silences an alert at a time of day."""
        return any(silence.mutes(labels, time) for silence in self.all())

    def __repr__(self) -> str:
        return f"<Silences {len(self.all())}>"


def checked_silence(silence: Any) -> Silence:
    """The silence, if it is one.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(silence, Silence):
        raise ConfigurationError(f"{silence!r} is no Silence")
    return silence


@frozen
class Inhibition:
    """Alerts that others explain, which nobody needs to be told of as well.

    Args:
        source: what the labels of the explaining alert must be, while it fires.
        target: what the labels of those that it explains must be.
        equal: labels in which both must be equal; one that is missing is empty.

    Raises:
        ConfigurationError: a matcher can match nothing.
    """

    source: Mapping[str, Any]
    target: Mapping[str, Any]
    equal: Sequence[str] = ()
    _is_source: Matches = field(init=False, repr=False, eq=False)
    _is_target: Matches = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        labels = self.equal
        if isinstance(labels, str) or not all(isinstance(x, str) for x in labels):
            raise ConfigurationError(
                f"Inhibition.equal is {self.equal!r}; expected a list of labels"
            )
        for name in ("source", "target"):
            matches = label_matcher(f"Inhibition.{name}", getattr(self, name))
            object.__setattr__(self, f"_is_{name}", matches)

    def among(self, firing: Iterable[Labels]) -> Callable[[Labels], bool]:
        """The test whether an alert is explained by one of those that fire.

        An alert that matches both sides is not explained by another one that does.
        """
        sources: dict[tuple[str, ...], bool] = {}
        for labels in firing:
            if self._is_source(labels):
                key, both = self._key(labels), self._is_target(labels)
                sources[key] = sources.get(key, True) and both

        def mutes(labels: Labels) -> bool:
            if not sources or not self._is_target(labels):
                return False
            both = sources.get(self._key(labels))
            if both is None:
                return False
            return not (both and self._is_source(labels))

        return mutes

    def _key(self, labels: Labels) -> tuple[str, ...]:
        return tuple([labels.get(label, "") for label in self.equal])
