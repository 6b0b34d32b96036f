"""The template of a request's path, such as ``/items/{id}``, where the framework tells.

Law: what a client sends never gets in: where the template is in doubt, it is shortened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from attrs import frozen

PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


@frozen
class Template:
    """A path of an application's routes, and what serves it.

    Attributes:
        endpoint: what a scope names when the route has been found.
        path: the whole template.
        whole: whether it stands for whole paths; a mount's stands for beginnings.
    """

    endpoint: Any
    path: str
    whole: bool

    def fits(self, path: str) -> bool:
        """Whether the path of a request can be one of these."""
        pattern = pattern_of(self.path)
        if self.whole:
            return pattern.fullmatch(path) is not None
        found = pattern.match(path)
        return found is not None and path[found.end() :][:1] in {"", "/"}


class StarletteRoutes:
    """Finds the template that Starlette or FastAPI has chosen, mounts included.

    Their newer versions name the innermost route; of the others the routes are looked
    through, once for each endpoint.
    """

    def __init__(self) -> None:
        self._known: dict[int, list[Template]] = {}  # keeps the endpoints alive

    def __call__(self, scope: Mapping[str, Any]) -> str | None:
        """The template, once the application has answered; None if there is none."""
        route = scope.get("route")
        innermost = getattr(route, "path", None)
        if isinstance(innermost, str) and hasattr(route, "endpoint"):
            return whole_template(innermost, scope)
        endpoint, router = scope.get("endpoint"), scope.get("router")
        if endpoint is None or router is None:
            return None
        return self._found(endpoint, router, scope["path"])

    def _found(self, endpoint: Any, router: Any, path: str) -> str | None:
        known = self._known.get(id(endpoint), [])
        for template in known:
            if template.fits(path):
                return template.path
        routes = templates(getattr(router, "routes", ()), "")
        found = [each for each in routes if each.endpoint is endpoint]
        if found:
            self._known[id(endpoint)] = found
        return next((each.path for each in found if each.fits(path)), None)


def templates(routes: Iterable[Any], prefix: str) -> Iterator[Template]:
    """The templates of routes, those of mounted applications before their mounts'."""
    for route in routes:
        path = prefix + (getattr(route, "path", None) or "")
        if hasattr(route, "endpoint"):
            yield Template(route.endpoint, path, whole=True)
            continue
        yield from templates(getattr(route, "routes", None) or (), path)
        if hasattr(route, "app") and path:
            yield Template(route.app, path, whole=False)


def whole_template(template: str, scope: Mapping[str, Any]) -> str:
    """The innermost route's template behind those of mounts and included routers."""
    path = scope["path"]
    found = ending_of(template).search(path)
    if found is None:
        return template
    parameters = scope.get("path_params") or {}
    return with_names(path[: found.start()], template, parameters)


@lru_cache(maxsize=4096)
def pattern_of(template: str) -> re.Pattern[str]:
    """Finds a path that the template stands for."""
    parts = []
    end = 0
    for found in PARAMETER.finditer(template):
        parts.append(re.escape(template[end : found.start()]))
        parts.append(".*" if found[2] == "path" else "[^/]+")
        end = found.end()
    parts.append(re.escape(template[end:]))
    return re.compile("".join(parts), re.DOTALL)


@lru_cache(maxsize=4096)
def ending_of(template: str) -> re.Pattern[str]:
    """Finds the end of a path that the template stands for."""
    return re.compile(pattern_of(template).pattern + r"\Z", re.DOTALL)


def with_names(prefix: str, template: str, parameters: Mapping[str, Any]) -> str:
    """The template behind a prefix in which parameters stand for their values.

    A value that is not found again in the prefix, since it was converted, leaves the
    prefix out.
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
