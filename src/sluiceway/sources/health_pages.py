"""A server of ``/healthz`` and ``/readyz``, for programs that have no other one.

Law: it listens as long as its stage is open; what the pages say is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from ..settings import is_number
from ..sinks.addresses import cannot_listen, checked_host
from ..stages import StageContext

if TYPE_CHECKING:
    from aiohttp import web

    from ..web.pages import Checked

SHUTDOWN_SECONDS: Final = 1.0


class HealthPages:
    """Serves the pages of a pipeline and of the checks that it runs.

    Args:
        checked: what knows how the checks stand.
        host: the address to listen on.
        port: the port, 0 for a free one; None serves nothing.

    Attributes:
        port: the port that is listened on; before ``open`` the one that was asked for.

    Raises:
        ConfigurationError: a host or port that cannot be.
    """

    def __init__(self, checked: Checked, host: str, port: Any) -> None:
        if port is not None and not is_number(port, 0, 65535, whole=True):
            raise ConfigurationError(
                f"HealthSource.port is {port!r}; "
                "expected a whole number from 0 to 65535 or None"
            )
        self._checked = checked
        self._host = checked_host("HealthSource.host", host)
        self._asked_port: int | None = port
        self._runner: web.AppRunner | None = None
        self.port: int | None = self._asked_port

    async def open(self, context: StageContext) -> None:
        """Listen, if there is a port and a pipeline to tell of.

        Raises:
            ConfigurationError: the address cannot be had.
        """
        port = self._asked_port
        if port is None or context.pipeline is None:
            return
        from aiohttp import web  # noqa: PLC0415 - for those who have a port

        from ..sinks.server_log import SERVER_LOG  # noqa: PLC0415 - likewise
        from ..web.pages import Pages  # noqa: PLC0415 - likewise

        app = web.Application()
        pages = Pages(context.pipeline, health=self._checked)
        app.add_routes(pages.aiohttp_routes())
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=SERVER_LOG,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError | ValueError):
                owner = "HealthSource"
                raise cannot_listen(owner, self._host, port, error) from error
            raise
        self._runner, self.port = runner, int(runner.addresses[0][1])
        context.logger.info("listening on %s, port %d", self._host, self.port)

    async def close(self) -> None:
        """Stop listening."""
        runner = self._runner
        self.abandon()
        if runner is not None:
            await runner.cleanup()

    def abandon(self) -> None:
        """Forget the server: it is the parent's, in a forked child."""
        self._runner, self.port = None, self._asked_port
