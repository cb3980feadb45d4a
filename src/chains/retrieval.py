"""The retriever: dense, full-text or hybrid search; a floor; a reranker; neighbours."""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import run_in_executor
from langchain_core.runnables.utils import AnyConfigurableField, ConfigurableFieldSpec
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, ValidationError

from ..chunk_keys import ONLY_NEAREST_KEY, QUESTION_LANGUAGE_KEY, TERMS_KEY
from ..errors import InputError
from ..language_recognition import foreign_language
from .answerability import LOOKED_AT, Answerability
from .boundary import MAX_K, checked_k, configured, narrowed, per_call_fields, per_call_specs
from .candidates import Fusion, Hits, above, distinct, fuse, with_rerank_score
from .fusion import RRF_K
from .neighbours import Filter, with_neighbours
from .question_errors import question_embedded, question_error
from .scored import as_hit
from .searchable_store import SearchableStore
from .tools import searching_tool

Mode = Literal["dense", "full_text", "hybrid"]

_LEGS: Mapping[Mode, tuple[str, ...]] = {
    "dense": ("dense",),
    "full_text": ("full_text",),
    "hybrid": ("dense", "full_text"),
}
# Hits of each leg before fusion: they cost little, and what one leg ranks low can be lifted by the other.
_FETCH_K = 50
# More than are asked for, where one search is made, to take the places of passages that are found twice.
_SPARE_K = 10
# Passages that a reranker sees: what it reads is what it costs.
_RERANK_K = 20
_PER_CALL = ("filter", "k")


class MilvusRetriever(BaseRetriever):
    """Passages for a question. It is made by `milvus_retriever`, which documents the fields.

    A call may narrow the filter and bring a k of its own: ``retriever.invoke(question, k=5)``; through a whole chain by
    ``config={"configurable": {"filter": {"source": "faq/a.md"}}}``, where the retriever was made to read it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Any
    mode: Mode | None = None
    k: int = 3
    fetch_k: int | None = None
    min_score: float | Literal["auto"] | None = None
    filter: Any = None
    reranker: BaseDocumentCompressor | None = None
    expand: int = 0
    fusion: Fusion = "weighted"
    weights: tuple[float, float] | None = None
    rrf_k: int = RRF_K
    max_k: int | None = None
    # What `config["configurable"]` may bring, and the keys of it that are read around this retriever.
    per_call: dict[str, ConfigurableField] = Field(default_factory=dict)
    foreign: frozenset[str] = frozenset()

    def __init__(self, **fields: Any) -> None:
        """Check the fields here, where LangChain's `configurable_fields` comes by too.

        Raises:
            InputError: One has another type, or is out of its range.
        """
        try:
            super().__init__(**fields)
        except ValidationError as exc:
            wrong = exc.errors()[0]
            raise InputError(f"{wrong['loc'][0]}: {wrong['msg']}, not {wrong['input']!r}.") from exc
        self.check_numbers()

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign a field, if a retriever with it could be made.

        Raises:
            InputError: It could not.
        """
        if name in type(self).model_fields:
            type(self)(**{**self.__dict__, name: value})
        super().__setattr__(name, value)

    def check(self) -> None:
        """Find out whether the numbers make sense and the store has what the mode needs.

        Raises:
            InputError: They do not, or it has not.
        """
        self.check_numbers()
        self._legs()

    def check_numbers(self) -> None:
        """Find out whether the numbers make sense.

        Raises:
            InputError: They do not.
        """
        for name, value, least in (
            ("k", self.k, 1), ("fetch_k", self.fetch_k, 1), ("expand", self.expand, 0), ("rrf_k", self.rrf_k, 1),
            ("max_k", self.max_k, 1),
        ):  # fmt: skip
            if value is not None and value < least:
                raise InputError(f"{name} is at least {least}, not {value}.")
        if self.floor is not None and not -1 <= self.floor <= 1:
            raise InputError(f"min_score is a cosine, from -1 to 1, or 'auto', not {self.floor}.")
        if self.weights is not None and (min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf):
            raise InputError(f"The weights of the two searches are numbers from 0, not both 0, not {self.weights}.")
        if self.max_k is not None and self.k > self.max_k:
            raise InputError(f"k is {self.k}, more than max_k, {self.max_k}, allows.")

    @property
    def floor(self) -> float | None:
        """The least cosine of a passage, where one is given."""
        return None if self.min_score == "auto" else self.min_score

    def _legs(self) -> tuple[str, ...]:
        """The searches to make; what the store has, when no mode is chosen."""
        dense, full_text = self.store.has_dense, self.store.has_full_text
        if self.mode is None:
            legs: tuple[str, ...] = (*(("dense",) if dense else ()), *(("full_text",) if full_text else ()))
            if not legs:
                raise InputError(
                    "The store has neither an embedding nor full-text search, so there is nothing to search by. "
                    "Open it with an embedding, or with full_text=True."
                )
        else:
            legs = _LEGS[self.mode]
        if "dense" in legs and not dense:
            raise InputError(
                f"mode={self.mode!r} needs an embedding, and the store was opened without one. "
                f"Open it with an embedding, or search with mode='full_text'."
            )
        if "full_text" in legs and not full_text:
            raise InputError(
                f"mode={self.mode!r} needs full-text search, which this collection or server has not. "
                f"Search with mode='dense', or index into a new collection on Milvus Lite or Milvus 2.5 and newer."
            )
        if self.floor is not None and "dense" not in legs:
            raise InputError("min_score is a floor on the cosine of vectors; full-text search has none to compare.")
        return legs

    # --- what a call may bring

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The keys of ``config["configurable"]`` that are read; none, unless the retriever was made to."""
        return per_call_specs(self.per_call)

    def configurable_fields(self, **kwargs: AnyConfigurableField) -> RunnableSerializable[str, list[Document]]:
        """LangChain's way to let calls set fields, by keys of their own.

        A filter that comes so narrows the retriever's, and a k is at most `max_k`, as in any call; a list of options
        (`ConfigurableFieldSingleOption`) is the developer's, and takes their place.
        """
        own = {
            name: field for name, field in kwargs.items() if isinstance(field, ConfigurableField) and name in _PER_CALL
        }
        others = {name: field for name, field in kwargs.items() if name not in own}
        foreign = self.foreign | {field.id for field in others.values()}
        opened = self.model_copy(update={"per_call": {**self.per_call, **own}, "foreign": foreign})
        return BaseRetriever.configurable_fields(opened, **others) if others else opened

    def as_tool(
        self, args_schema: Any = None, *, name: str | None = None, description: str | None = None, **kwargs: Any
    ) -> BaseTool:
        """A tool for agents: the passages' texts are what the model reads, the documents are the artifact."""
        if args_schema is not None or kwargs:
            return super().as_tool(args_schema, name=name, description=description, **kwargs)
        return searching_tool(self, name=name, description=description)

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The passages for a question, best first."""
        return super().invoke(input, config, **{**configured(config, self.per_call, self.foreign), **kwargs})

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The passages for a question, best first."""
        return await super().ainvoke(input, config, **{**configured(config, self.per_call, self.foreign), **kwargs})

    # --- the search, sync and async: the same steps, but for the awaits

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, filter: Filter = None
    ) -> list[Document]:
        search = _Search(self, self._legs(), query, k, filter)
        with question_embedded():
            vector = self.store.embedding.embed_query(query) if "dense" in search.legs else None
        documents = search.fused({leg: search.hits(leg, vector) for leg in search.legs}, vector)
        if self.reranker is not None and documents:
            documents = list(self.reranker.compress_documents(documents, query, callbacks=run_manager.get_child()))
        return search.finished(documents)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Filter = None,
    ) -> list[Document]:
        search = _Search(self, await run_in_executor(None, self._legs), query, k, filter)
        with question_embedded():
            vector = await self.store.embedding.aembed_query(query) if "dense" in search.legs else None
        found = await asyncio.gather(*(run_in_executor(None, search.hits, leg, vector) for leg in search.legs))
        documents = search.fused(dict(zip(search.legs, found, strict=True)), vector)
        if self.reranker is not None and documents:
            callbacks = run_manager.get_child()
            documents = list(await self.reranker.acompress_documents(documents, query, callbacks=callbacks))
        reads = self.expand or self.min_score == "auto"
        return await run_in_executor(None, search.finished, documents) if reads else search.finished(documents)


class _Search:
    """One question: the steps between the awaits."""

    def __init__(
        self, retriever: MilvusRetriever, legs: tuple[str, ...], question: str, k: int | None, filter: Filter
    ) -> None:
        if not isinstance(question, str):
            raise InputError(f"The retriever takes a question as text, not {type(question).__name__}.")
        if not question.strip():
            raise question_error("The question is empty.")
        self.k = retriever.k if k is None else checked_k(k, retriever.max_k or max(MAX_K, retriever.k))
        self.legs = legs
        self._retriever = retriever
        self._question = question
        self._filter = narrowed(retriever.filter, filter)
        needs_candidates = len(legs) > 1 or retriever.reranker is not None
        self._limit = max(self.k, retriever.fetch_k or (_FETCH_K if needs_candidates else self.k + _SPARE_K))
        self._decides = retriever.min_score == "auto" and "full_text" in legs
        self._terms: list[list[str]] = []

    def hits(self, leg: str, vector: Sequence[float] | None) -> Hits:
        """What one search finds."""
        store, vectors = self._retriever.store, self._retriever.floor is not None
        if leg == "dense" and vector is not None:
            found: Hits = store.search_dense(vector, self._limit, self._filter, vectors=vectors)
        else:
            beside = {"vectors": vectors, "terms": True} if self._decides else {"vectors": vectors}
            limit = max(self._limit, LOOKED_AT) if self._decides else self._limit
            found = store.search_full_text(self._question, limit, self._filter, **beside)
            # Taken out here: what the searches found may be put together from either.
            self._terms = [document.metadata.pop(TERMS_KEY, "").split() for document, _ in found][:LOOKED_AT]
        return found

    def fused(self, found: Mapping[str, Hits], vector: Sequence[float] | None) -> list[Document]:
        """One list, as long as the next step wants it."""
        retriever = self._retriever
        if retriever.floor is not None and vector is not None:
            found = {leg: above(hits, vector, retriever.floor) for leg, hits in found.items()}
        fused = fuse(
            found, limit=self._limit, fusion=retriever.fusion, weights=retriever.weights, rrf_k=retriever.rrf_k
        )
        documents = distinct(fused)
        return documents[: self.k if retriever.reranker is None else max(self.k, retriever.fetch_k or _RERANK_K)]

    def finished(self, documents: Sequence[Document]) -> list[Document]:
        """The passages."""
        best = list(documents[: self.k])
        if self._retriever.reranker is not None:
            best = [with_rerank_score(document) for document in best]
        passages = with_neighbours(self._retriever.store, best, self._retriever.expand, self._filter)
        if passages and self._decides and self._refuses():
            marks = self._marks(passages)
            passages = [
                Document(passage.page_content, metadata={**passage.metadata, **marks}, id=passage.id)
                for passage in passages
            ]
        return [as_hit(passage) for passage in passages]

    def _marks(self, passages: Sequence[Document]) -> dict[str, Any]:
        """What passages are marked with that do not answer the question."""
        if "dense" in self.legs:
            return {ONLY_NEAREST_KEY: True}
        texts = (passage.page_content for passage in passages)
        language = foreign_language(self._question, texts, language=self._retriever.store.language)
        return {ONLY_NEAREST_KEY: True, **({QUESTION_LANGUAGE_KEY: language} if language else {})}

    def _refuses(self) -> bool:
        """Whether the documents do not answer the question."""
        store = self._retriever.store
        words = store.word_statistics()
        if words is None:
            return False
        decision = Answerability(
            self._question,
            store.question_terms(self._question),
            self._terms,
            language=store.language,
            by_meaning="dense" in self.legs,
        )
        if decision.is_outdated(words):
            words = store.word_statistics(anew=True)
        return words is not None and decision.refuses(words)


def milvus_retriever(
    store: SearchableStore,
    mode: Mode | None = None,
    k: int = 3,
    *,
    fetch_k: int | None = None,
    min_score: float | Literal["auto"] | None = None,
    filter: Filter = None,
    reranker: BaseDocumentCompressor | None = None,
    expand: int = 0,
    fusion: Fusion = "weighted",
    weights: tuple[float, float] | None = None,
    rrf_k: int = RRF_K,
    max_k: int | None = None,
    configurable: Collection[Literal["filter", "k"]] = (),
) -> MilvusRetriever:
    """Make a retriever over a store.

    Every document that it returns carries ``score`` in its metadata, better when higher: the inner product of a dense
    search, BM25's of a full-text search, the fused score of a hybrid search (0 to 1, or RRF's), or the reranker's. A
    hybrid search adds each leg's own: ``dense_score``, ``dense_rank``, ``full_text_score``, ``full_text_rank`` (ranks
    from 1), where the leg found it.

    Args:
        store: What to search, e.g. of `open_store`.
        mode: ``"dense"``, ``"full_text"``, ``"hybrid"``; None for all that the store has.
        k: Passages to return.
        fetch_k: Hits of each leg before fusion, and passages that a reranker reads; by default 50 and 20.
        min_score: Floor on the cosine between question and passage, whichever search found it; what is below takes no
            part in the fusion. When nothing is above it, nothing is returned, and the chain says that the documents do
            not answer. ``"auto"`` takes no passage away, and decides on the whole: where the passages that full-text
            search finds have too little of the question's words, all are marked ``only_nearest`` in the metadata, and
            the chain says the same. It needs full-text search in a collection that this package made; without, and
            among fewer than 50 chunks, nothing is decided.
        filter: Metadata filter of every call. It is a boundary: a call's own filter narrows it further.
        reranker: Reorders the fused hits before the best `k` are taken; see `reranker`.
        expand: Chunks to add before and after each passage, from the same source.
        fusion: How a hybrid search makes one list of two: ``"weighted"`` adds the scores, scaled to 0..1, and lets a
            hit gain from the best other one of its section; ``"rrf"`` is reciprocal rank fusion.
        weights: Of the dense and the full-text search. By default, of ``fusion="weighted"``, each question has its own,
            see `milvus_rag.chains.fusion.weights_by_standout`; of ``"rrf"`` they are equal.
        rrf_k: The constant of reciprocal rank fusion.
        max_k: The most passages that a call may ask for; by default 100, or `k` where that is more.
        configurable: What ``config["configurable"]`` may bring, which reaches the retriever through whole chains, and
            from outside where a chain is served: ``"filter"``, ``"k"`` or both. Nothing by default.

    Raises:
        InputError: The store has no such search, or an argument is out of its range.
    """
    if mode not in (*_LEGS, None):
        raise InputError(f"There is no mode {mode!r}. Use one of: {', '.join(_LEGS)}.")
    if not hasattr(store, "search_full_text"):
        raise InputError(
            f"milvus_retriever searches a MilvusStore, as open_store gives it, not {type(store).__name__}. "
            f"Other vector stores have as_retriever()."
        )
    retriever = MilvusRetriever(
        store=store,
        mode=mode,
        k=k,
        fetch_k=fetch_k,
        min_score=min_score,
        filter=filter,
        reranker=reranker,
        expand=expand,
        fusion=fusion,
        weights=weights,
        rrf_k=rrf_k,
        max_k=max_k,
        per_call=per_call_fields(configurable),
    )
    retriever.check()
    return retriever
