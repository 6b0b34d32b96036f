"""How one run of a check ended, and what its answer means.

Law: every answer means something; what means nothing is a failure that says what was
expected. A text is bounded and can be written as JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from ..errors import nearest
from ..events import Attributes, HealthCheck, HealthStatus, copy_value

LONGEST_MESSAGE: Final = 1000  # characters
WORDS: Final = {status.value: status for status in HealthStatus}
EXPECTED: Final = (
    "expected a bool, a HealthStatus, a text, (status, text, details), a HealthCheck "
    "or None"
)


class Ending(enum.Enum):
    """How a run of a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSURE = "unsure"
    TIMED_OUT = "timed_out"
    OVERDUE = "overdue"


@frozen
class Outcome:
    """What one run of a check brought.

    Attributes:
        ending: ``PASSED`` (healthy or degraded), ``FAILED`` (unhealthy, or it raised),
            ``UNSURE`` (it answered unknown), ``TIMED_OUT``, or ``OVERDUE``: the run
            before has not ended, so that there was none.
        status: what the run itself says, whatever happened before it.
        message: one line for a person.
        details: whatever else the check tells.
        error: the class of what it raised; empty if it answered.
    """

    ending: Ending
    status: HealthStatus
    message: str = ""
    details: Attributes = field(factory=dict)
    error: str = ""


ENDINGS: Final[Mapping[HealthStatus, Ending]] = {
    HealthStatus.HEALTHY: Ending.PASSED,
    HealthStatus.DEGRADED: Ending.PASSED,
    HealthStatus.UNHEALTHY: Ending.FAILED,
    HealthStatus.UNKNOWN: Ending.UNSURE,
}


def answered(answer: Any) -> Outcome:
    """The outcome of a run that returned; a wrong answer is a failure."""
    try:
        return read_answer(answer)
    except Exception as error:  # noqa: BLE001 - whatever a user's object does
        message = str(error) if type(error) is ValueError else text_of(error)
        return Outcome(Ending.FAILED, HealthStatus.UNHEALTHY, shortened(message))


def raised(error: BaseException) -> Outcome:
    """The outcome of a run that raised."""
    return Outcome(
        Ending.FAILED,
        HealthStatus.UNHEALTHY,
        shortened(text_of(error)),
        error=type(error).__name__,
    )


def timed_out(seconds: float) -> Outcome:
    """The outcome of a run that did not end in time."""
    message = f"no answer within {seconds:g} s"
    return Outcome(Ending.TIMED_OUT, HealthStatus.UNKNOWN, message)


def overdue(seconds: float) -> Outcome:
    """The outcome of a turn at which the run before had not ended.

    Args:
        seconds: since that run began.
    """
    message = f"still without an answer after {seconds:g} s; it is not asked again"
    return Outcome(Ending.OVERDUE, HealthStatus.UNKNOWN, message)


def read_answer(answer: Any) -> Outcome:
    """What an answer means.

    Raises:
        ValueError: it means nothing; the text says what was expected.
    """
    if answer is None:
        return outcome(HealthStatus.HEALTHY)
    if isinstance(answer, HealthCheck):
        parts = (answer.status, answer.message, answer.details)
        return read_parts(parts, answer)
    if isinstance(answer, tuple):
        return read_parts(answer, answer)
    if isinstance(answer, str):
        return read_text(answer)
    return outcome(status_of(answer, answer))


def read_parts(parts: tuple[Any, ...], answer: Any) -> Outcome:
    """What ``(status, text, details)`` means; the last two may be missing."""
    if not 1 <= len(parts) <= 3:
        raise wrong(answer)
    status = status_of(parts[0], answer)
    text = "" if len(parts) < 2 or parts[1] is None else parts[1]
    details = {} if len(parts) < 3 or parts[2] is None else parts[2]
    if not isinstance(text, str) or not isinstance(details, Mapping):
        raise wrong(answer)
    return outcome(status, text, details)


def read_text(text: str) -> Outcome:
    """What a text means: the word of a status, or a message of a healthy check."""
    word = text.strip().lower()
    if word in WORDS:
        return outcome(WORDS[word])
    hint = "" if " " in word else nearest(word, WORDS)
    if hint:  # a misspelt word must not count as healthy
        raise ValueError(f"the check answered {text!r}{hint}")
    return outcome(HealthStatus.HEALTHY, text)


def status_of(value: Any, answer: Any) -> HealthStatus:
    """The status that a value names."""
    if isinstance(value, HealthStatus):
        return value
    if isinstance(value, bool):
        return HealthStatus.HEALTHY if value else HealthStatus.UNHEALTHY
    if isinstance(value, str):
        word = value.strip().lower()
        if word in WORDS:
            return WORDS[word]
        raise ValueError(
            f"the check answered the status {value!r}; "
            f"expected one of {', '.join(WORDS)}{nearest(word, WORDS)}"
        )
    raise wrong(answer)


def wrong(answer: Any) -> ValueError:
    """The error for an answer that means nothing."""
    return ValueError(f"the check answered {answer!r}; {EXPECTED}")


def outcome(
    status: HealthStatus, text: str = "", details: Mapping[Any, Any] | None = None
) -> Outcome:
    """The outcome of a run that found this."""
    told = {str(key): copy_value(value) for key, value in (details or {}).items()}
    return Outcome(ENDINGS[status], status, shortened(text), told)


def text_of(error: BaseException) -> str:
    """``ValueError: what it says``, or its class alone."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever a user's exception does
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def shortened(text: str) -> str:
    """The text, valid and not too long."""
    valid = text.encode("utf-8", "replace").decode()
    if len(valid) <= LONGEST_MESSAGE:
        return valid
    return valid[: LONGEST_MESSAGE - 1] + "…"
