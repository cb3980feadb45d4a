"""The chat page: static files, and what they must know of the server."""

from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .index import Index
from .settings import ServerSettings
from .starters import ROWS_READ, starter_questions

FOLDER: Final = Path(__file__).with_name("page")
# Everything from here, nothing inline, nothing from elsewhere.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class ServerInfo(BaseModel):
    """What the page must know."""

    version: str
    collection: str
    models: list[str]
    default_model: str
    max_question_chars: int
    has_key: bool
    takes_feedback: bool


class Starters(BaseModel):
    """Questions to begin with."""

    questions: list[str]


class PageFiles(StaticFiles):
    """The page's scripts and styles; a browser asks each time whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def page_router(settings: ServerSettings, models: tuple[str, ...], index: Index) -> APIRouter:
    """The page at ``/``, its knowledge at ``/info`` and at ``/starters``."""
    router = APIRouter()
    info = ServerInfo(
        version=version("milvus-rag"),
        collection=settings.collection,
        models=list(models),
        default_model=models[0],
        max_question_chars=settings.max_question_chars,
        has_key=settings.server_key is not None,
        takes_feedback=settings.feedback,
    )

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return FileResponse(FOLDER / "index.html", headers=headers)

    @router.get("/info", tags=["server"])
    async def server_info() -> ServerInfo:
        """Version, models to choose from, limits."""
        return info

    @router.get("/starters", tags=["server"])
    async def starters() -> Starters:
        """A few questions that the documents surely have something about."""
        return Starters(questions=starter_questions(await run_in_executor(None, index.chunks, ROWS_READ)))

    return router
