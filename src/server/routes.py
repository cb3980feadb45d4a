"""The LangServe routes of a chain: what `RemoteRunnable` and the playground talk to."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from langchain_core.runnables import Runnable
from langserve import APIHandler
from starlette.responses import Response

from .failures import ERROR_RESPONSES
from .playground import playground_response
from .playground_passes import PlaygroundPasses
from .requests import BatchCall, Call, EventsCall, accept, has_history
from .settings import ServerSettings
from .streams import EventStream

# The playground puts a chosen model into its addresses, compressed. What is longer is no such thing, and could be made
# to unpack into hundreds of megabytes.
_ConfigHash = Annotated[str, Path(max_length=512)]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events: metadata, data, error, end.", "content": {"text/event-stream": {}}}
}
# Run id and question come before the search, the first token after it.
_BEFORE_CONTEXT = 2
_BEFORE_ANSWER = 1


def langserve_router(
    chain: Runnable[Any, Any], path: str, settings: ServerSettings, passes: PlaygroundPasses, *, is_answer: bool
) -> APIRouter:
    """Routes for a chain: invoke, batch, stream, stream_events, stream_log, schemas, playground.

    Args:
        chain: What answers.
        path: Where, e.g. ``"/rag"``.
        settings: The limits.
        passes: What the playground has in place of the key.
        is_answer: Whether the chain's output is the answer alone.
    """
    handler = APIHandler(chain, path=path, config_keys=("configurable",))
    router = APIRouter(prefix=path, tags=[path.strip("/")], responses=ERROR_RESPONSES)
    held = _BEFORE_ANSWER if is_answer else _BEFORE_CONTEXT

    @router.post("/invoke", responses={200: {"model": handler.InvokeResponse}})
    async def invoke(call: Call, request: Request) -> Response:
        """Answer a question."""
        accept(settings, [call.input])
        return await handler.invoke(request)

    @router.post("/batch", responses={200: {"model": handler.BatchResponse}})
    async def batch(call: BatchCall, request: Request) -> Response:
        """Answer several questions."""
        accept(settings, call.inputs)
        return await handler.batch(request)

    @router.post("/stream", response_class=Response, responses=_EVENTS)
    async def stream(call: Call, request: Request) -> Response:
        """Answer a question in parts, as server-sent events."""
        accept(settings, [call.input])
        response = await handler.stream(request)
        # With a history, the question that is searched for comes before the search too.
        held_now = held + (not is_answer and has_history(call.input))
        tells_waiting = "x-tell-waiting" in request.headers
        return EventStream(response.body_iterator, held=held_now, tells_waiting=tells_waiting)

    @router.post("/stream_events", response_class=Response, responses=_EVENTS)
    async def stream_events(call: EventsCall, request: Request) -> Response:
        """Tell every step of an answer as it happens, as server-sent events."""
        accept(settings, [call.input])
        response = await handler.astream_events(request)
        return EventStream(response.body_iterator, held=0)

    @router.post("/stream_log", response_class=Response, responses=_EVENTS)
    async def stream_log(call: EventsCall, request: Request) -> Response:
        """Tell every step of an answer as changes of a log, as server-sent events: what the playground reads."""
        accept(settings, [call.input])
        response = await handler.stream_log(request)
        return EventStream(response.body_iterator, held=0)

    @router.get("/input_schema")
    async def input_schema(request: Request) -> dict[str, Any]:
        """JSON schema of the input."""
        schema: dict[str, Any] = await handler.input_schema(request)
        return schema

    @router.get("/output_schema")
    async def output_schema(request: Request) -> dict[str, Any]:
        """JSON schema of the output."""
        schema: dict[str, Any] = await handler.output_schema(request)
        return schema

    @router.get("/config_schema")
    async def config_schema(request: Request) -> dict[str, Any]:
        """JSON schema of what a request may configure: the chat model."""
        schema: dict[str, Any] = await handler.config_schema(request)
        return schema

    @router.get("/c/{config_hash}/input_schema", include_in_schema=False)
    async def configured_input_schema(config_hash: _ConfigHash, request: Request) -> dict[str, Any]:
        schema: dict[str, Any] = await handler.input_schema(request, config_hash=config_hash)
        return schema

    @router.post("/sign-in", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        response = Response(status_code=204)
        if settings.server_key:
            passes.give(response, is_secure=request.url.scheme == "https")
        return response

    @router.get("/playground/{file_path:path}", include_in_schema=False)
    async def playground(file_path: str, request: Request) -> Response:
        return await playground_response(handler, file_path, request)

    @router.get("/c/{config_hash}/playground/{file_path:path}", include_in_schema=False)
    async def configured_playground(config_hash: _ConfigHash, file_path: str, request: Request) -> Response:
        return await playground_response(handler, file_path, request, config_hash=config_hash)

    return router
