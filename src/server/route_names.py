"""The route of a request as it is declared, for metrics and the log: one of few names, whoever answers it."""

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

_OTHER: Final = "other"


def route_name(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """The declared path of the route that a request is for.

    Looked up where the router has not been asked: a layer in front of it may have refused the request.
    """
    route = scope.get("route")
    if route is None:
        sought = {**scope, "method": "GET"} if scope["method"] == "HEAD" else dict(scope)
        named = (found for found in routes if isinstance(found, Route))
        matches = [(match, found) for found in named for match, _ in [found.matches(sought)] if match != Match.NONE]
        # As the router does it: a route of this method, else the first one of this path.
        route = next((found for match, found in matches if match == Match.FULL), matches[0][1] if matches else None)
    return str(getattr(route, "path", "")) or _OTHER
