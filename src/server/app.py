"""The server: routes, layers, and what lives as long as it does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.util import find_spec
from itertools import chain as chained

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from langchain_core.runnables.config import run_in_executor
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from ..chains.rag import RagChain, rag_chain
from ..errors import StoreUnavailableError
from ..settings import Settings
from .access import Access
from .failures import Failure
from .feedback import feedback_router
from .head_requests import HeadRequests
from .index import Index
from .limits import RequestLimits
from .metrics import Metrics
from .observation import Observation, logger
from .openai_api import routes as openai_api
from .openai_api.errors import as_openai
from .origins import CrossOrigin, Origins
from .page_routes import FOLDER, PageFiles, page_router
from .playground_passes import PlaygroundPasses
from .prefix import Prefix, route_path
from .request_rate import RequestRate
from .route_names import route_name
from .routes import langserve_router
from .served_runnables import ServedChat, ServedRetriever, served_chat
from .settings import ServerSettings, server_settings

_FEEDBACK = "/feedback"
_MCP = "/mcp"
_COSTLY = ("/rag", "/answer", _FEEDBACK, openai_api.PREFIX, _MCP)
_PAGE = "/page"
_PUBLIC = frozenset({"/", "/healthz"})
_FIRST_SEGMENTS = frozenset({
    "", "answer", "feedback", "healthz", "info", "mcp", "metrics", "openapi.json", "page", "rag", "readyz", "starters",
    "v1",
})  # fmt: skip
_READY_SECONDS = 5.0


def build_app(settings: Settings) -> FastAPI:
    """Put the server together; see `milvus_rag.server.create_app`."""
    settings = server_settings(settings)
    metrics = Metrics()
    index = Index(settings)
    chat = served_chat(settings, index, metrics)
    app = FastAPI(
        title="milvus-rag",
        description="Answers from a folder of Markdown, with their sources.",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(settings, index, chat),
        exception_handlers={HTTPException: _pass_on, RequestValidationError: _pass_on},
    )
    app.state.index = index
    app.state.metrics = metrics
    app.state.settings = settings
    retriever = ServedRetriever(index, metrics)
    chain = rag_chain(retriever, chat, citations=settings.citations, language=lambda: index.language)
    answer = chain.pick("answer").with_types(output_type=str)
    passes = PlaygroundPasses(settings.server_key.get_secret_value() if settings.server_key else "")
    routers = (
        page_router(settings, chat.names, index),
        *([feedback_router()] if settings.feedback else []),
        _operations_router(index, metrics),
        langserve_router(chain, "/rag", settings, passes, is_answer=False),
        langserve_router(answer, "/answer", settings, passes, is_answer=True),
        openai_api.openai_router(chain, chat, settings),
    )
    for router in routers:
        app.include_router(router)
    if find_spec("mcp") is not None:
        app.router.routes.append(_mcp_route(retriever, chain, settings))
    app.mount(_PAGE, PageFiles(directory=FOLDER), name="page")
    origins = Origins(settings.allowed_origins)
    # The last one added is the outermost.
    app.add_middleware(HeadRequests)
    app.add_middleware(RequestLimits, settings=settings, metrics=metrics, applies_to=_costs)
    app.add_middleware(RequestRate, a_minute=settings.max_questions_per_minute, applies_to=_costs)
    app.add_middleware(Access, settings=settings, origins=origins, passes=passes, is_public=_is_public)
    # What FastAPI makes of them is its own affair.
    route_of = partial(_route_of, [*app.routes, *chained.from_iterable(router.routes for router in routers)])
    app.add_middleware(
        Observation, metrics=metrics, route_of=route_of, failure_as=_failure_as, log_questions=settings.log_questions
    )
    app.add_middleware(CrossOrigin, origins=origins)
    app.add_middleware(Prefix, prefix=settings.root_path, first_segments=_FIRST_SEGMENTS)
    return app


def _mcp_route(retriever: ServedRetriever, chain: RagChain, settings: ServerSettings) -> BaseRoute:
    """The door for agents, which needs a package of its own."""
    from .mcp.streamable_http import mcp_route
    from .mcp.tools import Tools

    tools = Tools(retriever, chain if settings.llm is not None else None, settings)
    return mcp_route(tools, log_questions=settings.log_questions)


def _operations_router(index: Index, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["server"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        """Whether questions can be answered: the collection is there, and fits the embedding."""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await run_in_executor(None, index.check)
        except TimeoutError as exc:
            raise StoreUnavailableError(f"Milvus did not answer a check in {_READY_SECONDS:g} seconds.") from exc
        return {"status": "ready"}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def prometheus_metrics() -> Response:
        """Counters and times in Prometheus' text format."""
        return metrics.response()

    return router


def _lifespan(
    settings: ServerSettings, index: Index, chat: ServedChat
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # LangChain runs searches, and whatever else has no async client, in the loop's default pool.
        pool = ThreadPoolExecutor(settings.pool_size, thread_name_prefix="search")
        asyncio.get_running_loop().set_default_executor(pool)
        for preparation in (index.warm_up, chat.warm_up):
            for problem in await run_in_executor(None, preparation):
                logger.warning("%s", problem)
        try:
            yield
        finally:
            await run_in_executor(None, index.close)

    return lifespan


async def _pass_on(_: Request, exc: Exception) -> Response:
    """In place of FastAPI's handlers: errors are answered in one place, `Observation`."""
    raise exc


def _costs(scope: Scope) -> bool:
    return scope["method"] == "POST" and route_path(scope).startswith(_COSTLY)


def _failure_as(scope: Scope, failure: Failure) -> Failure:
    """A failure in the shape that the clients of the request's door read."""
    return as_openai(failure) if route_path(scope).startswith(f"{openai_api.PREFIX}/") else failure


def _is_public(scope: Scope) -> bool:
    path = route_path(scope)
    return path in _PUBLIC or path.startswith(f"{_PAGE}/")


def _route_of(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """The route of a request as it is declared; files and strangers' paths by one name each."""
    path = route_path(scope)
    if path.startswith(f"{_PAGE}/"):
        return _PAGE
    return path if path == _MCP else route_name(routes, scope)
