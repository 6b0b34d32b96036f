"""What mypy makes of watched functions and of traces; errors by their codes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from flext_observability import (
    FlextObservabilityMonitor,
    FlextResult,
    FlextTrace,
    FlextTracingService,
    flext_monitor_function,
    get_global_factory,
)


@flext_monitor_function
def bare(x: int) -> str:
    return str(x)


@flext_monitor_function("named")
async def named(x: int) -> FlextResult[int]:
    return FlextResult.ok(x)


@flext_monitor_function(monitor=FlextObservabilityMonitor())
def steps() -> Iterator[int]:
    yield 1


@flext_monitor_function("later")
async def later() -> AsyncIterator[int]:
    yield 1


class Shop:
    @flext_monitor_function("method")
    def method(self) -> int:
        return 1

    @flext_monitor_function("made")
    @classmethod
    def made(cls) -> Shop:
        return cls()


async def use(service: FlextTracingService, trace: FlextTrace) -> None:
    assert_type(bare(1), str)
    assert_type(await named(1), FlextResult[int])
    assert_type(steps(), Iterator[int])
    assert_type(later(), AsyncIterator[int])
    assert_type(Shop.made().method(), int)
    assert_type(await service.start_trace("name"), FlextResult[str])
    assert_type(await service.start_trace(trace), FlextResult[FlextTrace])
    assert_type(get_global_factory().start_trace("name"), FlextResult[str])
    assert_type(await service.error_trace(trace, "x"), FlextResult[FlextTrace])
    bare("x")  # E: arg-type
    await service.start_trace(5)  # E: call-overload
