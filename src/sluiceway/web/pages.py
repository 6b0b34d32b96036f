"""Pages for operators: ``/metrics``, ``/healthz`` and ``/readyz``.

Law: each page answers GET and HEAD, in an ASGI application and in an aiohttp one alike.
A reason names a state, a stage or a check, never an error's text, which may hold
secrets. A page runs nothing: it tells the latest that is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from attrs import field, frozen

from ..formats.health_json import health_object
from ..reports import PipelineHealth, PipelineState, Watched
from .asgi import Receive, Scope, Send, headers_of
from .conventions import EXCLUDED, path_below_root

if TYPE_CHECKING:
    from aiohttp import web

    from ..health.reports import HealthReport
    from ..sinks.prometheus import Scrape

METRICS, HEALTH, READY = EXCLUDED
OK: Final = 200
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405
UNAVAILABLE: Final = 503


class Scraped(Protocol):
    """What a page of metrics shows: a ``PrometheusSink``."""

    async def scrape(self, accept: str | None, accept_encoding: str | None) -> Scrape:
        """The page as these headers ask for it."""
        ...


class Checked(Protocol):
    """What knows how health checks stand: a ``HealthSource``."""

    def report(self) -> HealthReport:
        """How they stand, by their latest results."""
        ...


@frozen
class Answer:
    """What a page answers.

    Attributes:
        status: of HTTP.
        body: what follows the headers; left out for a HEAD.
        headers: without the length.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)


def told(code: int, **content: Any) -> Answer:
    """An answer in JSON that nobody keeps."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Answer(code, msgspec.json.encode(content), headers)


class Page(ABC):
    """One page: an ASGI application by itself, and ``handle`` for aiohttp.

    ``Route("/healthz", page)`` in Starlette, ``app.router.add_route("*", "/healthz",
    page.handle)`` in aiohttp.
    """

    @abstractmethod
    async def answer(self, headers: Mapping[str, str]) -> Answer:
        """What a GET with these headers gets; their names are in lower case."""

    async def _answer_to(self, method: str, headers: Mapping[str, str]) -> Answer:
        if method in {"GET", "HEAD"}:
            return await self.answer(headers)
        refusal = told(METHOD_NOT_ALLOWED, reason="only GET and HEAD are answered")
        return Answer(
            refusal.status, refusal.body, {**refusal.headers, "Allow": "GET, HEAD"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one ASGI request; a WebSocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            headers = headers_of(scope["headers"])
            await respond(await self._answer_to(scope["method"], headers), scope, send)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request as an aiohttp handler."""
        from aiohttp import web  # noqa: PLC0415 - other servers do without

        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await self._answer_to(request.method, headers)
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers
        )


async def respond(answer: Answer, scope: Scope, send: Send) -> None:
    """Send an answer by ASGI."""
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    pairs = [(n.lower().encode(), v.encode()) for n, v in headers.items()]
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": pairs}
    )
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


class MetricsPage(Page):
    """The metrics in the form that a Prometheus asks for.

    Args:
        scraped: a ``PrometheusSink`` of the pipeline.
    """

    def __init__(self, scraped: Scraped) -> None:
        self._scraped = scraped

    async def answer(self, headers: Mapping[str, str]) -> Answer:
        """The latest state of every series."""
        scrape = await self._scraped.scrape(
            headers.get("accept"), headers.get("accept-encoding")
        )
        return Answer(OK, scrape.body, scrape.headers)


class HealthPage(Page):
    """Whether a pipeline is alive, or only a restart can help.

    Health checks have no say in it: a restart mends nothing that is elsewhere.

    Args:
        pipeline: the one that is asked.
    """

    def __init__(self, pipeline: Watched) -> None:
        self._pipeline = pipeline

    def _trouble(self, health: PipelineHealth) -> str:
        """Why not, in a few words; nothing if there is no trouble."""
        stopped = health.state is PipelineState.STOPPED
        return failed(health) or ("the pipeline is stopped" if stopped else "")

    async def answer(self, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002
        """200, or 503 with the reason."""
        return self._told()

    def _told(self, further: str = "", **content: Any) -> Answer:
        """The answer, with another possible reason and what else is to be told."""
        health = self._pipeline.health()
        state = health.state.value
        reason = "; ".join(filter(None, [self._trouble(health), further]))
        if reason:
            return told(
                UNAVAILABLE,
                status="unavailable",
                state=state,
                reason=reason,
                **content,
            )
        return told(OK, status="ok", state=state, **content)


class ReadyPage(HealthPage):
    """Whether a pipeline takes events in and all of its stages work.

    A backend that is down makes no application unready: its events wait in the sink's
    queue, and the ledger tells what was lost. What an application cannot work without
    is for its health checks: those that are critical make it unready.

    Args:
        pipeline: the one that is asked.
        health: what knows how the checks stand; None without checks.
        details: tell what checks found in full, the texts of exceptions included.
    """

    def __init__(
        self,
        pipeline: Watched,
        health: Checked | None = None,
        *,
        details: bool = False,
    ) -> None:
        super().__init__(pipeline)
        self._health = health
        self._details = details

    def _trouble(self, health: PipelineHealth) -> str:
        running = health.state is PipelineState.RUNNING
        return failed(health) or (
            "" if running else f"the pipeline is {health.state.value}"
        )

    async def answer(self, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002
        """200, or 503 with the reason; and each check's part in it."""
        report = None if self._health is None else self._health.report()
        if report is None:
            return self._told()
        return self._told(
            report.trouble, **health_object(report, details=self._details)
        )


def failed(health: PipelineHealth) -> str:
    """Which stages have failed for good."""
    names = ", ".join(sorted(health.failures))
    return f"failed for good: {names}" if names else ""


class NotFoundPage(Page):
    """For paths that have no page."""

    async def answer(self, headers: Mapping[str, str]) -> Answer:  # noqa: ARG002
        """Always 404."""
        return told(NOT_FOUND, reason="there is no such page")


class Pages(Mapping[str, Page]):
    """``/metrics``, ``/healthz`` and ``/readyz`` of a pipeline, by their paths.

    ``app.mount("/ops", Pages(pipeline))`` in any ASGI application that mounts others,
    or ``[Route(path, page) for path, page in pages.items()]`` one by one;
    ``app.add_routes(pages.aiohttp_routes())`` in aiohttp. A middleware that measures
    requests leaves out ``/metrics``, ``/healthz`` and ``/readyz``, but has to be told
    of ``excluded=["/ops"]``.

    Args:
        pipeline: whose health is told.
        metrics: its ``PrometheusSink(port=None, live=telemetry)``; None leaves
            ``/metrics`` out.
        health: a ``HealthSource``, whose checks ``/readyz`` then tells of: it answers
            503 while a critical one is unhealthy or unknown. ``/healthz`` never
            depends on them.
        details: let ``/readyz`` tell all that the checks found, durations and the
            texts of exceptions included; default False, which names these only.
    """

    def __init__(
        self,
        pipeline: Watched,
        metrics: Scraped | None = None,
        *,
        health: Checked | None = None,
        details: bool = False,
    ) -> None:
        ready = ReadyPage(pipeline, health, details=details)
        pages = {HEALTH: HealthPage(pipeline), READY: ready}
        measured = {} if metrics is None else {METRICS: MetricsPage(metrics)}
        self._pages: dict[str, Page] = {**measured, **pages}
        self._missing = NotFoundPage()

    def __getitem__(self, path: str) -> Page:
        return self._pages[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pages)

    def __len__(self) -> int:
        return len(self._pages)

    def __repr__(self) -> str:
        return f"<Pages {', '.join(self._pages)}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI request, by its path below where this is mounted."""
        page = self.get(path_below_root(scope), self._missing)
        await page(scope, receive, send)

    def aiohttp_routes(self) -> list[Any]:
        """The routes for ``Application.add_routes``."""
        from aiohttp import web  # noqa: PLC0415 - other servers do without

        return [web.route("*", path, page.handle) for path, page in self.items()]
