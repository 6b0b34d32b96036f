"""An address that alerts are posted to, and what it has said about itself.

Law: who asked to be left alone is left alone until then, and who is gone for good is
asked no more; what is waited for is one request, never several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from attrs import field, frozen

from ..clock import SYSTEM_CLOCK
from ..errors import (
    ConfigurationError,
    DeliveryError,
    PermanentError,
    TransientError,
)
from ..formats.complaints import Complain, Complaint
from ..formats.retry_after import seconds_asked
from ..layers import Write
from ..layers.timeout import TimeoutLayer
from ..settings import is_seconds
from ..stages import StageContext
from .addresses import checked_headers, origin, without_path, wrong_with
from .http import Answer, Destination, HttpClient, failure_of, quoted

F = TypeVar("F")

EXAMPLE: Final = "https://example.com/hooks/alerts"
RETRYABLE: Final = frozenset({429, *range(500, 600)})
LONGEST_ANSWER: Final = 64 * 1024  # bytes of a success's body that are looked at
LONGEST_LIMIT: Final = 3600.0  # seconds that a request to wait is remembered
GONE: Final = 410


@frozen
class EndpointStatistics:
    """What an endpoint has answered.

    Attributes:
        answers: how many requests, by HTTP status.
        disabled: whether it has answered 410 and is asked no more.
    """

    answers: Mapping[int, int] = field(factory=dict)
    disabled: bool = False


class Endpoint:
    """Posts to one address.

    Args:
        to: the address.
        timeout: seconds for one request; None for no bound.
        refuse_private: connect to addresses of the public internet only.
        complain: looks for a failure in the body of a success; None does not read it.
    """

    def __init__(
        self,
        to: Destination,
        *,
        timeout: float | None = None,
        refuse_private: bool = False,
        complain: Complain | None = None,
    ) -> None:
        self.to = to
        self._seconds = timeout
        self._complain = complain
        self._client = HttpClient(refuse_private=refuse_private)
        self._clock = SYSTEM_CLOCK
        self._context: StageContext | None = None
        self._answers: Counter[int] = Counter()
        self._disabled = False
        self._limited_until = 0.0
        self._limit: DeliveryError | None = None

    @property
    def state(self) -> str:
        """One word for a repr."""
        if self._disabled:
            return "disabled"
        return "open" if self._client.is_open else "closed"

    def statistics(self) -> EndpointStatistics:
        """A snapshot of what was answered."""
        return EndpointStatistics(dict(self._answers), self._disabled)

    async def open(self, context: StageContext) -> None:
        """Get a connection pool; nothing is connected yet."""
        self._context = context
        self._clock = context.clock
        self._disabled = False
        self._limited_until = 0.0
        await self._client.open()

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    @property
    def limited_for(self) -> float:
        """Seconds that it still wants to be left alone; 0 if it may be asked."""
        return max(0.0, self._limited_until - self._clock.now())

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One request.

        Args:
            body: JSON.
            headers: more than those of every request.

        Raises:
            TransientError: trying again can help: ``http_429``, ``http_503`` and the
                like, ``connection``, ``timeout``, ``tls``, ``not_http``.
            PermanentError: it cannot: ``http_400`` and the like, ``disabled``,
                ``private_address``.
        """
        self._check_whether_to_ask()
        merged = {"Content-Type": "application/json", **headers}
        answer = await self._ask(body, merged)
        self._answers[answer.status] += 1
        failure = self._failure_in(answer)
        if failure is not None:
            self._learn(answer, failure)
            raise failure
        return answer

    def _check_whether_to_ask(self) -> None:
        if self._disabled:
            raise PermanentError(
                f"{self.to.shown} answered 410 and is asked no more", reason="disabled"
            )
        left = self.limited_for
        if left and self._limit is not None:
            raise TransientError(
                str(self._limit), reason=self._limit.reason, retry_after=left
            )

    async def _ask(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        answers: list[Answer] = []
        keep = LONGEST_ANSWER if self._complain else 0

        async def ask(_: list[Any]) -> None:
            answers.append(await self._client.send(self.to, body, headers, keep))

        attempt: Write = ask
        if self._seconds is not None:
            attempt = TimeoutLayer(ask, self._seconds, self._clock)
        await attempt([])
        return answers[0]

    def _failure_in(self, answer: Answer) -> DeliveryError | None:
        if not answer.is_success:
            return failure_of(
                answer,
                self.to,
                retryable=RETRYABLE,
                words=answer.text() if answer.is_text else "",
                now_ns=self._clock.time_ns(),
            )
        complaint = self._complain(answer.body) if self._complain else None
        return None if complaint is None else self._complained(answer, complaint)

    def _complained(self, answer: Answer, complaint: Complaint) -> DeliveryError:
        """The error for a failure that called itself a success."""
        words = quoted(self.to, complaint.words)
        message = f"{self.to.shown} answered {answer.status}, but failed{words}"
        if not complaint.retryable:
            return PermanentError(message, reason=complaint.reason)
        wait = complaint.retry_after
        if wait is None:
            wait = asked_in(answer, self._clock.time_ns())
        return TransientError(message, reason=complaint.reason, retry_after=wait)

    def _learn(self, answer: Answer, failure: DeliveryError) -> None:
        """What a failure says about the requests that follow."""
        if answer.status == GONE:
            self._disabled = True
            if self._context is not None:
                self._context.logger.error(
                    "%s answered 410: it is gone and asked no more", self.to.shown
                )
        wait = getattr(failure, "retry_after", None)
        if wait:
            self._limit = failure
            self._limited_until = self._clock.now() + min(wait, LONGEST_LIMIT)


def asked_in(answer: Answer, now_ns: int) -> float | None:
    """The seconds that an answer's ``Retry-After`` asks to wait."""
    return seconds_asked(answer.headers.get("Retry-After"), now_ns)


def checked_timeout(setting: str, seconds: Any) -> float | None:
    """``seconds``, if they can bound a request; None for no bound.

    Args:
        setting: whose it is, for the error, such as ``"SlackSink.timeout"``.
        seconds: above 0.

    Raises:
        ConfigurationError: they are something else.
    """
    if seconds is None or (is_seconds(seconds) and 0 < seconds < float("inf")):
        wanted: float | None = seconds
        return wanted
    raise ConfigurationError(
        f"{setting} is {seconds!r}; expected seconds above 0 or None"
    )


def checked_flag(setting: str, flag: Any) -> bool:
    """``flag``, if it is true or false.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(flag, bool):
        raise ConfigurationError(f"{setting} is {flag!r}; expected True or False")
    return flag


def checked_function(setting: str, function: F) -> F:
    """``function``, if it can be called.

    Raises:
        ConfigurationError: it cannot.
    """
    if not callable(function):
        raise ConfigurationError(f"{setting} is {function!r}; expected a function")
    return function


def secret_destination(
    owner: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    secrets: Collection[str] = (),
) -> Destination:
    """An address whose path is a secret too.

    Args:
        owner: the sink, for errors.
        url: the address.
        headers: of each request; their values are secrets.
        secrets: further words that no error may show.

    Raises:
        ConfigurationError: the address or a header cannot be used.
    """
    wrong = wrong_with(url, EXAMPLE)
    if wrong is not None:
        shown = without_path(str(url))
        raise ConfigurationError(f"{owner}.url is {shown!r}...; expected {wrong}")
    checked = checked_headers(headers or {}, f"{owner}.headers")
    return Destination(
        url=url, shown=origin(url), headers=checked, secrets=tuple(secrets)
    )
