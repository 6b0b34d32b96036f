"""Where an admin endpoint is: the path of a socket, or a port of this machine."""

from __future__ import annotations

from ipaddress import ip_address

from ..errors import ConfigurationError


def port_of(address: str) -> int | None:
    """The port of an address of this machine; None for the path of a socket.

    Raises:
        ConfigurationError: it is an address of another machine.
    """
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address or not port.isdecimal():
        return None
    try:
        here = host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        here = False
    if not here:
        raise ConfigurationError(
            f"AdminServer.address is {address!r}; expected a path, or a loopback "
            "address such as '127.0.0.1:9400'"
        )
    return int(port)
