"""Certificates for servers and clients of a test, by the openssl command."""

from __future__ import annotations

import subprocess


def certificate(folder, name, address):
    """A self-signed certificate and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        f" -days 2 -subj /CN={name} -addext subjectAltName=IP:{address}"
        f" -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return str(cert), str(key)
