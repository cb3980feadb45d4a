"""A program that uses every public name, as somebody writes it who runs a type checker; it is checked, and not run."""

from collections.abc import AsyncIterator
from typing import assert_type

from langchain.agents import create_agent
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, Runnable, RunnableLambda
from langchain_core.structured_query import StructuredQuery, Visitor
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel

from milvus_rag import (
    SYSTEM_PROMPT,
    USER_PROMPT,
    CopyReport,
    ExtractiveChatModel,
    FilterTranslator,
    LocalEmbeddings,
    MarkdownLoader,
    MarkdownSplitter,
    MarkerSplitter,
    MilvusRagError,
    MilvusStore,
    PymilvusEmbeddings,
    PymilvusReranker,
    PymilvusSparseEmbeddings,
    RagInput,
    RagOutput,
    RagPart,
    Settings,
    SiteLoader,
    SyncReport,
    __version__,
    async_sync,
    chat_model,
    copy_collection,
    create_app,
    embedding_model,
    milvus_retriever,
    open_store,
    prune,
    rag_chain,
    reranker,
    swappable_chat_model,
    sync,
    sync_on_ray,
)


class Opinion(BaseModel):
    good: bool


def stores() -> MilvusStore:
    embedding = embedding_model("openai")
    assert_type(embedding, Embeddings)
    own: list[Embeddings] = [LocalEmbeddings("model"), PymilvusEmbeddings("model")]
    with open_store("notes.db", embedding=own[0], sparse_embedding=PymilvusSparseEmbeddings()) as store:
        assert_type(store, MilvusStore)
        general: VectorStore = store
        store.warm_up()
        assert_type(store.add_documents([Document("tea")]), list[str])
        assert_type(general.similarity_search("tea"), list[Document])
    return open_store("notes.db", embedding=embedding)


def indexed(store: MilvusStore) -> int:
    loader = MarkdownLoader("notes", glob="**/*.md")
    assert_type(SiteLoader("https://docs.example.org/").load(), list[Document])
    documents: list[Document] = loader.load()
    pieces: list[Document] = MarkerSplitter().split_documents(documents)
    report = sync(loader, MarkdownSplitter(), store)
    assert_type(report, SyncReport)
    parts = [sync(loader, MarkdownSplitter(), store, shard=(number, 2), prune=False) for number in (1, 2)]
    assert_type(SyncReport.merged([*parts, prune(loader, store)]), SyncReport)
    assert_type(sync_on_ray(loader, MarkdownSplitter(), store, workers=2), SyncReport)
    return report.added + len(pieces)


async def indexed_later(store: MilvusStore) -> None:
    assert_type(await async_sync(MarkdownLoader("notes"), MarkdownSplitter(), store), SyncReport)


def copied(store: MilvusStore) -> int:
    report = copy_collection(store, open_store("copy.db"))
    assert_type(report, CopyReport)
    return report.rows


def retrieved(store: MilvusStore) -> list[Document]:
    compressor: BaseDocumentCompressor = reranker("jina")
    compressors: list[BaseDocumentCompressor] = [compressor, PymilvusReranker(function=None)]
    translator: Visitor = FilterTranslator()
    translator.visit_structured_query(StructuredQuery(query="tea", filter=None))
    retriever: BaseRetriever = milvus_retriever(store, mode="hybrid", k=3, reranker=compressors[0])
    return retriever.invoke("tea", k=2)


def models() -> list[BaseChatModel]:
    switch = swappable_chat_model("gemini", "openai", default="openai")
    assert_type(switch, BaseChatModel)
    assert_type(chat_model("gemini", temperature=0.0), BaseChatModel)
    quoting = ExtractiveChatModel(language="english")
    assert_type(quoting.invoke("tea").text.upper(), str)
    return [switch, quoting]


def agent(store: MilvusStore) -> None:
    switch = swappable_chat_model("gemini", "openai")
    search = create_retriever_tool(milvus_retriever(store), "notes", "The notes.")
    assert_type(switch.bind_tools([search]).invoke("tea").tool_calls[0]["name"], str)
    opinion = switch.with_structured_output(Opinion)
    opinion.invoke("Is tea good?")
    create_agent(switch, [search]).invoke({"messages": [{"role": "user", "content": "tea?"}]})


def answered(store: MilvusStore) -> str:
    chain = rag_chain(
        milvus_retriever(store), swappable_chat_model("gemini"), system_prompt=SYSTEM_PROMPT, user_prompt=USER_PROMPT
    )
    given: RagInput = {"question": "tea?"}
    output = chain.invoke(given)
    assert_type(output, RagOutput)
    assert_type(output["context"], list[Document])
    said = ""
    for part in chain.stream("tea?"):
        assert_type(part, RagPart)
        said += part.get("answer", "")
    chain.configurable_alternatives(ConfigurableField(id="chain"), other=chain)
    before: Runnable[str, str] = RunnableLambda(str.strip)
    after: Runnable[RagOutput, str] = RunnableLambda(answer_of)
    return said + (before | chain | after | StrOutputParser()).invoke("tea?")


def answer_of(output: RagOutput) -> str:
    return output["answer"]


async def answered_later(store: MilvusStore) -> AsyncIterator[str]:
    chain = rag_chain(milvus_retriever(store), chat_model("local"))
    async for part in chain.astream({"question": "tea?", "chat_history": [("human", "Hello.")]}):
        yield part.get("answer", "")
    assert_type((await chain.ainvoke("tea?"))["answer"], str)


def served() -> str:
    try:
        return str(create_app(Settings()).title)
    except MilvusRagError as exc:
        return __version__ + str(exc)
