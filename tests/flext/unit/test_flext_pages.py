"""The server of the pages opens and closes with the pipeline, or says why not."""

from __future__ import annotations

import errno
import socket

import pytest
from programs import run_program

from flext_observability import (
    FlextBackend,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextValidationError,
    flext_create_health_check,
)


def backend_at(port, **settings):
    return FlextBackend(FlextObservabilityConfig(http_port=port, **settings))


@pytest.fixture
def listening():
    """A socket that has a port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


def port_of(listening):
    return listening.getsockname()[1]


def refused(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


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


def test_nothing_is_served_unless_it_is_asked_for():
    backend = FlextBackend(FlextObservabilityConfig())
    assert backend.start().is_success
    assert backend.http_port is None
    backend.stop()


def test_port_0_picks_a_free_one_that_is_known_until_the_stop_and_anew_after_it():
    backend = backend_at(0)
    assert backend.http_port is None
    assert backend.start().is_success
    port = backend.http_port
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    assert backend.stop().unwrap().drained
    assert backend.http_port is None
    assert refused(port)
    assert backend.start().is_success
    socket.create_connection(("127.0.0.1", backend.http_port), timeout=10).close()
    backend.stop()


def test_a_port_in_use_is_a_failure_that_names_it_and_can_be_mended(listening):
    port = port_of(listening)
    backend = backend_at(port)
    result = backend.start()
    assert result.error_code == "not_running"
    assert f"http_port is {port}; expected one that can be listened on" in result.error
    assert "'127.0.0.1'" in result.error
    assert not backend.is_running
    assert backend.http_port is None
    metrics, health = FlextMetricsService(backend), FlextHealthService(backend)
    check = flext_create_health_check("database").unwrap()
    for refusal in (metrics.record("a", 1), health.execute(check)):
        assert str(port) in refusal.error
    listening.close()
    assert backend.start().is_success
    assert backend.http_port == port
    assert health.execute(check).is_success
    backend.stop()


@pytest.mark.parametrize(
    "host", ["no such host", "256.1.1.1", "\x00", "a" * 300, "ü" * 70]
)
def test_a_host_that_there_is_not_is_a_failure_of_the_start(host):
    result = backend_at(0, http_host=host).start()
    assert result.error_code == "not_running"
    assert "http_port is 0; expected one that can be listened on at" in result.error


def test_a_client_that_says_nothing_and_one_that_talks_nonsense_delay_no_end(caplog):
    backend = backend_at(0)
    assert backend.start().is_success
    address = ("127.0.0.1", backend.http_port)
    with socket.create_connection(address, timeout=10) as silent:
        with socket.create_connection(address, timeout=10) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\ntoken=swordfish \x00\xff\r\n\r\n")
            assert b"400" in rude.recv(1024)
        silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert backend.stop().unwrap().drained
        assert silent.recv(1024) == b""
    assert "swordfish" not in caplog.text


@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_forked_child_records_although_its_parent_serves_the_port(ephemeral):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = 0 if ephemeral else port_of(free)
    printed = run_program(
        f"""
        import os, socket, warnings
        from flext_observability import FlextBackend, FlextObservabilityConfig
        from flext_observability import FlextMetricsService

        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks
        backend = FlextBackend(FlextObservabilityConfig(http_port={port}))
        service = FlextMetricsService(backend)
        assert service.record("orders", 1).is_success
        port, child = backend.http_port, os.fork()
        if child == 0:
            good = service.record("orders", 1).is_success
            mine = backend.http_port
            good &= mine not in (None, port) if {ephemeral} else mine is None
            backend.stop()
            os._exit(0 if good else 1)
        _, status = os.waitpid(child, 0)
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        backend.stop()
        print(os.waitstatus_to_exitcode(status))
        """
    )
    assert printed == "0"
