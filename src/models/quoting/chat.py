"""A chat model that quotes: answers from the passages alone, with no language model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from ...errors import InputError
from ...follow_ups import standalone_question
from ...message_keys import STANDALONE_KEY
from .passages import read_enquiry
from .quotation import Meaning, Quotation, quote

NO_ANSWER = "There is no text to quote: the passages are empty."
NO_QUESTION = "There is no question to answer."
INTRODUCTION = "No language model was used: these are the documents' own words that match the question best."
NEAREST = "No language model was used, and no sentence stands out: this is what comes nearest to the question."

# A word with the blanks before it; characters of languages without blanks one at a time.
_TOKEN = re.compile(
    r"\s*(?:[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\s\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+)|\s+"
)
_NAME = {"model_name": "extractive"}


class ExtractiveChatModel(BaseChatModel):
    """A chat model without a model: quotes the sentences that best match the question, word for word.

    It needs no key, no download and no network, and gives the same answer every time. It understands the tutorials'
    prompts and most others, see `milvus_rag.models.quoting.passages.read_enquiry`; passages that come as
    ``additional_kwargs={"documents": [...]}`` of the human message are quoted with their sources. Its usage metadata
    count words, and characters of languages without blanks.

    Attributes:
        max_quotes: How many sentences, list items, table rows or code blocks are chosen for an answer. What belongs to
            a chosen one (the line that introduces a list, the list that a sentence introduces) comes with it.
        language: Whose stop words and stems are used to compare words: a Snowball language, or ``"none"``. A call may
            bring its own: ``model.invoke(messages, language="german")``; and ``max_tokens``, after which it is cut off.
        embedding: Compares sentences with the question by meaning too, the same that found the passages; by words
            alone without one.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    max_quotes: int = Field(default=5, ge=1)
    language: str = "english"
    embedding: Embeddings | None = Field(default=None, exclude=True)

    @property
    def _llm_type(self) -> str:
        return "extractive"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "extractive", "max_quotes": self.max_quotes, "language": self.language}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop, **kwargs)
        params.setdefault("ls_model_name", "extractive")
        return params

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> NoReturn:
        """Refuse: it quotes what it is given, also what tools gave, and calls none.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "The chat model 'local' quotes passages and calls no tools, so no agent can be made of it. rag_chain "
            "answers with it; for an agent name a model that calls tools, such as chat_model('gemini')."
        )

    def with_structured_output(self, schema: Any, **kwargs: Any) -> NoReturn:
        """Refuse: it has no words of its own to put into a structure.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "The chat model 'local' quotes passages, and fills in no structure. Name a model that does, such as "
            "chat_model('gemini')."
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        tokens, facts = _limited(self._answer(messages, stop, **kwargs), **kwargs)
        message = AIMessage("".join(tokens), response_metadata=facts, usage_metadata=_usage(messages, tokens))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        tokens, facts = _limited(self._answer(messages, stop, **kwargs), **kwargs)
        for token in tokens:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=token))
            if run_manager:
                run_manager.on_llm_new_token(token, chunk=chunk)
            yield chunk
        end = AIMessageChunk(content="", response_metadata=facts, usage_metadata=_usage(messages, tokens))
        yield ChatGenerationChunk(message=end)

    def _meaning(self, question: str) -> Meaning | None:
        """How like the question texts are, where an embedding says so."""
        embedding = self.embedding
        if embedding is None:
            return None

        def likeness(texts: Sequence[str]) -> list[float]:
            vectors = np.asarray(embedding.embed_documents(list(texts)), dtype=np.float32)
            asked = np.asarray(embedding.embed_query(question), dtype=np.float32)
            lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(asked)
            cosines = np.divide(vectors @ asked, lengths, out=np.zeros(len(texts)), where=lengths > 0)
            return [float(cosine) for cosine in cosines]

        return likeness

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, language: str = "", **_: Any) -> str:
        if (question := _standalone(messages, language or self.language)) is not None:
            return question
        enquiry = read_enquiry(messages)
        if not enquiry.question:
            return NO_QUESTION
        quotations = quote(
            enquiry.question,
            enquiry.passages,
            max_quotes=self.max_quotes,
            language=language or self.language,
            meaning=self._meaning(enquiry.question),
        )
        quoted = [_as_markdown(quotation, numbered=enquiry.citations) for quotation in quotations]
        introduction = NEAREST if any(quotation.is_nearest for quotation in quotations) else INTRODUCTION
        answer = "\n\n".join([introduction, *quoted]) if quotations else NO_ANSWER
        ends = [position for word in stop or () if word and (position := answer.find(word)) >= 0]
        return answer[: min(ends)] if ends else answer


def _limited(answer: str, max_tokens: int | None = None, **_: Any) -> tuple[list[str], dict[str, Any]]:
    """The tokens of an answer, at most so many, and what is said of it beside."""
    tokens = _TOKEN.findall(answer)
    is_cut_off = max_tokens is not None and len(tokens) > max_tokens
    return tokens[:max_tokens], {**_NAME, "finish_reason": "length" if is_cut_off else "stop"}


def _usage(messages: Sequence[BaseMessage], answer: Sequence[str]) -> UsageMetadata:
    asked = sum(len(_TOKEN.findall(str(message.text))) for message in messages)
    return UsageMetadata(input_tokens=asked, output_tokens=len(answer), total_tokens=asked + len(answer))


def _standalone(messages: Sequence[BaseMessage], language: str) -> str | None:
    """The answer to a request for the question to search for; None where that is not what is asked for."""
    asked = messages[-1].additional_kwargs.get(STANDALONE_KEY) if messages else None
    return standalone_question(asked["question"], asked["earlier"], language) if isinstance(asked, Mapping) else None


def _as_markdown(quotation: Quotation, *, numbered: bool) -> str:
    lines = [f"> {line}".rstrip() for line in quotation.text.split("\n")]
    # A name of a file may hold line breaks: what follows one would stand in the answer as its own words.
    citation = " ".join([*quotation.citation.split(), *([f"[{quotation.number}]"] if numbered else [])])
    return "\n".join([*lines, *([">", f"> — {citation}"] if citation else [])])
