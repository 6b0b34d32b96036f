"""PrometheusScrapeSource: what Prometheus would scrape, as metric points.

Law: each look at a target ends within its time-out with the target's points or with
``up`` 0 and the reason in the log; one target's failure costs no other anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from logging import getLogger
from typing import TypeVar

import msgspec
from attrs import define, field, frozen

from ..beside import beside
from ..events import MetricPoint, Resource, Scope
from ..formats.compression import CorruptError, OversizedError, decompress
from ..formats.identity import identity_of
from ..formats.prometheus_families import Origin
from ..formats.prometheus_pages import (
    BadPageError,
    ReadPage,
    points_in,
    read_page,
    samples_in,
)
from ..settings import Count, Seconds
from ..sinks.addresses import checked_headers
from ..sinks.http import (
    Answer,
    Destination,
    FilePath,
    HttpClient,
    quoted,
    tls_context,
)
from ..sinks.tls_files import checked_files
from ..stages import StageContext
from .interval import IntervalSource
from .scrape_settings import (
    checked_count,
    checked_interval,
    checked_job,
    checked_targets,
    checked_timeout,
    destination_of,
    resource_of,
)

ACCEPT = (
    "application/openmetrics-text;version=1.0.0,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
MAX_BODY = 16 * 1024 * 1024
SAMPLE_LIMIT = 100_000
LONG_PAGE = 32 * 1024  # bytes, or series, that are worked on on a thread
NO_RECORDED_VALUE = 1

SeriesKey = tuple[str, bytes, str]
T = TypeVar("T")


class ScrapeError(Exception):
    """A target cannot be scraped; the message says why, without a secret."""


@frozen
class TargetStatistics:
    """The last look at a target.

    Attributes:
        up: whether its page was taken.
        seconds: how long it took.
        samples: how many the page had.
        error: why it was not taken, or nothing.
    """

    up: bool = False
    seconds: float = 0.0
    samples: int = 0
    error: str = ""


@frozen
class Look:
    """What a page has told.

    Attributes:
        samples: how many it had.
        points: what became of them.
        series: those that go stale once they are gone; what a page dates itself does
            not.
    """

    samples: int = 0
    points: list[MetricPoint] = field(factory=list)
    series: dict[SeriesKey, MetricPoint] = field(factory=dict)


@define
class Target:
    """A page to scrape, and what it told last."""

    to: Destination
    resource: Resource
    series: dict[SeriesKey, MetricPoint] = field(factory=dict)
    last: TargetStatistics = field(factory=TargetStatistics)
    complained: bool = False


class PrometheusScrapeSource(IntervalSource[MetricPoint]):
    """Scrapes pages of metrics at an interval, on a flush, and a last time at the end.

    Each look brings the page's points and, for each target, ``up`` (1 or 0),
    ``scrape_duration_seconds`` and ``scrape_samples_scraped``. Points of a target have
    a resource of their own: ``service.name`` (the job), ``service.instance.id`` (host
    and port), ``server.address``, ``server.port``, ``url.scheme``, and the labels of
    the page's ``target_info``. A series that is gone, or whose page could not be taken,
    gets a point without a recorded value, unless the page had told its time.

    A page with one wrong line is not taken at all, as Prometheus does it; the log names
    the target and the line. Redirects are not followed.

    Args:
        targets: addresses such as ``"http://localhost:9100/metrics"``; ``"host:9100"``
            stands for HTTP and ``/metrics``. A user and password in them is sent and
            shown nowhere.
        interval: seconds between two looks; default 60.
        timeout: seconds for one page; default 10, or the interval if that is less.
        job: what the targets are called together; default ``"prometheus"``.
        honor_timestamps: keep the times that a page tells; default True. Other points
            have the time of the look.
        max_body: bytes of a page at most, unpacked; default 16 MiB.
        sample_limit: samples of a page at most; default 100,000.
        headers: further headers of each request; their values are kept secret.
        certificate: a PEM file of the authorities to trust.
        client_certificate: a PEM file of the certificate to show.
        client_key: a PEM file of its key.
        name: the stage's name.

    Raises:
        ConfigurationError: a setting cannot mean anything.
    """

    def __init__(
        self,
        targets: Iterable[str],
        interval: Seconds = 60.0,
        *,
        timeout: Seconds | None = None,
        job: str = "prometheus",
        honor_timestamps: bool = True,
        max_body: Count = MAX_BODY,
        sample_limit: Count = SAMPLE_LIMIT,
        headers: Mapping[str, str] | None = None,
        certificate: FilePath | None = None,
        client_certificate: FilePath | None = None,
        client_key: FilePath | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name, checked_interval(interval))
        self._timeout = checked_timeout(timeout, interval)
        self._urls = checked_targets(targets)
        self._job = checked_job(job)
        self._honor_timestamps = honor_timestamps
        self._max_body = checked_count("max_body", max_body)
        self._sample_limit = checked_count("sample_limit", sample_limit)
        self._headers = checked_headers(headers or {}, "PrometheusScrapeSource.headers")
        self._files = checked_files(
            "PrometheusScrapeSource", certificate, client_certificate, client_key
        )
        self._client = HttpClient()
        self._scope = Scope("prometheus")
        self._logger = getLogger("sluiceway.sources.prometheus_scrape")
        self._targets: list[Target] = []

    def __repr__(self) -> str:
        state = "open" if self._client.is_open else "closed"
        count = len(self._urls)
        return f"<PrometheusScrapeSource {state} targets={count}>"

    def statistics(self) -> Mapping[str, TargetStatistics]:
        """The last look at each target, by its address."""
        return {target.to.shown: target.last for target in self._targets}

    async def open(self, context: StageContext) -> None:
        """Read the certificates and get a connection pool; nothing is scraped yet.

        Raises:
            ConfigurationError: a certificate's file cannot be used.
        """
        await super().open(context)
        self._logger = context.logger
        tls = tls_context(*self._files)
        self._targets = [
            Target(destination_of(url, self._headers, tls), resource_of(url, self._job))
            for url in self._urls
        ]
        await self._client.open()

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    async def gather(self) -> list[MetricPoint]:
        """A look at every target, all at the same time."""
        async with asyncio.TaskGroup() as group:
            looks = [
                group.create_task(self._look(target), name=f"scrape {target.to.shown}")
                for target in self._targets
            ]
        return [point for look in looks for point in look.result()]

    async def _look(self, target: Target) -> list[MetricPoint]:
        """One look at one target; it never fails."""
        started, now = self._clock.now(), self._clock.time_ns()
        origin = Origin(now, target.resource, self._scope)
        look, error = Look(), ""
        try:
            look = await self._ask(target, origin)
        except Exception as problem:  # noqa: BLE001 - whatever a page or a server does
            error = target.to.redact(str(problem) or type(problem).__name__)
        seconds = self._clock.now() - started
        target.last = TargetStatistics(not error, seconds, look.samples, error)
        self._complain(target)
        before, target.series = target.series, look.series
        ended = await self._if_long(len(before), lambda: stale(before, look, now))
        return [*look.points, *ended, *about(target, origin)]

    async def _ask(self, target: Target, origin: Origin) -> Look:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._client.send(
                    target.to,
                    b"",
                    {
                        "Accept": ACCEPT,
                        "Accept-Encoding": "gzip",
                        "X-Prometheus-Scrape-Timeout-Seconds": f"{self._timeout:g}",
                    },
                    keep=self._max_body,
                    method="GET",
                )
                return await self._read(answer, target, origin)
        except TimeoutError:
            raise ScrapeError(f"no page within {self._timeout:g} s") from None

    async def _read(self, answer: Answer, target: Target, origin: Origin) -> Look:
        """What the page of an answer tells."""
        if answer.status != 200:
            words = quoted(target.to, answer.text()) if answer.is_text else ""
            raise ScrapeError(f"it answered {answer.status}{words}")
        if not answer.complete:
            raise ScrapeError(f"its page has more than {self._max_body} bytes")
        openmetrics = is_openmetrics(answer.headers.get("Content-Type", ""))

        def read() -> Look:
            body = unpacked(answer, self._max_body)
            page = read_page(
                body, openmetrics=openmetrics, sample_limit=self._sample_limit
            )
            return look_at(page, origin, honor_timestamps=self._honor_timestamps)

        size = LONG_PAGE if is_packed(answer) else len(answer.body)
        return await self._if_long(size, read)

    async def _if_long(self, size: int, work: Callable[[], T]) -> T:
        """What ``work()`` returns; on a thread if there is much of it."""
        if size < LONG_PAGE:
            return work()
        return await beside(work, f"sluiceway-scrape {self.name or ''}")

    def _complain(self, target: Target) -> None:
        """Log the first failure in a row."""
        error = target.last.error
        if error and not target.complained:
            self._logger.warning("cannot scrape %s: %s", target.to.shown, error)
        target.complained = bool(error)


def look_at(page: ReadPage, origin: Origin, *, honor_timestamps: bool) -> Look:
    """What a page tells."""
    now = origin.time_unix_nano
    look = Look(samples_in(page), points_in(page, origin))
    for point in look.points:
        if point.time_unix_nano == now or not honor_timestamps:
            point.time_unix_nano = now
            look.series[series_of(point)] = point
    return look


def stale(
    before: Mapping[SeriesKey, MetricPoint], look: Look, now: int
) -> list[MetricPoint]:
    """Points without a recorded value for the series that are gone."""
    gone = (before[key] for key in before.keys() - look.series.keys())
    return [
        msgspec.structs.replace(
            point,
            value=None,
            flags=point.flags | NO_RECORDED_VALUE,
            exemplars=[],
            time_unix_nano=now,
        )
        for point in gone
    ]


def about(target: Target, origin: Origin) -> list[MetricPoint]:
    """What is told of a look itself, whether it brought a page or not."""
    last = target.last
    values = (
        ("up", "", "Whether the target was scraped.", int(last.up)),
        ("scrape_duration_seconds", "s", "How long the scrape took.", last.seconds),
        ("scrape_samples_scraped", "", "Samples on the page.", last.samples),
    )
    return [
        MetricPoint(
            name=name,
            unit=unit,
            description=words,
            value=value,
            time_unix_nano=origin.time_unix_nano,
            resource=origin.resource,
            scope=origin.scope,
        )
        for name, unit, words, value in values
    ]


def series_of(point: MetricPoint) -> SeriesKey:
    """What tells a series of a target from the others."""
    return point.name, identity_of(point.attributes), point.scope.name


def is_packed(answer: Answer) -> bool:
    """Whether the page is packed."""
    return answer.headers.get("Content-Encoding", "identity").lower() != "identity"


def unpacked(answer: Answer, limit: int) -> bytes:
    """The page as it was before it was packed."""
    if not is_packed(answer):
        return answer.body
    encoding = answer.headers["Content-Encoding"]
    if encoding.lower() != "gzip":
        raise BadPageError(f"its page is packed by {encoding!r}; expected 'gzip'")
    try:
        return decompress(answer.body, limit)
    except (OversizedError, CorruptError) as error:
        raise BadPageError(f"its page {error}") from None


def is_openmetrics(content_type: str) -> bool:
    """Whether a page is OpenMetrics; a page of no type is text.

    Raises:
        ScrapeError: it is neither.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "text/plain", "application/openmetrics-text"):
        raise ScrapeError(
            f"its page is of the type {kind!r}; "
            "expected 'text/plain' or 'application/openmetrics-text'"
        )
    return kind == "application/openmetrics-text"
