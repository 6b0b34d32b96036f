"""What promtool would say of the metrics that a pipeline or a page has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ..errors import ConfigurationError, DeliveryError
from ..events import MetricPoint
from ..pipeline import Pipeline
from ..stages import Source

if TYPE_CHECKING:
    from ..formats.prometheus_lint import Finding

STDIN: Final = "-"
EVENTS: Final = ".jsonl"
MOST_BYTES: Final = 64 << 20
TIMEOUT: Final = 10.0
TEXT: Final = {"Accept": "text/plain;version=0.0.4"}


def findings_of(pipeline: Pipeline) -> list[Finding]:
    """What is wrong with the metrics of sources that reach a sink for Prometheus.

    Only a source that knows its metrics before it runs has any here.
    """
    previews = {id(source): previewed(source) for source in pipeline.sources()}
    if not any(previews.values()):
        return []
    from ..formats.prometheus_lint import lint_points  # noqa: PLC0415 - loads much
    from ..sinks import PrometheusSink, PushgatewaySink  # noqa: PLC0415 - load aiohttp

    judged = pipeline.sources((PrometheusSink, PushgatewaySink))
    return lint_points(point for source in judged for point in previews[id(source)])


def previewed(source: Source[Any]) -> list[MetricPoint]:
    """The points that a source expects to send.

    Raises:
        ConfigurationError: it is a user's, and fails.
    """
    try:
        return [each for each in source.preview() if isinstance(each, MetricPoint)]
    except Exception as error:  # whatever the user's code does
        kind = type(error).__name__
        told = f"{source!r} cannot tell its events ({kind}: {error})"
        raise ConfigurationError(told) from error


def findings_on(word: str) -> list[Finding]:
    """What is wrong with the metrics of a page, or of a file of events.

    Args:
        word: an address, a file, or ``-`` for standard input; a file ``*.jsonl`` has
            what ``JsonLinesSink`` wrote.

    Raises:
        ConfigurationError: it cannot be read, or is neither.
    """
    from ..formats.prometheus_lint import lint_page, lint_points  # noqa: PLC0415 - loads much
    from ..formats.prometheus_pages import BadPageError  # noqa: PLC0415 - likewise

    body = read(word)
    if word.endswith(EVENTS):
        return lint_points(points_in(word, body))
    try:
        return lint_page(body)
    except BadPageError as error:
        raise ConfigurationError(f"{shown(word)}: is no page: {error}") from error


def read(word: str) -> bytes:
    """The bytes behind the word.

    Raises:
        ConfigurationError: they cannot be had, or are too many.
    """
    try:
        if word == STDIN:
            body = sys.stdin.buffer.read(MOST_BYTES + 1)
        elif is_address(word):
            body = fetched(word)
        else:
            with Path(word).open("rb") as file:
                body = file.read(MOST_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise ConfigurationError(
            f"{shown(word)}: cannot be read ({reason_of(error)})"
        ) from None
    if len(body) > MOST_BYTES:
        raise ConfigurationError(f"{shown(word)}: has more than {MOST_BYTES} bytes")
    return body


def fetched(address: str) -> bytes:
    """The body that is there, as text 0.0.4 where the server has a choice.

    Raises:
        OSError: there is none, or it took too long.
        HTTPException: what came is not HTTP, or was cut off.
    """
    asked = Request(address, headers=TEXT)  # noqa: S310 - its scheme is HTTP
    with urlopen(asked, timeout=TIMEOUT) as answer:  # noqa: S310 - likewise
        body: bytes = answer.read(MOST_BYTES + 1)
        if answer.length and len(body) <= MOST_BYTES:
            raise IncompleteRead(body, answer.length)
    return body


def is_address(word: str) -> bool:
    """Whether it begins as an address does."""
    return word.lower().startswith(("http://", "https://"))


def shown(word: str) -> str:
    """The word for a person: of an address nothing that could be a secret."""
    if word == STDIN:
        return "standard input"
    if not is_address(word):
        return word
    parts = urlsplit(word)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def reason_of(error: Exception) -> str:
    """Why something could not be read, without its address."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, URLError):
        cause = error.reason
        return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "no address of a page" if isinstance(error, ValueError) else "broken HTTP"


def points_in(word: str, body: bytes) -> Iterator[MetricPoint]:
    """The metric points among the events of a JSON Lines file.

    Raises:
        ConfigurationError: a line is no event.
    """
    from ..formats.json_events import decode_event  # noqa: PLC0415 - only files need it

    for number, line in enumerate(body.splitlines(), 1):
        try:
            event = decode_event(line) if line.strip() else None
        except DeliveryError as error:
            raise ConfigurationError(f"{word}:{number}: is no event: {error}") from None
        if isinstance(event, MetricPoint):
            yield event
