"""Route lists, written as short texts."""

from __future__ import annotations

from bonafide_tokens.routes import Requirement, RouteRequirement

from bonafide.routes.route_list import Routes


def routes(*texts: str) -> Routes:
    parts = [text.split(" ") for text in texts]
    return tuple(RouteRequirement(method, path, Requirement(mode)) for method, path, mode in parts)


def texts(made: Routes) -> list[str]:
    return [f"{route.method} {route.path} {route.requirement}" for route in made]
