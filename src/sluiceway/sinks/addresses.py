"""What can be addressed and listened on, and what of that may be shown.

Law: pure. User, password, query and fragment of an address are secret; so are the
values of headers.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import ConfigurationError

OTLP_EXAMPLE: Final = "http://localhost:4318"
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
# Another text in their place would cut or hang the requests.
OF_THE_CLIENT: Final = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "expect"}
)
HOST_PART: Final = re.compile(r"([^/]*//)?[^/]*")
NAT64: Final = IPv6Network("64:ff9b::/96")
ANOTHER_PORT_HELPS: Final = frozenset({errno.EADDRINUSE, errno.EACCES})


class ToldPath(str):
    """A path that a variable says.

    Attributes:
        variable: its name.
    """

    __slots__ = ("variable",)
    variable: str


def path_in_words(path: object) -> str:
    """A path as an error names it: with the variable that says it, if one does."""
    return f"{path} ({path.variable})" if isinstance(path, ToldPath) else str(path)


def wrong_with(url: Any, example: str = OTLP_EXAMPLE) -> str | None:
    """What was expected instead of ``url``, such as ``example``.

    Returns:
        None if requests can go there.
    """
    expected = f"an address such as {example!r}"
    try:
        parts = urlsplit(url)
        usable = parts.port is None or parts.port > 0
    except (ValueError, TypeError, AttributeError):
        return expected
    if not usable or parts.scheme not in ("http", "https") or not parts.hostname:
        return expected
    if not url.isascii():
        return f"{expected}, other letters than ASCII's percent-encoded"
    return None if url.isprintable() and " " not in url else expected


def without_user(url: str) -> str:
    """Any text that was meant as an address, without user, password and query.

    A password may hold any sign of an address, and a query an ``@``: what stands before
    the last one is not shown, and nothing is where a query may stand before it.
    """
    before, at, rest = url.rpartition("@")
    if at:
        scheme = "://".join((*before.split("://", 1)[:-1], ""))
        rest = f"{scheme}***" if "?" in before else f"{scheme}***@{rest}"
    return rest.partition("?")[0]


def without_path(url: str) -> str:
    """Any text that was meant as an address, up to its host."""
    found = HOST_PART.match(without_user(url))
    return found[0] if found else ""


def public_part(url: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(SplitResult(parts.scheme, netloc, parts.path, "", ""))


def origin(url: str) -> str:
    """Scheme, host and port alone, for addresses whose path is a secret too."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def checked_headers(headers: Mapping[str, str], owner: str) -> dict[str, str]:
    """The headers, if HTTP can carry them.

    Args:
        headers: values by name.
        owner: the setting they stand in, for the error.

    Raises:
        ConfigurationError: one has a bad name or value; the value is not shown.
    """
    if not isinstance(headers, Mapping):
        kind = type(headers).__name__
        raise ConfigurationError(f"{owner} is a {kind}; expected a dict of headers")
    for name, value in headers.items():
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"{owner} has the name {name!r}; expected a token")
        if name.lower() in OF_THE_CLIENT:
            raise ConfigurationError(
                f"{owner} has {name!r}, which says how a request is sent; expected "
                "headers beside those of the client"
            )
        if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(
                f"{owner}[{name!r}] is no header value; expected one line of text"
            )
    return dict(headers)


def checked_host(setting: str, host: Any) -> str:
    """``host``, if it can be the name of an address to listen on.

    Args:
        setting: whose it is, for the error, such as ``"OtlpSource.host"``.
        host: a name or an IP address.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(host, str):
        raise ConfigurationError(
            f"{setting} is {host!r}; expected an address such as '127.0.0.1'"
        )
    return host


def cannot_listen(
    owner: str, host: str, port: int, error: OSError | ValueError
) -> ConfigurationError:
    """The error for an address that cannot be had.

    Args:
        owner: the stage that wanted it.
        host: the address.
        port: the port, 0 for any.
        error: what the system said.
    """
    hint = ""
    if getattr(error, "errno", None) in ANOTHER_PORT_HELPS:
        hint = "; port=0 picks a free port"
    # since Python 3.13 a failed bind has no number, and says why in its message
    words = system_words(error) if getattr(error, "errno", None) else str(error)
    return ConfigurationError(f"{owner} cannot listen on {host}:{port} ({words}){hint}")


def is_public(host: str) -> bool:
    """Whether an IP address is of the public internet, and nothing hides in it.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public
    as what it carries. What is no IP address is not public.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return False
    inner = carried(address) if isinstance(address, IPv6Address) else ()
    return all(each.is_global and not each.is_multicast for each in (address, *inner))


def carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that packets to an IPv6 address may end at."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(each for each in found if each is not None)


def is_literal(host: str) -> bool:
    """Whether a URL's host is an address, or digits that a system takes for one."""
    return ":" in host or host.replace(".", "").isdigit()


def system_words(error: Exception) -> str:
    """What the system says went wrong, or at least the error's class."""
    number = getattr(error, "errno", None) or 0
    words = getattr(error, "strerror", None)
    return os.strerror(number) if number > 0 else words or type(error).__name__
