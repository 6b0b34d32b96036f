"""The template of a request's path, such as ``/items/{id}``, where the framework tells.

Law: what a client sends never gets in: where the template is in doubt, it is shortened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")

DEEPEST: Final = 8


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

    Every version names the endpoint, whose templates are looked for once. FastAPI does
    not show the routes of its included routers, but names the innermost of them.
    """

    def __init__(self) -> None:
        # by id, since some endpoints have no hash; kept alive, so that it stays theirs
        self._known: dict[int, tuple[Any, list[Template]]] = {}

    def __call__(self, scope: Mapping[str, Any]) -> str | None:
        """The template, once the application has answered; None if there is none."""
        root: str = scope.get("app_root_path", scope.get("root_path", "")).rstrip("/")
        endpoint = scope.get("endpoint")
        if endpoint is not None:
            path = scope["path"].removeprefix(root)
            found = self._found(endpoint, scope.get("router"), path)
            if found is not None:
                return root + found
        route = scope.get("route")
        innermost = getattr(route, "path", None)
        if isinstance(innermost, str) and hasattr(route, "endpoint"):
            return whole_template(innermost, scope)
        return None

    def _found(self, endpoint: Any, router: Any, path: str) -> str | None:
        known = self._known.get(id(endpoint))
        if known is None:
            routes = templates(getattr(router, "routes", ()), "")
            known = endpoint, [each for each in routes if each.endpoint is endpoint]
            self._known[id(endpoint)] = known
        return next((each.path for each in known[1] if each.fits(path)), None)


def templates(
    routes: Iterable[Any], prefix: str, depth: int = DEEPEST
) -> Iterator[Template]:
    """The templates of routes, those of mounted applications before their mounts'.

    Args:
        routes: of an application.
        prefix: what stands before them.
        depth: how many mounts may be inside each other; one may hold itself.
    """
    for route in routes:
        path = prefix + (getattr(route, "path", None) or "")
        if hasattr(route, "endpoint"):
            yield Template(route.endpoint, path, whole=True)
            continue
        if depth:
            inner = getattr(route, "routes", None) or ()
            yield from templates(inner, path, depth - 1)
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
