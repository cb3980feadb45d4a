"""The routes below ``/v1``: what `openai`, ChatOpenAI and every client with a base URL talk to."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Path
from langchain_core.runnables import RunnableConfig
from starlette.responses import JSONResponse, Response

from ...chains.rag import RagChain
from ...models.chat import SWITCH
from ..failures import RefusedRequestError
from ..request_record import RequestRecord, current_record
from ..served_runnables import ServedChat
from ..settings import ServerSettings
from ..streams import EventStream
from .answers import (
    DEFAULT_MODEL,
    AnswerMessage,
    Choice,
    Chunks,
    Completion,
    Grounds,
    Model,
    ModelList,
    Usage,
    finish_reason,
)
from .conversation import chain_input
from .errors import OPENAI_ERROR_RESPONSES
from .parameters import model_arguments
from .requests import ChatCall

PREFIX = "/v1"
# Who speaks comes before the search; what fails before the first word is answered by a status.
_HELD = 1
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Completion,
        "description": "The answer; with stream, chat.completion.chunk objects as server-sent events, and [DONE].",
    }
}


def openai_router(chain: RagChain, chat: ServedChat, settings: ServerSettings) -> APIRouter:
    """Routes for a chain: models, and chat completions.

    Args:
        chain: What answers.
        chat: Its chat models.
        settings: The limits.
    """
    router = APIRouter(prefix=PREFIX, tags=["openai"], responses=OPENAI_ERROR_RESPONSES)
    began = int(time.time())
    models = {name: Model(id=name, created=began) for name in (DEFAULT_MODEL, *chat.names)}

    @router.get("/models")
    async def list_models() -> ModelList:
        """The models that a request may name: milvus-rag for the default chat model, and those that are allowed."""
        return ModelList(data=list(models.values()))

    @router.get("/models/{model:path}")
    async def retrieve_model(model: str = Path(examples=[DEFAULT_MODEL])) -> Model:
        """One of them."""
        return _known(model, models)

    @router.post("/chat/completions", responses=_ANSWERS)
    async def create_chat_completion(call: ChatCall) -> Response:
        """Answer the last question of a conversation from the documents."""
        record = current_record.get() or RequestRecord("none")
        name = chat.names[0] if _known(call.model, models).id == DEFAULT_MODEL else call.model
        given = chain_input(call.messages, max_question_chars=settings.max_question_chars)
        record.questions = [given["question"]]
        answering = chat.answering_with(model_arguments(call, name, settings))
        own = chain.model_copy(update={"chat": answering})
        config: RunnableConfig = {"configurable": {SWITCH: name}}
        head: dict[str, Any] = {"id": f"chatcmpl-{record.id}", "created": int(time.time()), "model": call.model}
        if call.stream:
            chunks = Chunks(**head, wants_usage=call.wants_usage)
            return EventStream(_events(own, given, config, chunks, record), held=_HELD, newline="\n")
        output = await own.ainvoke(given, config)  # type: ignore[arg-type]  # a dict that has the keys
        choice = Choice(message=AnswerMessage(content=output["answer"]), finish_reason=finish_reason(record))
        completion = Completion(**head, choices=[choice], usage=Usage.of(record), milvus_rag=Grounds.of(output))
        return JSONResponse(completion.model_dump())

    return router


def _known(name: str, models: Mapping[str, Model]) -> Model:
    if name not in models:
        raise RefusedRequestError(
            404,
            f"The model {name[:100]!r} does not exist on this server. Choose one of: {', '.join(models)}.",
            code="model_not_found",
            param="model",
        )
    return models[name]


async def _events(
    chain: RagChain, given: Any, config: RunnableConfig, chunks: Chunks, record: RequestRecord
) -> AsyncGenerator[dict[str, str]]:
    output: dict[str, Any] = {}
    yield chunks.begin()
    parts: Any = chain.astream(given, config)
    async with aclosing(parts):
        async for part in parts:
            if text := part.get("answer"):
                yield chunks.more(text)
            else:
                output.update(part)
    yield chunks.end(finish_reason(record), Grounds.of(output))
    for event in chunks.after(Usage.of(record)):
        yield event
