"""The server of the pages opens and closes with the pipeline, or says why not."""

from __future__ import annotations

import pytest

from flext_observability import FlextObservabilityConfig, FlextValidationError


def test_the_pages_are_served_nowhere_by_default_and_on_this_machine_only():
    config = FlextObservabilityConfig()
    assert (config.http_port, config.http_host) == (None, "127.0.0.1")
    assert FlextObservabilityConfig(http_port=0).http_port == 0


@pytest.mark.parametrize("port", [-1, 65_536, True, 80.0, "9464", [], {}, b"1"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(FlextValidationError, match="http_port is "):
        FlextObservabilityConfig(http_port=port)


@pytest.mark.parametrize("host", ["", " ", None, 3])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(FlextValidationError, match="http_host is "):
        FlextObservabilityConfig(http_host=host)
