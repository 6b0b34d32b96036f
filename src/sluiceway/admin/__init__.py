"""Looking at the alerts of a running pipeline, and answering them, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .client import AdminClient, AdminError
    from .server import AdminServer

__all__ = ["AdminClient", "AdminError", "AdminServer"]

MODULES: Final = {
    "AdminClient": ".client",
    "AdminError": ".client",
    "AdminServer": ".server",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
