"""AlertmanagerSink: alerts to every member of an Alertmanager cluster.

Law: an alert is delivered once one member has it; the others get it with the next
resend. A 400 concerns the alerts that were wrong, never their neighbours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from ..batching import BatchBy
from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError, PermanentError, TransientError
from ..events import Alert
from ..formats.alertmanager import Posted, ending
from ..layers.retry import raise_failures
from ..settings import Bounds, Queue, Retry, Seconds, is_number
from ..stages import Sink, StageContext
from .addresses import checked_headers, public_part, without_user, wrong_with
from .endpoint import EndpointStatistics, checked_flag, checked_timeout
from .firing import BILLION, MOST, FiringAlerts, Key, key_of
from .members import Member

PATH: Final = "/api/v2/alerts"
MOST_IN_POST: Final = 256
LASTING: Final = 4  # resend intervals that an alert lasts by itself
DEFAULT_URL: Final = "http://localhost:9093"
BATCH: Final = BatchBy(max_events=MOST_IN_POST, flush_interval=0.2)
QUEUE: Final = Queue()
RETRY: Final = Retry()


@frozen
class AlertmanagerStatistics:
    """What an AlertmanagerSink has done.

    Attributes:
        firing: alerts that are told again until they are resolved.
        resent: alerts that were told again.
        forgotten: alerts that fire and are told no more, since more than 10,000 do.
        members: what each member has answered, by its address.
    """

    firing: int
    resent: int
    forgotten: int = 0
    members: Mapping[str, EndpointStatistics] = field(factory=dict)


class AlertmanagerSink(Sink[Alert]):
    """Tells alerts to Alertmanager, by its API v2.

    Every member of a cluster is told every alert, as Alertmanager asks for. An alert
    that fires is told again on an interval until a resolved one of the same name and
    labels comes, and lasts for four intervals by itself; that it is resolved is told
    again for 15 minutes. What a user calls labels, Alertmanager's names them: name and
    severity become ``alertname`` and ``severity``, the message ``summary``.

    Delivered is what one member has taken. Retried are 429, 5xx, lost connections and
    time-outs, if no member has taken it. After a 400 the halves of the batch are told,
    until the wrong alerts are found: these alone are rejected.

    Args:
        url: an Alertmanager, or all members of a cluster; default
            ``"http://localhost:9093"``. User and password in it are kept secret.
        resend_interval: seconds; default 60.
        headers: further headers of each request; their values are kept secret.
        refuse_private: connect to addresses of the public internet only; default False.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how alerts are gathered; default 256 alerts or 0.2 seconds.
        retry: after transient errors; default ``Retry()``.
        timeout: seconds for one request; default 10; None for no bound.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    timeout = None  # a member has one for each request

    def __init__(
        self,
        url: str | Sequence[str] = DEFAULT_URL,
        *,
        resend_interval: Annotated[float, Bounds(0.001, 86_400)] = 60.0,
        headers: Mapping[str, str] | None = None,
        refuse_private: bool = False,
        name: str | None = None,
        queue: Queue = QUEUE,
        batch: BatchBy | None = BATCH,
        retry: Retry | None = RETRY,
        timeout: Seconds | None = 10.0,
    ) -> None:
        self.name = name
        self.queue = queue
        self.batch = batch
        self.retry = retry
        self._interval = checked_interval(resend_interval)
        known = checked_headers(headers or {}, "AlertmanagerSink.headers")
        self._members = [
            Member(
                alerts_url(each),
                public_part(each),
                known,
                timeout=checked_timeout("AlertmanagerSink.timeout", timeout),
                refuse_private=checked_flag(
                    "AlertmanagerSink.refuse_private", refuse_private
                ),
            )
            for each in checked_urls(url)
        ]
        self._alerts = FiringAlerts(round(LASTING * self._interval * BILLION))
        self._clock = SYSTEM_CLOCK
        self._context: StageContext | None = None
        self._resending: asyncio.Task[None] | None = None
        self._resent = 0
        self._said = 0  # of those forgotten

    def __repr__(self) -> str:
        state = "closed" if self._resending is None else "open"
        shown = ", ".join(member.shown for member in self._members)
        return f"<AlertmanagerSink {shown} {state} firing={self._alerts.firing}>"

    def statistics(self) -> AlertmanagerStatistics:
        """A snapshot of what was told."""
        members = {member.shown: member.statistics() for member in self._members}
        alerts = self._alerts
        return AlertmanagerStatistics(
            alerts.firing, self._resent, alerts.forgotten, members
        )

    async def open(self, context: StageContext) -> None:
        """Get connection pools; nothing is connected yet."""
        self._context = context
        self._clock = context.clock
        for member in self._members:
            await member.open(context)
        self._resending = asyncio.create_task(self._resend_forever())

    async def close(self) -> None:
        """Let the connections go; what still fires ends by itself in four intervals."""
        resending, self._resending = self._resending, None
        if resending is not None:
            resending.cancel()
            with suppress(asyncio.CancelledError):
                await resending
        for member in self._members:
            await member.close()

    async def write(self, events: list[Alert]) -> None:
        """Tell the alerts to every member.

        Raises:
            TransientError: no member could be told, and trying again can help.
            PermanentError: every member refused.
            PartialError: some failed, those that are ``not_an_alert`` among them.
        """
        now_ns = self._clock.time_ns()
        told, ended, failed = self._begin(events, now_ns)
        if told:
            failed |= await self._tell(told, ended)
        for index, alert in told.items():
            if index not in failed:
                self._alerts.done(events[index], alert, now_ns)
        raise_failures(failed, len(events))

    def _begin(
        self, events: list[Alert], now_ns: int
    ) -> tuple[dict[int, Posted], list[Posted], dict[int, Exception]]:
        """What to tell by index, what has ended by it, and what is no alert."""
        told: dict[int, Posted] = {}
        ended: list[Posted] = []
        failed: dict[int, Exception] = {}
        latest: dict[Key, int] = {}
        for index, event in enumerate(events):
            try:
                alert, before = self._alerts.begin(event, now_ns)
            except Exception as error:  # noqa: BLE001 - whatever a user's object does
                failed[index] = not_an_alert(event, error)
                continue
            ended += [before] if before else []
            earlier = latest.get(key_of(event))
            if earlier is not None and told[earlier]["labels"] != alert["labels"]:
                told[earlier] = ending(told[earlier], now_ns)  # another to Alertmanager
            told[index] = alert
            latest[key_of(event)] = index
        return told, ended, failed

    async def _tell(
        self, told: dict[int, Posted], ended: Sequence[Posted] = ()
    ) -> dict[int, Exception]:
        """Tell the members; why the alerts that no member has failed, by index."""
        now = self._clock.now()
        waking = [member for member in self._members if not member.rests(now)]
        asked = waking or self._members
        # What has ended comes first, under indices that nobody asks for.
        alerts = {-1 - at: alert for at, alert in enumerate(ended)} | told
        answers = await asyncio.gather(*(member.tell(alerts) for member in asked))
        lost = set(told).intersection(*answers)
        return {index: chosen([each[index] for each in answers]) for index in lost}

    async def _resend_forever(self) -> None:
        """Tell again what fires, on the interval."""
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self._resend()
            except Exception:
                if self._context is not None:
                    self._context.logger.exception("alerts were not told again")

    async def _resend(self) -> None:
        """Tell every member, those that rest too, what it must not forget."""
        self._complain()
        told = await asyncio.gather(
            *(member.tell_again(self._due, MOST_IN_POST) for member in self._members)
        )
        self._resent += max(told)

    def _complain(self) -> None:
        """Log, whenever it happens, that not all that fires is told again."""
        count = self._alerts.forgotten
        if count > self._said and self._context is not None:
            self._context.logger.warning(
                "%d alerts that fire are not told again: more than %d do", count, MOST
            )
        self._said = count

    def _due(self) -> list[Posted]:
        return self._alerts.due(self._clock.time_ns())


def chosen(errors: list[Exception]) -> Exception:
    """Of the members' errors the one after which trying again can help, if any."""
    transient = [error for error in errors if isinstance(error, TransientError)]
    return (transient or errors)[0]


def not_an_alert(event: Any, error: Exception) -> PermanentError:
    """The error for an event that cannot be told."""
    return PermanentError(
        f"{type(event).__name__} is no alert: {type(error).__name__}: {error}",
        reason="not_an_alert",
    )


def checked_interval(seconds: Any) -> float:
    """``seconds``, if alerts can be told again on it."""
    if not is_number(seconds, 0.001, 86_400, whole=False):
        raise ConfigurationError(
            f"AlertmanagerSink.resend_interval is {seconds!r}; "
            "expected seconds above 0, a day at most"
        )
    return float(seconds)


def alerts_url(url: str) -> str:
    """Where a member takes alerts."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + PATH, fragment=""))


def checked_urls(url: Any) -> list[str]:
    """The members' addresses, each of them once."""
    urls = [url] if isinstance(url, str) else url
    if not isinstance(urls, list | tuple):
        raise ConfigurationError(
            f"AlertmanagerSink.url is a {type(url).__name__}; expected an address such "
            f"as {DEFAULT_URL!r}, or a list of them"
        )
    for each in urls:
        wrong = wrong_with(each, DEFAULT_URL)
        if wrong is not None:
            shown = without_user(str(each))
            raise ConfigurationError(
                f"AlertmanagerSink.url is {shown!r}; expected {wrong}"
            )
    if not urls:
        raise ConfigurationError(
            "AlertmanagerSink.url is empty; expected an address such as "
            f"{DEFAULT_URL!r}, or several"
        )
    return list(dict.fromkeys(each.rstrip("/") for each in urls))
