"""One turn of a conversation: all that a chain does between its calls of the retriever and of the model."""

from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, Field

from ..chunk_keys import are_only_nearest, other_language_note
from ..errors import InputError
from ..language_recognition import language_beside
from . import rewriting
from .citation_filter import CitationFilter
from .citations import citations_of
from .conversation import HISTORY_CHARS, HISTORY_TURNS, Conversation, read_conversation
from .prompts import SYSTEM_PROMPT, USER_PROMPT, rag_messages

NO_CONTEXT_ANSWER = "The documents do not answer this question."


class TurnOptions(BaseModel):
    """What is the same in all turns; documented at `milvus_rag.chains.rag.rag_chain`."""

    system_prompt: str = SYSTEM_PROMPT
    user_prompt: str = USER_PROMPT
    no_context_answer: str = NO_CONTEXT_ANSWER
    citations: bool = False
    follow_ups: Literal["model", "words"] = "model"
    history_turns: int = Field(default=HISTORY_TURNS, ge=0)
    history_chars: int = Field(default=HISTORY_CHARS, ge=0)


class Turn:
    """A question on its way to an answer.

    Args:
        given: What the chain was given, see `read_conversation`.
        options: What is the same in all turns.
        language: That of the passages and questions.

    Attributes:
        search_question: What is searched for; the question, until `search_for` was called.
        calls_for_rewriting: Whether the model is to be asked for the question to search for.

    Raises:
        InputError: See `read_conversation`.
    """

    def __init__(self, given: Any, options: TurnOptions, language: str) -> None:
        self._conversation: Conversation = read_conversation(
            given, max_turns=options.history_turns, max_chars=options.history_chars
        )
        self._options = options
        self._language = language
        self._filter: CitationFilter | None = None
        self._context: Sequence[Document] = ()
        self._answer: list[str] = []
        self.search_question = self.question
        self.calls_for_rewriting = self.has_history and options.follow_ups == "model"

    @property
    def question(self) -> str:
        """What was asked."""
        return self._conversation.question

    @property
    def has_history(self) -> bool:
        """Whether anything was said before."""
        return bool(self._conversation.history)

    def rewriting_messages(self) -> list[BaseMessage]:
        """The request for the question to search for."""
        return rewriting.rewriting_messages(self._conversation)

    def search_for(self, written: str | Exception | None) -> str:
        """Settle what is searched for.

        Args:
            written: What the model answered to `rewriting_messages`, or what it failed with; None if it was not asked.
        """
        conversation, language = self._conversation, self._language
        if isinstance(written, str) and (question := rewriting.rewritten(written, conversation)) is not None:
            self.search_question = question
        elif written is not None:
            reason = written if isinstance(written, Exception) else "its answer is no question"
            self.search_question = rewriting.after_failure(reason, conversation, language)
        elif self.has_history:
            self.search_question = rewriting.by_words(conversation, language)
        return self.search_question

    @property
    def searched(self) -> dict[str, str]:
        """The output's part that says what was searched for; empty without a history."""
        return {"search_question": self.search_question} if self.has_history else {}

    @staticmethod
    def is_answered_by(context: Sequence[Document]) -> bool:
        """Whether the model is asked: the retriever found passages, and did not mark them as the nearest only."""
        return bool(context) and not are_only_nearest(document.metadata for document in context)

    def no_answer(self, context: Sequence[Document]) -> str:
        """What is said in place of an answer; the default says it too where the question is in another language."""
        answer = self._options.no_context_answer
        if answer != NO_CONTEXT_ANSWER:
            return answer
        note = other_language_note(document.metadata for document in context)
        if not context and (language := language_beside(self.search_question, self._language)):
            note = (
                f"It seems to be in {language}: ask in the language of the documents, or search by meaning, with an "
                f"embedding that knows both."
            )
        return f"{answer} {note}".rstrip()

    def messages(self, context: Sequence[Document]) -> list[BaseMessage]:
        """The request for the answer."""
        self._context = context
        self._filter = CitationFilter(len(context)) if self._options.citations else None
        return rag_messages(
            self.question,
            context,
            system_prompt=self._options.system_prompt,
            user_prompt=self._options.user_prompt,
            history=self._conversation.history,
            instructions=self._conversation.instructions,
            search_question=self.search_question if self.has_history else None,
            citations=self._options.citations,
        )

    def shown(self, text: str) -> str:
        """What can be shown of the answer when more of it has come."""
        shown = self._filter.feed(text) if self._filter else text
        self._answer.append(shown)
        return shown

    def rest(self) -> str:
        """What can be shown when all of it has come."""
        shown = self._filter.finish() if self._filter else ""
        self._answer.append(shown)
        return shown

    def check_needs_no_text(self, answer: Any) -> None:
        """Raise an `InputError` where citations are wanted of an answer that is a structure."""
        if self._options.citations:
            raise InputError(
                f"The chat model answers {type(answer).__name__}, and citations are of a text. Make the chain without "
                f"citations=True, or the model without a schema."
            )

    @property
    def cited(self) -> dict[str, Any]:
        """The output's part with the citations; empty where none were asked for."""
        if not self._options.citations:
            return {}
        return {"citations": citations_of("".join(self._answer), self._context, language=self._language)}
