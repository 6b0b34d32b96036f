"""What tells alerts apart, and which alerts something is about.

Law: pure. Besides its labels an alert has ``alertname`` and ``severity``; a label that
it has not is an empty text. Source: Alertmanager, ``docs/configuration.md``,
"matcher".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..errors import ConfigurationError, PermanentError
from ..events import Alert, AlertStatus
from .matching import COMPARE, SIGN, Match, test_of
from .reading import number_of, text_of

Labels = Mapping[str, str]
Identity = tuple[str, tuple[tuple[str, str], ...]]
Matches = Callable[[Labels], bool]

MOST_ALERTS: Final = 10_000


def labels_of(alert: Alert) -> dict[str, str]:
    """All labels of an alert, its name and severity among them."""
    return {"severity": alert.severity, **alert.labels, "alertname": alert.name}


def identity_of(alert: Alert) -> Identity:
    """What tells an alert from others: its name and its labels that say something."""
    present = ((key, value) for key, value in alert.labels.items() if value)
    return alert.name, tuple(sorted(present))


def dated(alert: Alert, now_ns: int, *, began: int = 0) -> Alert:
    """A copy that says when it began and, if it is over, when it ended.

    Args:
        alert: it may say neither.
        now_ns: what is said instead, in nanoseconds since the epoch.
        began: what is said instead of a missing beginning; 0 for ``now_ns``.
    """
    copy = alert.copy()
    copy.starts_at_unix_nano = alert.starts_at_unix_nano or began or now_ns
    if alert.status is AlertStatus.RESOLVED:
        copy.ends_at_unix_nano = alert.ends_at_unix_nano or now_ns
    return copy


def alerts_among(
    events: Sequence[Any], who: str
) -> tuple[dict[int, Alert], dict[int, Exception]]:
    """The alerts by their index, with texts wherever there have to be some.

    Args:
        events: what a stage was given.
        who: the stage, for errors.

    Returns:
        And why the others are none.
    """
    alerts: dict[int, Alert] = {}
    failed: dict[int, Exception] = {}
    for index, event in enumerate(events):
        if isinstance(event, Alert):
            alerts[index] = event if is_sound(event) else mended(event)
        else:
            kind = type(event).__name__
            message = f"{who} takes alerts, not {kind}"
            failed[index] = PermanentError(message, reason="not_an_alert")
    return alerts, failed


def too_many(who: str, most: int) -> PermanentError:
    """The error for a further alert, where so many are known already."""
    message = f"{who} knows {most} alerts, its max_alerts, and takes no further one"
    return PermanentError(message, reason="too_many_alerts")


def is_sound(alert: Alert) -> bool:
    """Whether its fields are what they should be; nothing has checked them so far."""
    texts = (alert.name, alert.severity, alert.message, alert.generator_url)
    tables = (alert.labels, alert.annotations)
    times = (alert.starts_at_unix_nano, alert.ends_at_unix_nano)
    return (
        isinstance(alert.status, AlertStatus)
        and all(type(text) is str for text in texts)
        and all(type(time) is int for time in times)
        and all(are_texts(table) for table in tables)
    )


def are_texts(table: Any) -> bool:
    """Whether it is a table of texts."""
    return type(table) is dict and all(
        type(key) is str and type(text) is str for key, text in table.items()
    )


def mended(alert: Alert) -> Alert:
    """The alert with the texts of what is none: ``{"code": 500}`` is ``"500"``."""
    return Alert(
        name=text_of(alert.name),
        severity=text_of(alert.severity),
        status=status_of(alert.status),
        message=text_of(alert.message),
        labels=texts_in(alert.labels),
        annotations=texts_in(alert.annotations),
        starts_at_unix_nano=whole(alert.starts_at_unix_nano),
        ends_at_unix_nano=whole(alert.ends_at_unix_nano),
        generator_url=text_of(alert.generator_url),
    )


def status_of(status: Any) -> AlertStatus:
    """The status that a word means; what means none fires."""
    known = {each.value: each for each in AlertStatus}
    return known.get(text_of(status).lower(), AlertStatus.FIRING)


def texts_in(table: Any) -> dict[str, str]:
    """The texts of a table's values; nothing of what is no table."""
    items = table.items() if isinstance(table, Mapping) else ()
    return {text_of(key): text_of(value) for key, value in items}


def whole(time: Any) -> int:
    """A time as a whole number; 0, which is none, of what is no number."""
    number = number_of(time)
    return 0 if number is None or math.isinf(number) else int(time)


def label_matcher(setting: str, wanted: Any) -> Matches:
    """The test of labels: each must be as it is wanted.

    Args:
        setting: whose it is, for an error.
        wanted: values by label, with signs as in ``"=~ eu-.*"``, or lists of such.

    Raises:
        ConfigurationError: it is no table, or a value can match no text.
    """
    if not isinstance(wanted, Mapping):
        raise ConfigurationError(f"{setting} is {wanted!r}; expected a table of labels")
    tests: list[tuple[str, Match]] = [
        (label, label_test(f"{setting}[{label!r}]", value))
        for label, value in wanted.items()
    ]
    return lambda labels: all(test(labels.get(label, "")) for label, test in tests)


def label_test(setting: str, wanted: Any) -> Match:
    """What a label must be; a number means its text.

    Raises:
        ConfigurationError: it can match no text.
    """
    if isinstance(wanted, list | tuple | set | frozenset):
        tests = [label_test(setting, each) for each in wanted]
        return lambda value: any(test(value) for test in tests)
    sign = SIGN.fullmatch(wanted) if isinstance(wanted, str) else None
    if sign is not None and sign[1] in COMPARE:
        raise ConfigurationError(
            f"{setting} is {wanted!r}; expected =, !=, =~ or !~, since labels are texts"
        )
    if not isinstance(wanted, str | int | float | None):
        raise ConfigurationError(
            f"{setting} is {wanted!r}; expected a text or a list of texts"
        )
    return test_of(setting, wanted if isinstance(wanted, str) else text_of(wanted))
