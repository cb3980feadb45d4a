"""Embedding models against servers that speak the providers' wire formats."""

import asyncio
import logging
import math
import traceback
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from milvus_rag.errors import (
    AuthenticationError,
    InputError,
    InputTooLargeError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.local.embeddings import LocalEmbeddings
from milvus_rag.models.providers.table import RetiredModelWarning
from support.backends import Backend, embed
from support.embedding import hashed_words
from support.faults import Fault, broken, failing, no_such_model, rate_limited, refused, too_large, unauthorized
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer
from support.tiny_onnx import make_dense_model

TEXTS = ["Milvus stores data", "in object storage", "and metadata in etcd"]
SYNC_AND_ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def close(vector: list[float], expected: list[float]) -> bool:
    return math.dist(vector, expected) < 1e-6


class TestWhatIsSent:
    @SYNC_AND_ASYNC
    def test_vectors_come_in_order_normalised(self, backend: Backend, is_async: bool) -> None:
        embeddings = backend.embeddings(query_prefix="", document_prefix="")
        vectors = embed(embeddings, TEXTS, is_async=is_async)
        assert all(close(vector, hashed_words(text, 768)) for vector, text in zip(vectors, TEXTS, strict=True))

    @SYNC_AND_ASYNC
    def test_fireworks_the_tutorials_model_with_its_prefixes(self, openai_server: OpenAIServer, is_async: bool) -> None:
        embeddings = Backend("fireworks", openai_server).embeddings("nomic-ai/nomic-embed-text-v1.5")
        embed(embeddings, TEXTS, is_async=is_async)
        query = asyncio.run(embeddings.aembed_query("where?")) if is_async else embeddings.embed_query("where?")
        assert close(query, hashed_words("search_query: where?", 768))
        documents, question = openai_server.requests
        assert documents.path == "/v1/embeddings"
        assert documents.headers["Authorization"] == f"Bearer {openai_server.key}"
        assert documents.body["model"] == "nomic-ai/nomic-embed-text-v1.5"
        assert documents.body["input"] == [f"search_document: {text}" for text in TEXTS]
        assert "dimensions" not in documents.body
        assert question.body["input"] == ["search_query: where?"]

    @SYNC_AND_ASYNC
    def test_gemini_the_tutorials_model(self, gemini_server: GeminiServer, is_async: bool) -> None:
        embeddings = Backend("gemini", gemini_server).embeddings("text-embedding-004", dimension=768)
        embed(embeddings, TEXTS, is_async=is_async)
        [request] = gemini_server.requests
        assert request.path == "/v1beta/models/text-embedding-004:batchEmbedContents"
        assert request.headers["x-goog-api-key"] == gemini_server.key
        sent = [entry["content"]["parts"] for entry in request.body["requests"]]
        assert sent == [[{"text": text}] for text in TEXTS]

    @SYNC_AND_ASYNC
    def test_gemini_the_living_model_with_its_prefixes_and_dimension(
        self, gemini_server: GeminiServer, is_async: bool
    ) -> None:
        embeddings = Backend("gemini", gemini_server).embeddings()
        embed(embeddings, TEXTS, is_async=is_async)
        query = asyncio.run(embeddings.aembed_query("where?")) if is_async else embeddings.embed_query("where?")
        assert close(query, hashed_words("task: search result | query: where?", 768))
        documents, question = (request.body["requests"] for request in gemini_server.requests)
        assert gemini_server.requests[0].path == "/v1beta/models/gemini-embedding-2:batchEmbedContents"
        assert {entry["outputDimensionality"] for entry in documents + question} == {768}
        assert [entry["content"]["parts"][0]["text"] for entry in documents] == [
            f"title: none | text: {text}" for text in TEXTS
        ]
        assert question[0]["content"]["parts"] == [{"text": "task: search result | query: where?"}]

    @pytest.mark.parametrize("encoding", ["float", "base64"])
    def test_openai_both_encodings_give_the_same_vectors(self, openai_server: OpenAIServer, encoding: str) -> None:
        options = {"model_kwargs": {"encoding_format": encoding}} if encoding == "float" else {}
        embeddings = Backend("openai", openai_server).embeddings(**options)
        vectors = embeddings.embed_documents(TEXTS)
        assert openai_server.requests[0].body["encoding_format"] == encoding
        assert all(close(vector, hashed_words(text, 768)) for vector, text in zip(vectors, TEXTS, strict=True))

    def test_openai_texts_are_sent_not_token_ids(self, openai_server: OpenAIServer) -> None:
        Backend("openai", openai_server).embeddings("text-embedding-3-small").embed_query("hello")
        assert openai_server.requests[0].body["input"] == ["hello"]

    def test_a_dimension_is_asked_for_where_it_is_given(self, backend: Backend) -> None:
        vectors = backend.embeddings(dimension=64).embed_documents(TEXTS)
        assert {len(vector) for vector in vectors} == {64}

    @SYNC_AND_ASYNC
    def test_many_texts_go_in_batches_under_the_limit(self, backend: Backend, is_async: bool) -> None:
        embeddings = backend.embeddings()
        texts = [f"text {number}" for number in range(2 * embeddings.max_batch + 1)]
        assert len(embed(embeddings, texts, is_async=is_async)) == len(texts)
        sent = [len(r.body.get("input") or r.body["requests"]) for r in backend.server.requests]
        assert sent == [embeddings.max_batch, embeddings.max_batch, 1]

    def test_long_texts_go_in_smaller_batches(self, backend: Backend) -> None:
        embeddings = backend.embeddings(max_batch_chars=100)
        embeddings.embed_documents(["x" * 40] * 5)
        assert [len(r.body.get("input") or r.body["requests"]) for r in backend.server.requests] == [2, 2, 1]

    def test_geminis_client_sends_a_batch_of_ours_as_one_request(self, gemini_server: GeminiServer) -> None:
        """It cuts batches again, by an estimate of tokens: ours must stay below."""
        embeddings = Backend("gemini", gemini_server).embeddings()
        prose = "How does Milvus store data, and where? In object storage such as MinIO; metadata goes to etcd. " * 8
        texts = [prose] * (embeddings.max_batch_chars // len(prose))
        embeddings.embed_documents(texts)
        assert len(gemini_server.requests) == 1

    def test_no_texts_no_request(self, backend: Backend) -> None:
        assert backend.embeddings().embed_documents([]) == []
        assert backend.server.requests == []

    def test_one_object_works_in_one_event_loop_after_another(self, backend: Backend) -> None:
        embeddings = backend.embeddings()
        assert len({tuple(asyncio.run(embeddings.aembed_query("x"))) for _ in range(3)}) == 1


class TestFailures:
    @SYNC_AND_ASYNC
    @pytest.mark.parametrize(
        "fault",
        [rate_limited(), rate_limited(0), failing(500), failing(503), broken("reset"), broken("reset mid-answer")],
        ids=lambda fault: f"{fault.kind} {fault.status} {fault.headers}",
    )
    def test_what_may_pass_is_repeated(self, backend: Backend, fault: Fault, is_async: bool) -> None:
        backend.server.fail(fault, times=2)
        assert len(embed(backend.embeddings(), TEXTS, is_async=is_async)) == 3
        assert len(backend.server.requests) == 3

    @SYNC_AND_ASYNC
    @pytest.mark.parametrize(
        ("fault", "kind", "requests"),
        [
            (rate_limited(), RateLimitError, 3),
            (failing(500), ProviderUnavailableError, 3),
            (failing(503), ProviderUnavailableError, 3),
            (broken("reset"), ProviderUnavailableError, 3),
            (unauthorized(), AuthenticationError, 1),
            (no_such_model(), ModelNotFoundError, 1),
            (too_large(), InputTooLargeError, 1),
            (too_large(400, "at most 100 requests can be in one batch"), InputTooLargeError, 1),
            (refused(), ModelError, 1),
            (broken("garbled"), ModelResponseError, 1),
            (broken("web page"), ModelResponseError, 1),
            (broken("wrong shape"), ModelResponseError, 1),
            (broken("wrong dimension"), ModelResponseError, 1),
            (broken("mixed dimensions"), ModelResponseError, 1),
            (broken("fewer vectors"), ModelResponseError, 1),
            (broken("not a number"), ModelResponseError, 1),
            (broken("zero vector"), ModelResponseError, 1),
        ],
        ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
    )
    def test_what_does_not_pass_is_one_clear_error(
        self, backend: Backend, fault: Fault, kind: type[ModelError], requests: int, is_async: bool
    ) -> None:
        backend.server.fail_always(fault)
        with pytest.raises(kind) as caught:
            embed(backend.embeddings(), TEXTS, is_async=is_async)
        assert type(caught.value) is kind
        assert fault.kind != "status" or fault.message.rstrip(".") in str(caught.value)
        assert len(backend.server.requests) == requests

    @SYNC_AND_ASYNC
    def test_a_server_that_hangs_is_given_up(self, backend: Backend, is_async: bool) -> None:
        backend.server.fail(broken("hang"))
        with pytest.raises(ModelTimeoutError):
            embed(backend.embeddings(timeout=0.2), TEXTS, is_async=is_async)

    @SYNC_AND_ASYNC
    def test_one_bad_batch_of_many_gives_no_vectors_at_all(self, backend: Backend, is_async: bool) -> None:
        embeddings = backend.embeddings(max_batch=1)
        embed(embeddings, TEXTS[:2], is_async=is_async)
        backend.server.fail(broken("not a number"))
        with pytest.raises(ModelResponseError):
            embed(embeddings, TEXTS, is_async=is_async)

    @SYNC_AND_ASYNC
    @pytest.mark.parametrize("fault", [broken("shuffled"), broken("unnumbered")], ids=lambda fault: fault.kind)
    def test_openai_vectors_come_by_their_number_or_else_in_order(
        self, openai_server: OpenAIServer, fault: Fault, is_async: bool
    ) -> None:
        embeddings = Backend("openai", openai_server).embeddings()
        openai_server.fail(fault)
        vectors = embed(embeddings, TEXTS, is_async=is_async)
        assert all(close(vector, hashed_words(text, 768)) for vector, text in zip(vectors, TEXTS, strict=True))

    def test_a_dimension_that_changes_is_an_error(self, openai_server: OpenAIServer) -> None:
        """Where the table does not tell it, the first answer does."""
        embeddings = Backend("openai", openai_server).embeddings()
        embeddings.embed_query("learn")
        openai_server.dimension = 32
        with pytest.raises(ModelResponseError, match="32 values where 768 are expected"):
            embeddings.embed_query("again")

    @SYNC_AND_ASYNC
    def test_retry_after_is_honoured(self, backend: Backend, waits: list[float], is_async: bool) -> None:
        backend.server.fail(rate_limited(9))
        backend.server.fail(failing(503, retry_after=4))
        assert len(embed(backend.embeddings(), TEXTS, is_async=is_async)) == 3
        assert waits == [9.0, 4.0]

    def test_geminis_retry_info_is_honoured(self, gemini_server: GeminiServer, waits: list[float]) -> None:
        gemini_server.fail(rate_limited(retry_delay=13))
        Backend("gemini", gemini_server).embeddings().embed_query("x")
        assert waits == [13.0]

    def test_the_key_appears_nowhere(self, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
        key = backend.server.key
        assert key
        embeddings = backend.embeddings()
        backend.server.fail(unauthorized(f"Incorrect API key provided: {key}."))
        with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError) as caught:
            embeddings.embed_query("x")
        shown = "".join(traceback.format_exception(caught.value))
        assert "provided: ***" in shown
        assert key not in f"{shown} {caplog.text} {embeddings!r} {vars(embeddings)}"


class TestForAnIndexer:
    @SYNC_AND_ASYNC
    def test_without_retries_calls_once_and_tells_how_long_to_wait(self, backend: Backend, is_async: bool) -> None:
        backend.server.fail_always(rate_limited(5))
        with pytest.raises(RateLimitError) as caught:
            embed(backend.embeddings().without_retries(), TEXTS, is_async=is_async)
        assert caught.value.retry_after == 5
        assert len(backend.server.requests) == 1

    def test_no_retries_can_be_asked_for_at_once(self, backend: Backend) -> None:
        backend.server.fail_always(failing(503, retry_after=5))
        with pytest.raises(ProviderUnavailableError) as caught:
            backend.embeddings(max_retries=0).embed_query("x")
        assert caught.value.retry_after == 5
        assert len(backend.server.requests) == 1

    def test_without_retries_is_the_same_embedding(self, backend: Backend) -> None:
        embeddings = backend.embeddings(max_batch=7, max_batch_chars=70)
        once = embeddings.without_retries()
        assert once.fingerprint == embeddings.fingerprint
        assert (once.max_batch, once.max_batch_chars) == (7, 70)
        assert once.embed_query("x") == embeddings.embed_query("x")

    def test_limits_come_from_the_table(self, gemini_server: GeminiServer) -> None:
        assert Backend("gemini", gemini_server).embeddings().max_batch == 100

    def test_the_fingerprint_says_what_makes_vectors_comparable(self, gemini_server: GeminiServer) -> None:
        assert Backend("gemini", gemini_server).embeddings().fingerprint == {
            "provider": "gemini",
            "model": "gemini-embedding-2",
            "dimension": 768,
            "query_prefix": "task: search result | query: ",
            "document_prefix": "title: none | text: ",
            "normalised": True,
        }

    def test_a_dimension_that_is_not_known_is_learned(self, openai_server: OpenAIServer) -> None:
        embeddings = Backend("openai", openai_server).embeddings()
        assert embeddings.fingerprint["dimension"] is None
        embeddings.embed_query("x")
        assert embeddings.fingerprint["dimension"] == 768


class TestSpecs:
    def test_an_object_comes_back_as_it_is(self) -> None:
        class Mine(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return [[1.0] for _ in texts]

            def embed_query(self, text: str) -> list[float]:
                return [1.0]

        mine = Mine()
        assert embedding_model(mine) is mine

    def test_a_model_of_leptons_is_refused_since_it_embeds_on_this_machine(self) -> None:
        with pytest.raises(InputError, match="local:all-MiniLM-L6-v2"):
            embedding_model("lepton:mistral-7b")

    def test_local_takes_a_folder(self, tmp_path: Path) -> None:
        folder = make_dense_model(tmp_path / "tiny", dimension=16)
        embeddings = embedding_model(f"local:{folder}", document_prefix="milvus ")
        assert isinstance(embeddings, LocalEmbeddings)
        assert embeddings.fingerprint["document_prefix"] == "milvus "
        assert len(embeddings.embed_query("data")) == 16

    def test_lepton_embeds_with_the_local_default(self) -> None:
        lepton, local = embedding_model("lepton"), embedding_model("local")
        assert isinstance(lepton, LocalEmbeddings)
        assert isinstance(local, LocalEmbeddings)
        assert lepton.model == local.model == "all-MiniLM-L6-v2"

    @pytest.mark.parametrize("arguments", [{"dimension": 64}, {"normalise": False}])
    def test_local_vectors_are_what_they_are(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="dimension of its own"):
            embedding_model("local", **arguments)

    @pytest.mark.parametrize("name", ["dimension", "max_batch", "max_batch_chars"])
    def test_sizes_must_be_positive(self, name: str) -> None:
        with pytest.raises(InputError, match=name):
            embedding_model("gemini", api_key="k", **{name: 0})

    def test_a_retired_model_is_warned_of_before_the_request(self) -> None:
        with pytest.warns(RetiredModelWarning, match=r"2026-01-14.*gemini-embedding-2") as warned:
            embedding_model("gemini:text-embedding-004", api_key="k")
        assert warned[0].filename == __file__
