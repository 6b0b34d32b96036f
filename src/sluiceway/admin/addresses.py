"""Where an admin endpoint is: the path of a socket, or a port of this machine."""

from __future__ import annotations

from ipaddress import ip_address

from ..errors import ConfigurationError


def port_of(address: str) -> int | None:
    """The port of an address of this machine; None for the path of a socket.

    Raises:
        ConfigurationError: it is empty, of another machine, or its port is none.
    """
    if not address:
        raise ConfigurationError(
            "AdminServer.address is empty; expected a path such as 'alerts.sock'"
        )
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
    if len(port) > 5 or int(port) > 65535:
        raise ConfigurationError(
            f"AdminServer.address is {address!r}; expected a port of at most 65535"
        )
    return int(port)
