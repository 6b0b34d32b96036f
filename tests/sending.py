"""A source that sends what it is given and keeps what it is promised."""

from __future__ import annotations

from sluiceway import Source


class Sends(Source):
    """Sends batches one after the other; ``deliveries`` are what they became."""

    wants_delivery = True

    def __init__(self, *batches):
        self.batches = batches
        self.deliveries = []

    async def run(self, send):
        for batch in self.batches:
            self.deliveries.append(await send(batch))
