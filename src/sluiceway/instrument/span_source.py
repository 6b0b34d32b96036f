"""SpanSource: the source of finished spans.

Law: an event is made of a span when the pipeline takes it, so that the code which is
measured does not wait for that; and no event is made where no stage looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..delivery import Delivery
from ..events import Span
from ..notes import with_spans
from ..stages import Send, StageContext
from .quiet import QuietInlet


class SpanSource(QuietInlet[Span]):
    """An inlet that takes the notes of finished spans, and ready ``Span`` events."""

    _sends_notes = False

    async def open(self, context: StageContext) -> None:
        """Take spans in; learn whether those who get them can do with the notes."""
        self._sends_notes = context.takes_notes
        await super().open(context)

    async def run(self, send: Send[Span]) -> None:
        """Hand over what is emitted, as events, until the pipeline stops."""

        async def send_events(events: Iterable[Any]) -> Delivery:
            return await send(with_spans([*events]))

        await super().run(send if self._sends_notes else send_events)
