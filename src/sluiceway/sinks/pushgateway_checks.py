"""What a PushgatewaySink may be given. Law: pure; a password is in no error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError, nearest
from ..formats.pushgateway import check_grouping

DEFAULT_JOB = "sluiceway"


def checked_grouping(job: Any, grouping: Any) -> dict[str, str] | None:
    """The group's other labels, if the gateway would take them and the job.

    What is not set has a good default.

    Raises:
        ConfigurationError: it would refuse.
    """
    if grouping is None:
        check_grouping({"job": DEFAULT_JOB if job is None else job})
        return None
    if not isinstance(grouping, Mapping):
        kind = type(grouping).__name__
        raise ConfigurationError(
            f"PushgatewaySink.grouping is a {kind}; expected a dict of labels"
        )
    if "job" in grouping:
        raise ConfigurationError("grouping has the label 'job'; expected it as job=...")
    check_grouping({"job": DEFAULT_JOB if job is None else job, **grouping})
    return dict(grouping)


def checked_auth(pair: Any) -> tuple[str, str] | None:
    """User and password, if they can be sent.

    Raises:
        ConfigurationError: they are no pair of texts, or the user has a colon.
    """
    if pair is None:
        return None
    texts = isinstance(pair, tuple | list) and len(pair) == 2
    if not texts or not all(isinstance(text, str) for text in pair) or ":" in pair[0]:
        raise ConfigurationError(
            "PushgatewaySink.basic_auth is wrong; expected a user without a colon and "
            "a password: ('user', 'password')"
        )
    return pair[0], pair[1]


def one_word(setting: str, word: str, words: tuple[str, ...]) -> str:
    """The word, if it is one of those that the setting knows."""
    if word not in words:
        raise ConfigurationError(
            f"{setting} is {word!r}; expected one of {', '.join(map(repr, words))}"
            f"{nearest(word, words)}"
        )
    return word
