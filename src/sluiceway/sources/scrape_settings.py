"""The settings of a PrometheusScrapeSource, checked.

Law: pure; an error names the setting, what it is and what was expected, and shows no
password.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..events import Resource
from ..settings import is_count, is_seconds
from ..sinks.addresses import public_part, without_user, wrong_with
from ..sinks.http import Destination

LONGEST_TIMEOUT = 10.0


def resource_of(url: str, job: str) -> Resource:
    """What the points of a target are about."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    return Resource(
        {
            "service.name": job,
            "service.instance.id": f"[{host}]:{port}"
            if ":" in host
            else f"{host}:{port}",
            "server.address": host,
            "server.port": port,
            "url.scheme": parts.scheme,
        }
    )


def destination_of(
    url: str, headers: Mapping[str, str], tls: ssl.SSLContext | bool
) -> Destination:
    """Where a page is; what its address holds beside host and path is secret."""
    return Destination(
        url=url,
        shown=public_part(url),
        headers=headers,
        tls=tls,
    )


def checked_targets(targets: Iterable[str]) -> list[str]:
    """The targets' whole addresses.

    Raises:
        ConfigurationError: there is none, one is no address, or one stands twice.
    """
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise ConfigurationError(
            f"PrometheusScrapeSource.targets is {public_text(targets)!r}; "
            "expected a list of addresses"
        )
    urls = [whole_address(target) for target in targets]
    if not urls:
        raise ConfigurationError(
            "PrometheusScrapeSource.targets is empty; expected a list of addresses"
        )
    twice = {public_part(url) for url in urls if urls.count(url) > 1}
    if twice:
        raise ConfigurationError(
            f"PrometheusScrapeSource.targets has {min(twice)!r} twice"
        )
    return urls


def whole_address(target: str) -> str:
    """The address with a scheme and a path."""
    url = target if "://" in str(target) else f"http://{target}"
    if not isinstance(target, str) or wrong_with(url) is not None:
        raise ConfigurationError(
            f"PrometheusScrapeSource.targets has {public_text(target)!r}; "
            "expected an address such as 'http://localhost:9100/metrics'"
        )
    parts = urlsplit(url)
    return parts.geturl() if parts.path else parts._replace(path="/metrics").geturl()


def public_text(target: object) -> str:
    """Whatever was given as an address, without what may be a secret in it."""
    return without_user(str(target))


def checked_job(job: str) -> str:
    """The job, if it is a text."""
    if not isinstance(job, str):
        raise ConfigurationError(
            f"PrometheusScrapeSource.job is {job!r}; expected what the targets are "
            "called together"
        )
    return job


def checked_interval(interval: float) -> float:
    """The interval, if it is a time above 0."""
    if not is_seconds(interval) or not 0 < interval < float("inf"):
        raise ConfigurationError(
            f"PrometheusScrapeSource.interval is {interval!r}; expected seconds above 0"
        )
    return interval


def checked_timeout(timeout: float | None, interval: float) -> float:
    """The time-out, which no look may outlast."""
    if timeout is None:
        return min(LONGEST_TIMEOUT, interval)
    if not is_seconds(timeout) or not 0 < timeout <= interval:
        raise ConfigurationError(
            f"PrometheusScrapeSource.timeout is {timeout!r}; "
            f"expected seconds above 0, the interval ({interval:g}) at most"
        )
    return timeout


def checked_count(setting: str, value: int) -> int:
    """A whole number from 1."""
    if not is_count(value):
        raise ConfigurationError(
            f"PrometheusScrapeSource.{setting} is {value!r}; "
            "expected a whole number from 1"
        )
    return value
