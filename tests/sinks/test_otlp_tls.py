"""OtlpSink over TLS: whom it trusts, and how it shows who it is."""

from __future__ import annotations

import asyncio
import shutil
import ssl

import pytest
from servers.certificates import certificate
from servers.http_peers import answering, status

from sluiceway.errors import ConfigurationError, TransientError
from sluiceway.events import Span
from sluiceway.sinks.otlp import OtlpSink
from sluiceway.testing import stage_context

SPAN = Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8)
needs_openssl = pytest.mark.skipif(
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
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*server_files)
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)

    async def scenario():
        async with answering(status(200), ssl_context=context) as server:
            sink = OtlpSink(server.url, **options)
            await sink.open(stage_context())
            try:
                await sink.write([SPAN])
            except TransientError as error:
                return error
            finally:
                await sink.close()

    return asyncio.run(scenario())


@needs_openssl
def test_a_server_whose_authority_is_trusted_is_sent_to(server_files):
    assert outcome(server_files, certificate=server_files[0]) is None


@needs_openssl
def test_the_authority_may_come_from_the_environment(server_files, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", server_files[0])
    assert outcome(server_files) is None


@needs_openssl
def test_a_server_that_is_not_trusted_is_a_transient_error(server_files):
    error = outcome(server_files)
    assert type(error) is TransientError
    assert error.reason == "tls"


@needs_openssl
def test_the_sink_shows_its_own_certificate(server_files, client_files):
    known = {"certificate": server_files[0]}
    own = {"client_certificate": client_files[0], "client_key": client_files[1]}
    trusted = client_files[0]
    assert outcome(server_files, trusted=trusted, **known, **own) is None
    assert isinstance(outcome(server_files, trusted=trusted, **known), TransientError)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_cannot_be_used_is_told_at_open(tmp_path, content):
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    sink = OtlpSink("https://h", certificate=path)
    with pytest.raises(ConfigurationError, match=r"authority\.pem"):
        asyncio.run(sink.open(stage_context()))


@pytest.mark.parametrize("address", ["https://h:4318", "https://h:4317"])
@pytest.mark.parametrize("word", ["CERTIFICATE", "CLIENT_CERTIFICATE"])
def test_a_certificate_that_cannot_be_used_is_told_by_its_variable(
    monkeypatch, address, word
):
    variable = f"OTEL_EXPORTER_OTLP_TRACES_{word}"
    monkeypatch.setenv(variable, "none.pem")
    sink = OtlpSink(address)
    with pytest.raises(ConfigurationError, match=rf"cannot use none\.pem \({variable}"):
        asyncio.run(sink.open(stage_context()))
