"""Which service, process and host the telemetry of this process is about.

Law: code wins over ``OTEL_SERVICE_NAME``, that over ``OTEL_RESOURCE_ATTRIBUTES``, that
over what is found out. Source: OpenTelemetry specification, ``resource/sdk.md``;
semantic conventions, ``resource/``.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from getpass import getuser
from logging import getLogger
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from .. import __version__
from ..errors import ConfigurationError
from ..events import Resource
from .values import named_attributes

STRAY_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm32",
    "armv7l": "arm32",
    "armv8l": "arm32",
    "i386": "x86",
    "i686": "x86",
    "ia64": "ia64",
    "ppc": "ppc32",
    "ppc64": "ppc64",
    "ppc64le": "ppc64",
    "s390x": "s390x",
}


def make_resource(service_name: str | None, given: Resource | None) -> Resource:
    """The resource of this process; an empty name of the service counts as none.

    Args:
        service_name: the application's word for itself, or None.
        given: further attributes from code, or None.

    Raises:
        ConfigurationError: the application's word is no text.
    """
    if not isinstance(service_name, str | None):
        raise ConfigurationError(
            f"Telemetry.service_name is {service_name!r}; expected a text"
        )
    given = given or Resource()
    attributes = found_attributes()
    for told in (
        environment_attributes(os.environ),
        given.attributes,
        {"service.name": service_name},
    ):
        name = told.get("service.name") or attributes["service.name"]
        attributes |= {**told, "service.name": name}
    return Resource(attributes, given.schema_url)


def resource_of(given: Resource | Mapping[str, Any] | None) -> Resource:
    """``given`` as a resource with attributes of its own.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(given, Resource):
        return Resource(named_attributes(given.attributes), given.schema_url)
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(
            f"Telemetry.resource is {given!r}; expected a dict of attributes, or a "
            "sluiceway.Resource"
        )
    return Resource(named_attributes(given))


def found_attributes() -> dict[str, Any]:
    """What can be found out, with a new ``service.instance.id``.

    Not the arguments of the command, which may hold secrets, nor the machine's id,
    which is one.
    """
    executable = sys.executable or "python"
    name = PurePath(executable).name
    return {
        "service.name": f"unknown_service:{name}",
        "service.instance.id": str(uuid4()),
        "telemetry.sdk.name": "sluiceway",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "process.pid": os.getpid(),
        "process.parent_pid": os.getppid(),
        "process.executable.name": name,
        "process.executable.path": executable,
        **command_attributes(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "process.runtime.description": sys.version,
        "host.name": platform.node(),
        **architecture_attributes(platform.machine()),
        "os.type": platform.system().lower(),
        "os.version": platform.release(),
    }


def command_attributes() -> dict[str, Any]:
    """What was called and by whom, as far as the system tells."""
    told = {}
    if sys.argv and sys.argv[0]:
        told["process.command"] = sys.argv[0]
    with suppress(Exception):  # a user id without a name, as containers have them
        told["process.owner"] = getuser()
    return told


def architecture_attributes(machine: str) -> dict[str, str]:
    """The conventions' word for the processor; nothing for one that they do not know.

    Args:
        machine: as the system calls it.
    """
    word = ARCHITECTURES.get(machine.lower())
    return {"host.arch": word} if word else {}


def environment_attributes(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says of the service; a bad value is named and left out."""
    attributes: dict[str, Any] = {}
    text = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    try:
        attributes.update(parse_attributes(text))
    except ValueError as error:
        getLogger(__name__).warning(
            "OTEL_RESOURCE_ATTRIBUTES is %r and is ignored: %s", text, error
        )
    name = environ.get("OTEL_SERVICE_NAME", "").strip()
    if name:
        attributes["service.name"] = name
    return attributes


def parse_attributes(text: str) -> dict[str, str]:
    """``k=v,k2=v2`` with percent-encoded values.

    Raises:
        ValueError: a part without ``=`` or key, or one that cannot be decoded; as the
            specification has it, nothing of the text is used then.
    """
    attributes = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{part!r} is not key=value")
        attributes[decoded(key)] = decoded(value)
    return attributes


def decoded(text: str) -> str:
    """The text that percent-encoding stands for.

    Raises:
        ValueError: a percent sign without two hex digits, or no UTF-8.
    """
    try:
        if not STRAY_PERCENT.search(text):
            return unquote_to_bytes(text.strip()).decode()
    except UnicodeDecodeError:
        pass
    raise ValueError(f"{text!r} is not percent-encoded UTF-8")
