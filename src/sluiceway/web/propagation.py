"""The trace and the baggage that come and go in the headers of HTTP.

Law: the one place that knows who propagates. A header that cannot be understood is no
reason to refuse a request, and no propagator's bug one to lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from logging import getLogger
from typing import Any

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from ..instrument import Telemetry


class HeadersGetter(Getter[Mapping[str, str]]):
    """Reads headers with lower-case names; repeated ones are joined by commas."""

    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        """The header's value, as the only one of a list."""
        value = carrier.get(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        """The names of the headers."""
        return [*carrier]


class Propagation:
    """Takes a context out of a request's headers, or puts it into them.

    Args:
        telemetry: whose ``propagator`` it uses.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._propagator: Any = telemetry.propagator  # the API types it too narrowly

    def extract(self, headers: Any, getter: Getter[Any]) -> Context:
        """What the headers tell, and nothing of what is current here."""
        try:
            context: Context = self._propagator.extract(headers, Context(), getter)
        except Exception as error:  # noqa: BLE001 - any propagator can be configured
            getLogger(__name__).debug("headers are not understood: %r", error)
            return Context()
        return context

    def inject(self, headers: MutableMapping[str, str], context: Context) -> None:
        """Add what another process needs to go on."""
        try:
            self._propagator.inject(headers, context)
        except Exception:
            getLogger(__name__).exception("a call goes out without its trace")
