"""What each program of this folder does: install, work in a pipeline, tell."""

import asyncio
import json
import sys

from sluiceway import Pipeline
from sluiceway.instrument import Telemetry
from sluiceway.testing import CollectingSink


class Program:
    """A service whose telemetry ends in a list, and that prints what came of it."""

    def __init__(self):
        self.telemetry = Telemetry("shop", export_interval=3600)
        assert self.telemetry.install()
        self.notes = {}

    def note(self, name, value):
        self.notes[name] = value

    def run(self, main):
        """Run ``main`` inside a pipeline, then print all that was told as JSON."""
        sinks = {name: CollectingSink() for name in ("spans", "metrics", "logs")}
        chains = [getattr(self.telemetry, name) >> sink for name, sink in sinks.items()]

        async def embedded():
            async with Pipeline(*chains) as pipeline:
                await main
            ledger = pipeline.ledger()
            assert ledger.balanced, ledger
            assert ledger.lost == 0, ledger

        asyncio.run(embedded())
        told = {
            "spans": [told_of(span) for span in sinks["spans"].events],
            "metrics": [point_of(point) for point in sinks["metrics"].events],
            "logs": [log_of(record) for record in sinks["logs"].events],
            "notes": self.notes,
            "sdk": [name for name in sys.modules if name.startswith(SDK)],
        }
        sys.stdout.write(json.dumps(told))


SDK = "opentelemetry.sdk"


def told_of(span):
    return {
        "name": span.name,
        "scope": span.scope.name,
        "kind": span.kind.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "remote": bool(span.flags & 0x200),
        "status": span.status_code.name,
        "attributes": span.attributes,
        "events": [event.name for event in span.events],
    }


def point_of(point):
    return {
        "name": point.name,
        "scope": point.scope.name,
        "attributes": point.attributes,
        "count": getattr(point.value, "count", point.value),
    }


def log_of(record):
    return {
        "body": record.body,
        "scope": record.scope.name,
        "severity": record.severity_number,
        "trace": record.trace_id.hex(),
        "span": record.span_id.hex(),
    }
