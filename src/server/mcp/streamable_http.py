"""The protocol over HTTP, at ``/mcp``: each request by itself, so that any of several servers may answer it."""

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.streamable_http import StreamableHTTPServerTransport
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..failures import detail_of, failure_of
from ..request_record import current_record
from .protocol import mcp_server
from .tools import Tools

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

PATH = "/mcp"


class StreamableHTTP:
    """Answers one request of the protocol.

    The SDK's own session manager runs a request's tool in a task of the application, which would go on when the client
    has gone or the request's time is over. Here it is a task of the request.

    Args:
        server: What answers.
    """

    def __init__(self, server: "Server[Any, Any]") -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, in JSON."""
        transport = StreamableHTTPServerTransport(None, is_json_response_enabled=True)
        options = self._server.create_initialization_options()
        async with transport.connect() as (read, write), anyio.create_task_group() as tasks:
            tasks.start_soon(partial(self._server.run, read, write, options, stateless=True))
            await transport.handle_request(scope, receive, send)
            await transport.terminate()
            tasks.cancel_scope.cancel()


def mcp_route(tools: Tools, *, log_questions: bool) -> Route:
    """The route of the door.

    Requests keep nothing between them, so there is no stream that a client could open to listen: GET is 405, as the
    protocol has it.

    Args:
        tools: What it offers.
        log_questions: Whether messages that may quote questions go into the log.
    """

    def explain(exc: Exception) -> str:
        # Our messages are for operators: they name paths and addresses.
        if (record := current_record.get()) is not None:
            record.note_error(exc, detail_of(exc, with_message=log_questions))
        return failure_of(exc).message

    return Route(PATH, StreamableHTTP(mcp_server(tools, explain)), methods=["POST"], name="mcp")
