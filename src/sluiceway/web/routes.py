"""The template of a request's path, such as ``/items/{id}``, where the framework tells.

Law: what a client sends never gets in: where the template is in doubt, it is shortened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


def starlette_route(scope: Mapping[str, Any]) -> str | None:
    """The whole template that Starlette or FastAPI has found, mounts included.

    Args:
        scope: after the application has answered; it holds the innermost ``route``.

    Returns:
        None if no route was found, or the framework does not tell.
    """
    route = scope.get("route")
    template = getattr(route, "path", None)
    if not isinstance(template, str):
        return None
    if not hasattr(route, "endpoint"):  # a mount, whose own end is not known
        return template or None
    path, parameters = scope["path"], scope.get("path_params") or {}
    found = pattern_of(template).search(path)
    if found is None:
        return template
    return with_names(path[: found.start()], template, parameters)


@lru_cache(maxsize=4096)
def pattern_of(template: str) -> re.Pattern[str]:
    """Finds the end of a path that the template stands for."""
    parts = []
    end = 0
    for found in PARAMETER.finditer(template):
        parts.append(re.escape(template[end : found.start()]))
        parts.append(".*" if found[2] == "path" else "[^/]+")
        end = found.end()
    parts.append(re.escape(template[end:]))
    return re.compile("".join(parts) + r"\Z")


def with_names(prefix: str, template: str, parameters: Mapping[str, Any]) -> str:
    """The template behind a prefix in which parameters stand for their values.

    The prefix comes from mounts and included routers. A value in it that is not found
    again, since it was converted, leaves the prefix out.
    """
    if not prefix:
        return template
    own = {found[1] for found in PARAMETER.finditer(template)}
    segments = prefix.split("/")
    for name, value in parameters.items():
        if name in own:
            continue
        at = last_index(segments, str(value))
        if at is None:
            return template
        segments[at] = f"{{{name}}}"
    return "/".join(segments) + template


def last_index(segments: list[str], value: str) -> int | None:
    """Where the value stands last."""
    for at in range(len(segments) - 1, -1, -1):
        if segments[at] == value:
            return at
    return None
