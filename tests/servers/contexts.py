"""A stage's context for tests that call a stage's methods without a pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import getLogger
from typing import TypeVar

from sluiceway.clock import SYSTEM_CLOCK
from sluiceway.events import Resource
from sluiceway.stages import Stage, StageContext

AnyStage = TypeVar("AnyStage", bound=Stage)


class NoPatience:
    """Nothing is worth waiting for."""

    async def wait(self, seconds: float) -> bool:
        return False


def stage_context(
    name: str = "stage", resource: Resource | None = None
) -> StageContext:
    """A context with the real clock and a logger of the stage's name."""
    logger = getLogger(f"tests.{name}")
    return StageContext(name, SYSTEM_CLOCK, resource, logger, NoPatience())


@asynccontextmanager
async def opened(
    stage: AnyStage, resource: Resource | None = None
) -> AsyncIterator[AnyStage]:
    """The stage, open for a block and closed after it."""
    await stage.open(stage_context(stage.name or "stage", resource))
    try:
        yield stage
    finally:
        await stage.close()
