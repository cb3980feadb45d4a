"""Chat and embeddings of real small models behind real servers: what stand-ins may have wrong."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from langchain_core.documents import Document
from pydantic import BaseModel

from milvus_rag import open_store, sync
from milvus_rag.configured_store import build_store
from milvus_rag.errors import InputTooLargeError, ModelNotFoundError, ModelResponseError
from milvus_rag.loaders.splitters import MarkdownSplitter
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.pipeline import build_chain, build_index
from milvus_rag.settings import Settings
from support.syncing import rows_of

pytestmark = [pytest.mark.real, pytest.mark.slow]

PROMPT = "The capital of France is"
LONG = "one two three four five six seven eight nine ten " * 10
PAGES = {
    "ko.md": ("# 저장\n밀버스는 데이터를 객체 저장소에 저장합니다.\n", "데이터는 어디에 저장됩니까?"),
    "zh.md": ("# 安装\n可以用 Docker 安装 Milvus 服务器。\n", "怎样安装服务器?"),
    "es.md": ("# Índices\nUn índice acelera la búsqueda de vectores.\n", "¿Para qué sirve un índice?"),
}


class Colour(BaseModel):
    """A colour."""

    name: Literal["red", "blue"]


def chat(url: str, **options: Any) -> Any:
    return chat_model("openai:gemma", base_url=url, timeout=120, **{"max_tokens": 6, "temperature": 0, **options})


class TestChat:
    def test_answers(self, llm_url: str) -> None:
        message = chat(llm_url).invoke(PROMPT)
        assert message.text
        assert message.usage_metadata["output_tokens"] <= 6
        assert message.response_metadata["finish_reason"] in ("stop", "length")

    def test_streams_what_it_answers(self, llm_url: str) -> None:
        chunks = list(chat(llm_url, seed=1).stream(PROMPT))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert sum(bool(chunk.text) for chunk in chunks) > 1
        assert whole.text == chat(llm_url, seed=1).invoke(PROMPT).text
        assert whole.usage_metadata["total_tokens"] > whole.usage_metadata["output_tokens"] > 0

    def test_streams_async(self, llm_url: str) -> None:
        async def pieces() -> str:
            return "".join([chunk.text async for chunk in chat(llm_url).astream(PROMPT)])

        assert asyncio.run(pieces())

    def test_answers_several_at_once(self, llm_url: str) -> None:
        assert all(message.text for message in chat(llm_url).batch([PROMPT, "Two plus two is"]))

    def test_stops_where_it_is_told(self, llm_url: str) -> None:
        said = chat(llm_url, max_tokens=12).bind(stop=[" "]).invoke("Repeat after me: one two three. One")
        assert " " not in said.text.strip()

    def test_gives_an_answer_a_structure(self, llm_url: str) -> None:
        made = chat(llm_url, max_tokens=40).with_structured_output(Colour, method="json_schema")
        assert made.invoke("The sky is blue. Answer in JSON.").name in ("red", "blue")

    def test_says_that_a_prompt_is_too_long(self, llm_url: str) -> None:
        with pytest.raises(InputTooLargeError, match="context"):
            chat(llm_url).invoke(LONG * 20)

    def test_comes_to_an_end_where_it_goes_in_circles(self, llm_url: str) -> None:
        with pytest.raises(ModelResponseError, match=r"max_tokens= \(--max-tokens\)"):
            chat(llm_url, accept_cut_off=False).invoke(PROMPT)

    def test_at_a_wrong_address_says_which_is_right(self, llm_url: str) -> None:
        with pytest.raises(ModelNotFoundError, match="Is its base URL right"):
            chat(llm_url.removesuffix("/v1") + "/nowhere").invoke(PROMPT)


class TestEmbeddings:
    def test_are_the_same_in_each_format(self, e5_url: str) -> None:
        texts = ["data is stored", "저장"]
        options = {"base_url": e5_url, "query_prefix": "", "document_prefix": ""}
        encoded = embedding_model("openai:e5-passage", **options).embed_documents(texts)
        plain = embedding_model("openai:e5-passage", model_kwargs={"encoding_format": "float"}, **options)
        assert np.allclose(encoded, plain.embed_documents(texts), atol=1e-6)

    @pytest.mark.parametrize("page", PAGES)
    def test_find_a_page_in_its_language(self, page: str, e5_url: str, tmp_path: Path) -> None:
        docs = tmp_path / "docs"
        docs.mkdir()
        for name, (text, _) in PAGES.items():
            (docs / name).write_text(text, "utf-8")
        settings = Settings(
            uri=str(tmp_path / "m.db"), embeddings="openai:e5-passage", embeddings_url=e5_url, mode="dense", k=1
        )
        build_index(settings, [str(docs)])
        with build_store(settings) as store:
            [hit] = store.similarity_search(PAGES[page][1], k=1)
        assert hit.metadata["source"] == page

    def test_that_are_too_long_for_the_server_cost_only_themselves(self, small_batch_url: str, tmp_path: Path) -> None:
        embedding = embedding_model("openai:gemma", base_url=small_batch_url)
        with pytest.raises(InputTooLargeError, match="physical batch size"):
            embedding.embed_documents([LONG])

        class Pages:
            def lazy_load(self) -> Any:
                yield from (
                    Document(text, metadata={"source": f"{n}.md"}) for n, text in enumerate(("one", LONG, "two"))
                )

        with open_store(str(tmp_path / "s.db"), embedding=embedding) as store:
            report = sync(Pages(), MarkdownSplitter(chunk_size=2000), store)  # type: ignore[arg-type]  # a loader of one method
            assert len(report.failed) == 1
            assert {text for text, _, _ in rows_of(store).values()} == {"one", "two"}


def test_a_chain_asks_two_servers(llm_url: str, e5_url: str, tmp_path: Path) -> None:
    (tmp_path / "es.md").write_text(PAGES["es.md"][0], "utf-8")
    settings = Settings(
        uri=str(tmp_path / "m.db"),
        llm="openai:gemma",
        llm_url=llm_url,
        embeddings="openai:e5-passage",
        embeddings_url=e5_url,
        max_tokens=6,
        model_timeout=300,
    )
    build_index(settings, [str(tmp_path / "es.md")])
    with build_store(settings) as store:
        result = build_chain(settings, store).invoke("índice")
    assert result["answer"]
    assert result["context"][0].metadata["source"] == "es.md"
