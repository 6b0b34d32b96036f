"""Every error that sluiceway raises or understands, named by whose fault it is.

Law: each class says in ``retryable`` whether trying the same thing again can help.
Stages raise the delivery errors; the engine reads nothing of them but this page.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

LONGEST_LINE: Final = 1000  # characters of an error's own words in a log


class SluicewayError(Exception):
    """The base of every error of this package."""

    retryable: ClassVar[bool] = False


class ConfigurationError(SluicewayError, ValueError):
    """A setting means nothing: the message names field, value and expectation."""


class GraphError(ConfigurationError):
    """The described stages do not form a pipeline; the message names the stages."""


class PipelineStateError(SluicewayError, RuntimeError):
    """The pipeline was asked for something that its present state does not allow."""


class PipelineFailedError(SluicewayError):
    """A stage of a served pipeline failed for good; the first failure is the cause."""


class DeliveryError(SluicewayError):
    """Base of what a sink (or a processor) raises to say how a delivery went wrong.

    Args:
        message: what happened, for a person; it never holds a secret.
        reason: a word of low cardinality for the ledger, such as ``"http_503"``;
            the class's own default otherwise.
    """

    default_reason: ClassVar[str] = "failed"

    def __init__(self, message: str = "", *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason


class TransientError(DeliveryError):
    """The delivery failed and the same events may succeed later: booked as errored.

    Args:
        message: what happened.
        reason: the ledger's word for it, ``"transient"`` by default.
        retry_after: seconds that the receiver asked to wait, or None.
    """

    retryable = True
    default_reason = "transient"

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class PermanentError(DeliveryError):
    """The receiver will never take these events: booked as rejected, not retried."""

    default_reason = "permanent"


class TimeoutExceededError(TransientError):
    """One attempt to write took longer than its ``timeout``."""

    default_reason = "timeout"


class PartialError(DeliveryError):
    """Some events of the batch failed; the others went through.

    Args:
        failed: the error of each failed event by its index in the batch that the
            stage was given; a plain iterable of indices means a permanent error each.
        kept: for a processor, the events that go on; for an accumulator, what is
            released; a sink leaves it out, and every index that is not in ``failed``
            is delivered.
        message: what happened.
    """

    default_reason = "partial"

    def __init__(
        self,
        failed: Mapping[int, Exception] | Iterable[int],
        kept: Iterable[Any] | None = None,
        message: str = "",
    ) -> None:
        if not isinstance(failed, Mapping):
            failed = {index: PermanentError(message) for index in failed}
        super().__init__(message or f"{counted(len(failed), 'event')} failed")
        self.failed: Mapping[int, Exception] = failed
        # Several lists of an accumulator's are Batches, which a copy would not be.
        self.kept = kept if kept is None or isinstance(kept, list) else list(kept)


class SupersededError(DeliveryError):
    """Nothing is lost: a later event of the batch says more. Booked as merged.

    For a sink that sends the latest state, among the ``failed`` of a ``PartialError``.
    """

    default_reason = "superseded"


def reason_of(error: BaseException) -> str:
    """The ledger's word for ``error``: its ``reason``, or the name of its class."""
    try:
        reason = getattr(error, "reason", None)
    except Exception:  # noqa: BLE001 - it is a user's, and may do anything
        reason = None
    return reason if isinstance(reason, str) else type(error).__name__


def counted(count: int, thing: str) -> str:
    """``"1 event"``, ``"2 events"``."""
    return f"{count} {thing}{'s' * (count != 1)}"


def words_of(error: BaseException) -> str:
    """What ``error`` says, or what it is if it says nothing by itself."""
    try:
        said = "" if isinstance(error, KeyError) else str(error)
        return said or repr(error)
    except Exception:  # noqa: BLE001 - it is a user's, and may do anything
        return type(error).__name__


def line_of(error: BaseException) -> str:
    """What ``error`` says on one line of a log, bounded, without control characters."""
    try:
        said = str(error)[:LONGEST_LINE]
    except Exception:  # noqa: BLE001 - it is a user's, and may do anything
        return "(it cannot say what)"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in said)


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint such as ``"; did you mean 'block'?"``, or nothing when no word is near."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
