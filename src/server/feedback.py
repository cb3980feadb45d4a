"""What readers say of answers, as log lines: only where the operator asks for it."""

import logging
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from .failures import ERROR_RESPONSES

logger = logging.getLogger("milvus_rag.server")


class Feedback(BaseModel):
    """What a reader says of an answer.

    Attributes:
        request_id: The answer's ``X-Request-ID``, under which the log has the rest.
        helpful: Whether it helped.
    """

    model_config = ConfigDict(extra="forbid")

    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    helpful: bool


def feedback_router() -> APIRouter:
    """Takes readers' word at ``/feedback``."""
    router = APIRouter(tags=["server"], responses=ERROR_RESPONSES)

    @router.post("/feedback", status_code=204)
    async def feedback(given: Feedback) -> Response:
        """Write into the log whether an answer helped."""
        word = "helpful" if given.helpful else "not helpful"
        fields = {"answer": given.request_id, "helpful": given.helpful}
        logger.info("An answer was %s.", word, extra={"fields": fields})
        return Response(status_code=204)

    return router
