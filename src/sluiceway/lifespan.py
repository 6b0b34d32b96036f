"""Lifespan: a pipeline that lives as long as a web application.

Law: the pipeline runs before the application starts and until it has shut down. What a
server is told of a start is true; an application that knows no lifespan is served too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

    from .pipeline import Pipeline

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

STARTED: Final = "lifespan.startup.complete"
NOT_STARTED: Final = "lifespan.startup.failed"
SHUT_DOWN: Final = "lifespan.shutdown.complete"


class Lifespan:
    """One application's life with a pipeline, in any of three protocols.

    A context manager, an iterator of two steps, and round an ASGI application one that
    starts and drains the pipeline itself.

    Args:
        pipeline: what is started and drained.
        app: the application; needed only where this stands in its place.
    """

    def __init__(self, pipeline: Pipeline, app: Any = None) -> None:
        self._pipeline = pipeline
        self._app: AsgiApp | None = app
        self._steps: AsyncIterator[None] | None = None

    async def __aenter__(self) -> None:
        await self._pipeline.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pipeline.__aexit__(kind, error, trace)

    def __aiter__(self) -> Lifespan:
        return self

    async def __anext__(self) -> None:
        if self._steps is None:
            self._steps = self._live()
        await anext(self._steps)

    async def _live(self) -> AsyncIterator[None]:
        async with self._pipeline:
            yield

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope: of a lifespan with the pipeline, others untouched.

        Raises:
            ConfigurationError: there is no application.
        """
        if not callable(self._app):
            raise ConfigurationError(
                f"pipeline.lifespan stands round {self._app!r}; expected an ASGI "
                "application, as in app = pipeline.lifespan(app)"
            )
        if scope["type"] == "lifespan":
            await Life(self._pipeline, receive, send).of(self._app, scope)
        else:
            await self._app(scope, receive, send)


class Life:
    """An ASGI application's lifespan, with a pipeline's round it.

    Args:
        pipeline: what is started and drained.
        receive: tells what the server wants.
        send: tells the server.
    """

    def __init__(self, pipeline: Pipeline, receive: Receive, send: Send) -> None:
        self._pipeline = pipeline
        self._receive = receive
        self._send = send
        self._wanted: Message | None = None
        self._answered = False

    async def of(self, app: AsgiApp, scope: Message) -> None:
        """Live with the application from its start to its end."""
        self._wanted = await self._receive()
        try:
            await self._pipeline.__aenter__()
        except Exception as error:
            await self._send({"type": NOT_STARTED, "message": str(error)})
            raise
        try:
            await self._serve(app, scope)
        finally:
            await self._pipeline.__aexit__(None, None, None)

    async def _serve(self, app: AsgiApp, scope: Message) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if self._answered:
                raise
        if not self._answered:  # it knows no lifespan
            await self._send({"type": STARTED})
            await self._receive()
            await self._pipeline.stop()
            await self._send({"type": SHUT_DOWN})

    async def receive(self) -> Message:
        """What the server wants: first what has been received already."""
        wanted, self._wanted = self._wanted, None
        return await self._receive() if wanted is None else wanted

    async def send(self, message: Message) -> None:
        """The application's answer; the pipeline drains before the last one."""
        self._answered = True
        if message["type"] != STARTED:
            await self._pipeline.stop()
        await self._send(message)
