"""What is known of a request while it is answered: for its log line and the metrics."""

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from .failure_kinds import kind_of

# What proxies and clients send as a request id; anything else could forge log lines.
_SOUND_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class RequestRecord:
    """One request.

    Attributes:
        id: The client's ``X-Request-ID``, or one of ours.
        models: Chat models that answered, in the order of their first use.
        tool: The tool that an agent called, if one did.
        tokens_in: Tokens that models read, as they count them; 0 where none does.
        tokens_out: Tokens that they wrote.
        finish_reason: Why the answer ended, in the model's words.
        hits: Passages found, over all questions of a batch; None where nothing was searched.
        questions: The questions.
        error: Class name of what went wrong, empty when nothing did.
        kind: What went wrong, by one of few names, see `kind_of`.
        detail: What went wrong, for the operator.
    """

    id: str
    models: list[str] = field(default_factory=list)
    tool: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    finish_reason: str = ""
    hits: int | None = None
    questions: list[str] = field(default_factory=list)
    error: str = ""
    kind: str = ""
    detail: str = ""

    def note_model(self, name: str) -> None:
        """Remember a chat model that is used."""
        if name not in self.models:
            self.models.append(name)

    def note_tokens(self, read: int, written: int) -> None:
        """Count tokens of a model."""
        self.tokens_in += read
        self.tokens_out += written

    def note_hits(self, count: int) -> None:
        """Count passages that were found."""
        self.hits = count + (self.hits or 0)

    def note_error(self, error: BaseException, detail: str = "") -> None:
        """Remember the first thing that went wrong."""
        if not self.error:
            self.error, self.kind, self.detail = type(error).__name__, kind_of(error), detail


# The request that the running task answers. Tasks and threads that it starts inherit it.
current_record: Final[ContextVar[RequestRecord | None]] = ContextVar("milvus_rag_request", default=None)


def request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """The client's ``X-Request-ID`` where it is short and plain, else a new id."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if _SOUND_ID.fullmatch(given) else uuid.uuid4().hex
