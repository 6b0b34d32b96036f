"""What most tests of flext_observability record into."""

import pytest

from flext_observability import FlextBackend, FlextObservabilityConfig


@pytest.fixture
def backend():
    backend = FlextBackend(FlextObservabilityConfig(service_name="shop"))
    yield backend
    backend.stop()
