"""A check may answer in FLEXT's own types."""

from __future__ import annotations

import pytest

from flext_observability import (
    FlextBackend,
    FlextHealthService,
    FlextObservabilityConfig,
    FlextResult,
    flext_create_health_check,
)


@pytest.fixture
def service():
    backend = FlextBackend(FlextObservabilityConfig(service_name="shop"))
    yield FlextHealthService(backend)
    backend.stop()


def degraded():
    return flext_create_health_check("x", "degraded", {"free": 3}, message="tight")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (FlextResult[bool].ok(True), ("healthy", "", {})),
        (FlextResult[bool].ok(False), ("unhealthy", "", {})),
        (FlextResult[None].ok(None), ("healthy", "", {})),
        (FlextResult[bool].fail("no disc"), ("unhealthy", "no disc", {})),
        (degraded(), ("degraded", "tight", {"free": 3})),
        (degraded().unwrap(), ("degraded", "tight", {"free": 3})),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_check_may_answer_with_a_result_or_an_entity(
    service, answer, expected, is_async
):
    async def asks():
        return answer

    function = asks if is_async else lambda: answer
    assert service.register("disc", function, interval=None).is_success
    found = service.execute(flext_create_health_check("disc").unwrap()).unwrap()
    assert (found.status, found.message, found.details) == expected
