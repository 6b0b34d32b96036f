"""PushgatewaySink: the latest state of every series, pushed to a pushgateway.

Law: one write is one push of whole groups. What a push did not bring there is not
remembered, so that trying again adds nothing twice and the ledger tells the truth.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal, get_args

from attrs import field, frozen

from ..batching import BatchBy
from ..clock import SYSTEM_CLOCK
from ..errors import DeliveryError, PermanentError, SupersededError
from ..events import NO_RESOURCE, MetricPoint, Resource
from ..formats.prometheus_names import job_and_instance
from ..formats.prometheus_text import Page, exposition
from ..formats.pushgateway import blamed, gateway_address, grouping_path
from ..layers.retry import raise_failures
from ..settings import Queue, Retry, Seconds
from ..stages import Sink, StageContext
from .addresses import checked_headers
from .http import (
    Destination,
    FilePath,
    HttpClient,
    failure_of,
    packed,
    tls_context,
)
from .latest import LatestState
from .pushgateway_checks import DEFAULT_JOB, checked_auth, checked_grouping, one_word
from .rendering import rendered
from .tls_files import checked_files

DEFAULT_URL = "http://localhost:9091"
CLOSE_SECONDS = 5.0
MOST_TRIES: Final = 5  # of a page, each without one family more
RETRYABLE: Final = frozenset({429, *range(500, 600)})
QUEUE = Queue()
BATCH = BatchBy(max_events=5000, flush_interval=1.0)
RETRY = Retry()

Method = Literal["PUT", "POST"]
Compression = Literal["gzip", "none"]


@frozen
class PushStatistics:
    """What a PushgatewaySink has done.

    Attributes:
        pushes: groups that the gateway took.
        superseded: points that never travelled, since a later one took their place
            before they were pushed; the ledger has them as merged.
        series: the series that the groups hold now, by the group's path.
    """

    pushes: int
    superseded: int
    series: Mapping[str, int] = field(factory=dict)


class PushgatewaySink(Sink[MetricPoint]):
    """Pushes metric points to a Prometheus pushgateway.

    Every write merges the points into the latest state and pushes the whole group, by
    default about once a second: what comes meanwhile waits behind the queue and is
    coalesced: of one series' points in a write the last one travels, the others are
    booked as merged. Delta points are added up. Names and labels become Prometheus's;
    scope labels are left out. A family that the gateway refuses, since another group
    has it with another type, is rejected alone. A group outlives its process unless
    ``delete_on_close``.

    Args:
        url: the gateway; default ``"http://localhost:9091"``. User and password in it
            are taken as ``basic_auth``.
        job: the group's job; by default the resource's ``service.name``, else
            ``"sluiceway"``. With neither ``job`` nor ``grouping``, each resource among
            the points has a group of its own.
        grouping: the group's other labels; by default ``instance``: the resource's
            ``service.instance.id``, else host and process, so that workers do not
            overwrite each other. ``{}`` asks for a group of the job alone.
        basic_auth: user and password.
        headers: further headers of each request; their values are kept secret.
        compression: ``"gzip"``, which a pushgateway knows from 1.5 on, or ``"none"``,
            the default.
        certificate: a PEM file of the authorities to trust.
        client_certificate: a PEM file of the certificate to show.
        client_key: a PEM file of its key.
        method: ``"PUT"`` (default) replaces the group, ``"POST"`` only the metrics of
            the same names.
        delete_on_close: delete the groups that were pushed when the sink closes.
        name: the stage's name.
        queue: the queue in front; default ``Queue()``.
        batch: how pushes coalesce; default 5,000 points or 1 second.
        retry: after connection errors, 429 and 5xx; default ``Retry()``.
        timeout: seconds for one attempt; default 10.

    Raises:
        ConfigurationError: a setting that the gateway could not be asked with.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        job: str | None = None,
        grouping: Mapping[str, str] | None = None,
        basic_auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        compression: Compression = "none",
        certificate: FilePath | None = None,
        client_certificate: FilePath | None = None,
        client_key: FilePath | None = None,
        method: Method = "PUT",
        delete_on_close: bool = False,
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
        self.timeout = timeout
        self.url, found = gateway_address(DEFAULT_URL if url is None else url)
        self._headers = checked_headers(headers or {}, "PushgatewaySink.headers")
        self._basic_auth = checked_auth(basic_auth) or found
        self._method = one_word("method", method, get_args(Method))
        self._compression = one_word("compression", compression, get_args(Compression))
        files = certificate, client_certificate, client_key
        self._files = checked_files("PushgatewaySink", *files)
        self._tls: ssl.SSLContext | bool = True
        self._job = job
        self._grouping = checked_grouping(job, grouping)
        self._delete_on_close = delete_on_close
        self._context: StageContext | None = None
        self._clock, self._client = SYSTEM_CLOCK, HttpClient()
        self._groups: dict[str, LatestState] = {}
        self._pushes = self._superseded = 0

    def __repr__(self) -> str:
        state = "open" if self._client.is_open else "closed"
        return f"<PushgatewaySink {self.url} {state} groups={len(self._groups)}>"

    def statistics(self) -> PushStatistics:
        """A snapshot of what was pushed."""
        series = {path: len(state) for path, state in self._groups.items()}
        return PushStatistics(self._pushes, self._superseded, series)

    async def open(self, context: StageContext) -> None:
        """Read the certificates and get a connection pool; nothing is connected yet.

        Raises:
            ConfigurationError: a certificate's file cannot be used.
        """
        self._tls = tls_context(*self._files)
        self._context = context
        self._clock = context.clock
        await self._client.open()

    async def close(self) -> None:
        """Delete the groups if that was asked for, and let the connections go."""
        try:
            if self._delete_on_close and self._client.is_open:
                await self._delete_groups()
        finally:
            await self._client.close()

    async def write(self, events: list[MetricPoint]) -> None:
        """Push the groups that the points belong to.

        Raises:
            TransientError: the gateway could not be reached, or said 429 or 5xx.
            PermanentError: it refused, in its words.
            PartialError: not every group, or not every point, could be pushed.
        """
        failed: dict[int, Exception] = {}
        for path, (grouping, indices) in self._sort_by_group(events).items():
            chosen = [events[index] for index in indices]
            try:
                refused = await self._push(path, grouping, chosen)
            except DeliveryError as error:
                refused = dict.fromkeys(range(len(chosen)), error)
            failed |= {indices[at]: error for at, error in refused.items()}
        if failed:
            raise_failures(failed, len(events))

    def _sort_by_group(
        self, events: Sequence[Any]
    ) -> dict[str, tuple[dict[str, str], list[int]]]:
        """The events' indices by the path of their group."""
        groups: dict[str, tuple[dict[str, str], list[int]]] = {}
        places: dict[int, list[int]] = {}
        for index, event in enumerate(events):
            known = isinstance(event, MetricPoint)
            resource = event.resource if known else NO_RESOURCE
            indices = places.get(id(resource))
            if indices is None:
                grouping = self._grouping_of(resource)
                path = grouping_path(grouping)
                indices = groups.setdefault(path, (grouping, []))[1]
                places[id(resource)] = indices
            indices.append(index)
        return groups

    def _grouping_of(self, resource: Resource) -> dict[str, str]:
        """The labels of the group for a resource's points.

        A resource that cannot be read groups like none: the state refuses its points.
        """
        own = self._context.resource if self._context is not None else None
        known: dict[str, str] = {}
        with suppress(Exception):
            known = job_and_instance(resource.attributes)
        known = known or job_and_instance((own or NO_RESOURCE).attributes)
        job = self._job if self._job is not None else known.get("job", DEFAULT_JOB)
        if self._grouping is not None:
            return {"job": job, **self._grouping}
        return {"job": job, "instance": known.get("instance") or this_process()}

    async def _push(
        self, path: str, grouping: dict[str, str], events: list[MetricPoint]
    ) -> dict[int, Exception]:
        """Push a group; why some of the events are not in it, by index."""
        known = self._groups.get(path)
        state = LatestState() if known is None else known.copy()
        update = state.update(events)
        refused = dict(update.refused)
        if len(refused) == len(events):
            return refused
        shown, reasons = await self._show(path, grouping, state)
        self._groups[path] = shown
        self._pushes += 1
        self._superseded += len(update.overtaken)
        refused |= dict.fromkeys(update.overtaken, superseded())
        taken = {at: point for at, point in enumerate(events) if at not in refused}
        return refused | left_out(reasons, state, taken)

    async def _show(
        self, path: str, grouping: dict[str, str], state: LatestState
    ) -> tuple[LatestState, dict[int, Exception]]:
        """Push what the gateway takes of a state; why not the rest, by identity.

        A gateway refuses a page for one family, such as one that has another type in
        another group. It names the family, which then stays behind alone.
        """
        reasons: dict[int, Exception] = {}
        tries = 0
        while True:
            tries += 1
            points = state.points()
            page = await rendered(points, partial(exposition, points, taken=grouping))
            try:
                await self._request(self._method, path, page)
            except PermanentError as error:
                wrong = blamed(str(error), points)
                if tries == MOST_TRIES or not 0 < len(wrong) < len(points):
                    raise
                reasons |= dict.fromkeys(map(id, wrong), error)
                state = state.without(wrong)
            else:
                why = {id(points[at]): words for at, words in page.left_out.items()}
                return state, reasons | not_exportable(why)

    async def _delete_groups(self) -> None:
        """Delete what was pushed; a failure is logged, since nobody can mend it."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                for path in list(self._groups):
                    await self._request("DELETE", path)
                    del self._groups[path]
        except (DeliveryError, TimeoutError) as error:
            if self._context is not None:
                words = str(error) or f"no answer within {CLOSE_SECONDS} s"
                self._context.logger.warning("groups were not deleted: %s", words)

    async def _request(self, method: str, path: str, page: Page | None = None) -> None:
        """Ask the gateway once, and raise what its answer means."""
        url = self.url + path
        to = destination(url, self._headers, self._basic_auth, self._tls)
        body, headers = await self._encoded(page)
        answer = await self._client.send(to, body, headers, keep=0, method=method)
        if not answer.is_success:
            raise failure_of(
                answer,
                to,
                retryable=RETRYABLE,
                words=answer.text() if answer.is_text else "",
                now_ns=self._clock.time_ns(),
            )

    async def _encoded(self, page: Page | None) -> tuple[bytes, dict[str, str]]:
        """The body of a request, and the headers that describe it."""
        if page is None:
            return b"", {}
        headers = {"Content-Type": page.content_type}
        if self._compression == "none":
            return page.body, headers
        return await packed(page.body), {**headers, "Content-Encoding": "gzip"}


def superseded() -> SupersededError:
    """What is said of a point that a later one of its series made needless."""
    return SupersededError("a later point of its series travelled instead")


def not_exportable(reasons: Mapping[int, str]) -> dict[int, Exception]:
    """The errors of points that could not stand on a page."""
    return {
        point: PermanentError(words, reason="not_exportable")
        for point, words in reasons.items()
    }


def left_out(
    reasons: Mapping[int, Exception],
    state: LatestState,
    taken: Mapping[int, MetricPoint],
) -> dict[int, Exception]:
    """The events whose series the gateway does not show, by index.

    Args:
        reasons: why, by the identity of the point in the state.
        state: what the events were taken into.
        taken: what was written and taken into the state, by index.
    """
    if not reasons:
        return {}
    found = {index: id(state.latest_of(point)) for index, point in taken.items()}
    return {
        index: reasons[latest] for index, latest in found.items() if latest in reasons
    }


def destination(
    url: str,
    headers: Mapping[str, str],
    basic_auth: tuple[str, str] | None,
    tls: ssl.SSLContext | bool,
) -> Destination:
    """The address of a group, and how to be let in there."""
    if basic_auth is None:
        return Destination(url=url, shown=url, headers=headers, tls=tls)
    token = b64encode(":".join(basic_auth).encode()).decode("ascii")
    known = {**headers, "Authorization": f"Basic {token}"}
    return Destination(url=url, shown=url, headers=known, tls=tls, secrets=basic_auth)


def this_process() -> str:
    """Host and process: what tells this worker from its siblings."""
    return f"{socket.gethostname()}:{os.getpid()}"
