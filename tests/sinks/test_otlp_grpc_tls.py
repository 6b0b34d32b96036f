"""OtlpSink over gRPC and TLS: whom it trusts, and how it shows who it is."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import grpc
import pytest
from servers.certificates import certificate
from servers.grpc_peers import collecting

from sluiceway.errors import ConfigurationError, TransientError
from sluiceway.events import Span
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.testing import stage_context

SPAN = Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8)
pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command"
)


@pytest.fixture(scope="module")
def server_files(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "server", "127.0.0.1")


@pytest.fixture(scope="module")
def client_files(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "client", "127.0.0.1")


def outcome(server_files, *, trusted=None, **options):
    """What one write to a TLS server raises, or None."""
    cert, key = (Path(file).read_bytes() for file in server_files)
    credentials = grpc.ssl_server_credentials(
        [(key, cert)],
        root_certificates=None if trusted is None else Path(trusted).read_bytes(),
        require_client_auth=trusted is not None,
    )

    async def scenario():
        async with collecting(credentials=credentials) as collector:
            sink = OtlpSink(f"127.0.0.1:{collector.port}", protocol="grpc", **options)
            await sink.open(stage_context())
            try:
                await sink.write([SPAN])
            except TransientError as error:
                return error
            finally:
                await sink.close()
            return None

    return asyncio.run(scenario())


def test_an_address_without_a_scheme_means_tls_by_an_authority_that_is_named(
    server_files,
):
    assert outcome(server_files, certificate=server_files[0]) is None


def test_a_server_that_is_not_trusted_gets_nothing(server_files, client_files):
    assert outcome(server_files).reason == "grpc_unavailable"
    error = outcome(server_files, certificate=client_files[0])
    assert error.reason == "grpc_unavailable"


def test_a_client_shows_its_certificate_where_it_is_asked_for(
    server_files, client_files
):
    shown = {"client_certificate": client_files[0], "client_key": client_files[1]}
    trusted = {"certificate": server_files[0], "trusted": client_files[0]}
    assert outcome(server_files, **trusted, **shown) is None
    assert outcome(server_files, **trusted).reason == "grpc_unavailable"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_named_when_it_is_opened(tmp_path, content):
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    sink = OtlpSink("https://localhost:4317", certificate=file)
    with pytest.raises(ConfigurationError, match=r"authority\.pem"):
        asyncio.run(sink.open(stage_context()))
