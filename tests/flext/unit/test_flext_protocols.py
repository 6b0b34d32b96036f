"""A service can be asked for by what it does."""

import pytest
from mypy_runs import found_and_marked

from flext_observability import (
    FlextAlertProtocol,
    FlextAlertService,
    FlextHealthProtocol,
    FlextHealthService,
    FlextMetricsProtocol,
    FlextMetricsService,
    FlextTracingProtocol,
    FlextTracingService,
)

PROTOCOLS = [
    FlextAlertProtocol,
    FlextHealthProtocol,
    FlextMetricsProtocol,
    FlextTracingProtocol,
]
SERVICES = [
    FlextAlertService,
    FlextHealthService,
    FlextMetricsService,
    FlextTracingService,
]


class Quiet:
    """A user's own, for one concern only."""

    async def execute_health_check(self, health_check):
        return health_check


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_of_its_own_concern_only(service):
    concerns = [each for each in PROTOCOLS if isinstance(service(), each)]
    assert [each.__name__ for each in concerns] == [
        service.__name__.replace("Service", "Protocol")
    ]


def test_a_class_of_ones_own_takes_a_services_place():
    assert isinstance(Quiet(), FlextHealthProtocol)
    assert not isinstance(Quiet(), FlextTracingProtocol)


def test_mypy_takes_a_service_and_a_class_of_ones_own(tmp_path):
    found, marked = found_and_marked("typed_protocols.py", tmp_path)
    assert found == marked
