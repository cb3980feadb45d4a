"""A path under which a reverse proxy shows the server."""

from collections.abc import Set

from starlette.types import ASGIApp, Receive, Scope, Send


class Prefix:
    """Tells the application its root path, whether or not the proxy takes it off the requests' paths.

    Args:
        app: What answers.
        prefix: ``"/chat"``; empty for none.
        first_segments: First parts of the application's own paths, to tell ``/rag/rag/invoke`` from ``/rag/invoke``
            under the prefix ``/rag``.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, first_segments: Set[str]) -> None:
        self._app = app
        self._prefix = prefix
        self._first_segments = first_segments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its root path."""
        if self._prefix and scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if not self._has_prefix(path):
                path = self._prefix + path
            scope = {**scope, "root_path": self._prefix, "path": path}
        await self._app(scope, receive, send)

    def _has_prefix(self, path: str) -> bool:
        rest = path.removeprefix(self._prefix)
        return rest != path and rest[:1] == "/" and rest.split("/")[1] in self._first_segments


def route_path(scope: Scope) -> str:
    """A request's path without the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"
