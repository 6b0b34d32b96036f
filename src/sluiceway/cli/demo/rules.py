"""The error-rate rule: an accumulator that anybody could have written.

Law: a plain state machine that is told the time; spans go in, alerts come out.
"""

from __future__ import annotations

from collections import deque

from ...events import Alert, AlertStatus, Span, SpanKind, StatusCode
from ...stages import Accumulator


class ErrorRate(Accumulator[Span, Alert]):
    """Fires when too many of the latest requests failed.

    It resolves once only half as many fail, so that it does not flap in between.

    Args:
        threshold: the share of failed requests above which it fires.
        window: seconds that a request counts for.
        at_least: requests in the window below which the share means nothing.
    """

    def __init__(
        self, *, threshold: float = 0.1, window: float = 3.0, at_least: int = 10
    ) -> None:
        self._threshold = threshold
        self._window = window
        self._at_least = at_least
        self._requests: deque[tuple[float, bool]] = deque()
        self._errors = 0
        self._firing: Alert | None = None
        self._latest = 0

    def add(self, events: list[Span], now: float) -> list[Alert]:
        """Count the requests among the spans."""
        for span in events:
            if span.kind == SpanKind.SERVER:
                failed = span.status_code == StatusCode.ERROR
                self._requests.append((now, failed))
                self._errors += failed
                self._latest = max(self._latest, span.end_time_unix_nano)
        return self.tick(now)

    def tick(self, now: float) -> list[Alert]:
        """Forget what is too old, and say so if that changed the verdict."""
        while self._requests and self._requests[0][0] + self._window <= now:
            self._errors -= self._requests.popleft()[1]
        enough = len(self._requests) >= self._at_least
        share = self._errors / len(self._requests) if enough else 0.0
        if self._firing is None:
            return [self._fire(share)] if share > self._threshold else []
        return [self._resolve(share)] if share <= self._threshold / 2 else []

    def next_deadline(self) -> float | None:
        """When the oldest request is too old."""
        return self._requests[0][0] + self._window if self._requests else None

    def _fire(self, share: float) -> Alert:
        self._firing = Alert(
            name="HighErrorRate",
            severity="critical",
            message=f"{share:.0%} of the last {len(self._requests)} requests failed",
            labels={"service": "shop"},
            starts_at_unix_nano=self._latest,
        )
        return self._firing

    def _resolve(self, share: float) -> Alert:
        assert self._firing is not None
        alert, self._firing = self._firing.copy(), None
        alert.status = AlertStatus.RESOLVED
        alert.message = f"only {share:.0%} of the latest requests failed"
        alert.ends_at_unix_nano = self._latest
        return alert
