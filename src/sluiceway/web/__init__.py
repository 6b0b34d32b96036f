"""Telemetry of web applications: middlewares, client tracing, pages for operators.

Each module loads its library when its name is asked for; the ASGI parts need none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .aiohttp_client import aiohttp_trace_config
    from .aiohttp_server import aiohttp_middleware
    from .asgi import AsgiMiddleware
    from .pages import Page, Pages

__all__ = [
    "AsgiMiddleware",
    "Page",
    "Pages",
    "aiohttp_middleware",
    "aiohttp_trace_config",
]

MODULES: Final = {
    "AsgiMiddleware": ".asgi",
    "Page": ".pages",
    "Pages": ".pages",
    "aiohttp_middleware": ".aiohttp_server",
    "aiohttp_trace_config": ".aiohttp_client",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
