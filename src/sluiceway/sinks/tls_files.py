"""Which files of TLS were given. Law: pure; the files are read when a stage opens."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..settings import checked_path
from .http import FilePath

Files = tuple[FilePath | None, FilePath | None, FilePath | None]


def checked_files(
    owner: str,
    certificate: FilePath | None,
    client_certificate: FilePath | None,
    client_key: FilePath | None,
) -> Files:
    """The files, as ``tls_context`` takes them.

    Args:
        owner: the stage, for errors.
        certificate: of the authorities to trust.
        client_certificate: of the certificate to show.
        client_key: of its key.

    Raises:
        ConfigurationError: one is no path, or a key has no certificate.
    """
    given = {
        "certificate": certificate,
        "client_certificate": client_certificate,
        "client_key": client_key,
    }
    for name, path in given.items():
        if path is not None:
            checked_path(f"{owner}.{name}", path)
    if client_key is not None and client_certificate is None:
        raise ConfigurationError(f"{owner}.client_key needs a client_certificate")
    return certificate, client_certificate, client_key
