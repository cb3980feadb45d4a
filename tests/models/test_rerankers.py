"""Rerankers: Jina's over HTTP, a cross-encoder on this machine, and what both share."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import reranker
from milvus_rag.errors import (
    AuthenticationError,
    InputError,
    InputTooLargeError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    UnknownProviderError,
)
from milvus_rag.models.local.cross_encoder import CrossEncoderScorer
from milvus_rag.models.reranking import Reranker
from support.faults import Fault, broken, failing, no_such_model, rate_limited, too_large, unauthorized
from support.jina_server import JinaServer
from support.tiny_onnx import make_cross_encoder

# The blog post's example: its question, its documents, and the scores that it shows.
BLOG_QUERY = "What event in 1956 marked the official birth of artificial intelligence as a discipline?"
BLOG_DOCUMENTS = [
    "In 1950, Alan Turing published his seminal paper, 'Computing Machinery and Intelligence,' proposing the Turing "
    "Test as a criterion of intelligence, a foundational concept in the philosophy and development of artificial "
    "intelligence.",
    "The Dartmouth Conference in 1956 is considered the birthplace of artificial intelligence as a field; here, John "
    "McCarthy and others coined the term 'artificial intelligence' and laid out its basic goals.",
    "In 1951, British mathematician and computer scientist Alan Turing also developed the first program designed to "
    "play chess, demonstrating an early example of AI in game strategy.",
    "The invention of the Logic Theorist by Allen Newell, Herbert A. Simon, and Cliff Shaw in 1955 marked the creation "
    "of the first true AI program, which was capable of solving logic problems, akin to proving mathematical theorems.",
]
BLOG_SCORES = [0.349866, 0.937096, 0.272896, 0.354210]


def blog_score(query: str, text: str) -> float:
    """Jina's answers as the post shows them."""
    assert query == BLOG_QUERY
    return BLOG_SCORES[BLOG_DOCUMENTS.index(text)]


def _documents(*texts: str) -> list[Document]:
    return [Document(text, metadata={"place": place}, id=str(place)) for place, text in enumerate(texts)]


@pytest.fixture
def jina() -> Iterator[JinaServer]:
    with JinaServer() as server:
        yield server
        assert server.violations == []


def _jina(server: JinaServer, spec: str = "jina", **options: Any) -> Any:
    return reranker(spec, api_key=server.key, base_url=server.base_url, **options)


class TestJina:
    def test_the_blog_posts_example_gives_its_order_and_scores(self) -> None:
        with JinaServer(models=["jina-reranker-v1-base-en"], score=blog_score) as server:
            ranked = _jina(server, "jina:jina-reranker-v1-base-en").compress_documents(
                _documents(*BLOG_DOCUMENTS), BLOG_QUERY
            )

            assert [document.metadata["place"] for document in ranked] == [1, 3, 0, 2]
            assert [document.metadata["rerank_score"] for document in ranked] == [
                0.937096,
                0.354210,
                0.349866,
                0.272896,
            ]
            assert ranked[0].page_content == BLOG_DOCUMENTS[1]
            (request,) = server.requests
            assert request.body == {
                "query": BLOG_QUERY,
                "documents": BLOG_DOCUMENTS,
                "model": "jina-reranker-v1-base-en",
                "top_n": 4,
            }
            assert server.violations == []

    async def test_it_is_the_same_async(self, jina: JinaServer) -> None:
        documents = _documents("a cat", "stored data", "data")
        compressor = _jina(jina)

        assert await compressor.acompress_documents(documents, "stored data") == (
            compressor.compress_documents(documents, "stored data")
        )

    def test_the_key_and_the_address_come_from_the_environment(
        self, jina: JinaServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in jina.environment.items():
            monkeypatch.setenv(name, value)

        assert len(reranker("jina").compress_documents(_documents("a", "b"), "a")) == 2
        assert jina.requests[0].body["model"] == "jina-reranker-v2-base-multilingual"

    def test_no_documents_are_no_request(self, jina: JinaServer) -> None:
        assert _jina(jina).compress_documents([], "query") == []
        assert jina.requests == []

    def test_one_connection_serves_many_calls(self, jina: JinaServer) -> None:
        compressor = _jina(jina)
        for _ in range(3):
            compressor.compress_documents(_documents("a"), "a")
        assert len({request.port for request in jina.requests}) == 1

    @pytest.mark.parametrize(
        "fault", [rate_limited(0.01), rate_limited(), failing(500), failing(503), broken("reset")], ids=str
    )
    def test_what_passes_is_tried_again(self, jina: JinaServer, fault: Fault) -> None:
        jina.fail(fault)
        assert len(_jina(jina).compress_documents(_documents("a", "b"), "a")) == 2
        assert len(jina.requests) == 2

    def test_retry_after_is_waited_for(self, jina: JinaServer) -> None:
        jina.fail(rate_limited(0.3))
        start = time.monotonic()
        _jina(jina).compress_documents(_documents("a"), "a")
        assert time.monotonic() - start >= 0.3

    @pytest.mark.parametrize(
        ("fault", "error", "words"),
        [
            (rate_limited(), RateLimitError, "Quota exceeded"),
            (failing(503), ProviderUnavailableError, "503"),
            (broken("reset"), ProviderUnavailableError, "cannot be reached"),
            (unauthorized("The key test-key-jina is not valid."), AuthenticationError, "JINA_API_KEY"),
            (no_such_model(), ModelNotFoundError, "jina:MODEL"),
            (too_large(), InputTooLargeError, "too large"),
            (Fault("status", 422, "query: field required"), ModelError, "query: field required"),
            (broken("garbled"), ModelResponseError, "cannot be read"),
            (broken("web page"), ModelResponseError, "cannot be read"),
            (broken("wrong shape"), ModelResponseError, "cannot be read"),
            (broken("not a number"), ModelResponseError, "no finite number"),
            (broken("mixed dimensions"), ModelResponseError, "was not asked about"),
            (broken("reset mid-answer"), ModelError, "jina"),
        ],
        ids=str,
    )
    def test_what_goes_wrong_is_one_clear_error(
        self, jina: JinaServer, fault: Fault, error: type[ModelError], words: str
    ) -> None:
        jina.fail_always(fault)
        with pytest.raises(error, match=words) as raised:
            _jina(jina, max_retries=0).compress_documents(_documents("a", "b"), "a")
        assert "test-key-jina" not in str(raised.value)

    def test_a_server_that_hangs_is_given_up(self, jina: JinaServer) -> None:
        jina.fail_always(broken("hang"))
        with pytest.raises(ModelTimeoutError, match="did not answer in time"):
            _jina(jina, timeout=0.2).compress_documents(_documents("a"), "a")

    def test_no_server_is_said_to_be_unreachable(self) -> None:
        compressor = reranker("jina", api_key="test-key-jina", base_url="http://127.0.0.1:9/v1", max_retries=0)
        with pytest.raises(ProviderUnavailableError, match=r"jina:.* at http://127\.0\.0\.1:9/v1 cannot be reached"):
            compressor.compress_documents(_documents("a"), "a")

    def test_a_missing_key_names_the_variable(self) -> None:
        with pytest.raises(MissingKeyError, match=r"JINA_API_KEY.*api_key="):
            reranker("jina")

    def test_a_missing_package_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langchain_community.document_compressors.jina_rerank", None)
        with pytest.raises(MissingExtraError, match=r"pip install .*\[rerank\]"):
            reranker("jina", api_key="k")

    def test_the_key_is_not_shown(self, jina: JinaServer) -> None:
        assert "test-key-jina" not in repr(_jina(jina))


class TestKeepOrder:
    def test_a_failure_is_logged_and_marked(self, jina: JinaServer, caplog: pytest.LogCaptureFixture) -> None:
        jina.fail_always(failing(500))
        documents = _documents("b", "a", "c")

        with caplog.at_level(logging.WARNING):
            kept = _jina(jina, max_retries=0, top_n=2, on_error="keep_order").compress_documents(documents, "a")

        assert [document.page_content for document in kept] == ["b", "a"]
        assert "500" in kept[0].metadata["rerank_error"]
        assert "not reranked" in caplog.text
        assert documents == _documents("b", "a", "c")

    def test_a_success_is_not_marked(self, jina: JinaServer) -> None:
        ranked = _jina(jina, on_error="keep_order").compress_documents(_documents("b", "a"), "a")
        assert all("rerank_error" not in document.metadata for document in ranked)

    def test_a_key_that_is_missing_is_an_error_all_the_same(self) -> None:
        with pytest.raises(MissingKeyError):
            reranker("jina", on_error="keep_order")


class _Fixed:
    """Scores that are given."""

    name = "fixed"

    def __init__(self, *scores: tuple[int, float]) -> None:
        self.scores = list(scores)

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        return self.scores


class TestReranker:
    def test_the_documents_that_come_in_are_not_changed(self) -> None:
        documents = _documents("a", "b")
        ranked = Reranker(scorer=_Fixed((1, 0.9), (0, 0.1))).compress_documents(documents, "q")

        assert [document.id for document in ranked] == ["1", "0"]
        assert documents == _documents("a", "b")

    def test_equal_scores_keep_their_order(self) -> None:
        ranked = Reranker(scorer=_Fixed((2, 0.5), (0, 0.5), (1, 0.9))).compress_documents(_documents(*"abc"), "q")
        assert [document.page_content for document in ranked] == ["b", "a", "c"]

    def test_what_is_left_out_follows_without_a_score(self) -> None:
        ranked = Reranker(scorer=_Fixed((2, 0.5))).compress_documents(_documents(*"abc"), "q")

        assert [document.page_content for document in ranked] == ["c", "a", "b"]
        assert [document.metadata.get("rerank_score") for document in ranked] == [0.5, None, None]

    def test_top_n_cuts(self) -> None:
        scorer = _Fixed((0, 0.1), (1, 0.2), (2, 0.3))
        assert len(Reranker(scorer=scorer, top_n=2).compress_documents(_documents(*"abc"), "q")) == 2

    def test_scores_for_one_text_twice_are_refused(self) -> None:
        with pytest.raises(ModelResponseError, match="was not asked about"):
            Reranker(scorer=_Fixed((0, 0.1), (0, 0.2))).compress_documents(_documents(*"ab"), "q")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "cross")


class TestLocal:
    def test_a_folder_ranks_by_what_question_and_text_share(self, cross_encoder: Path) -> None:
        documents = _documents("the cat", "data is stored in memory", "stored data", "a dog")

        ranked = reranker(f"local:{cross_encoder}", top_n=3).compress_documents(documents, "stored data in memory")

        assert [document.metadata["place"] for document in ranked[:2]] == [1, 2]
        scores = [document.metadata["rerank_score"] for document in ranked]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score < 1 for score in scores)

    def test_a_score_does_not_depend_on_the_other_texts(self, cross_encoder: Path) -> None:
        compressor = reranker(f"local:{cross_encoder}")
        alone = compressor.compress_documents(_documents("stored data"), "data")[0]
        among = compressor.compress_documents(_documents("stored data", "a " + "cat " * 20), "data")[0]
        assert alone.metadata["rerank_score"] == among.metadata["rerank_score"]

    async def test_it_is_the_same_async(self, cross_encoder: Path) -> None:
        compressor = reranker(f"local:{cross_encoder}")
        documents = _documents("a cat", "stored data")
        assert await compressor.acompress_documents(documents, "data") == (
            compressor.compress_documents(documents, "data")
        )

    def test_it_gives_up_when_the_time_is_over(self, cross_encoder: Path) -> None:
        with pytest.raises(ModelTimeoutError, match="did not score 2 texts within"):
            reranker(f"local:{cross_encoder}", timeout=1e-9).compress_documents(_documents("a", "b"), "q")

    def test_a_broken_folder_is_a_clear_error(self, cross_encoder: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(cross_encoder, tmp_path / "cross")
        (folder / "model.onnx").write_text("no model")
        with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
            reranker(f"local:{folder}").compress_documents(_documents("a"), "q")

    def test_a_folder_that_is_not_there_is_kept_in_order_when_asked_for(self, tmp_path: Path) -> None:
        compressor = reranker(f"local:{tmp_path / 'none'}", on_error="keep_order")
        (kept,) = compressor.compress_documents(_documents("a"), "q")
        assert "There is no model folder" in kept.metadata["rerank_error"]

    def test_a_name_is_looked_up_and_the_hub_is_off(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotFoundError, match="Xenova/ms-marco-MiniLM-L-6-v2"):
            CrossEncoderScorer(cache_dir=tmp_path).score("q", ["a"])
        with pytest.raises(ModelNotFoundError, match="no cross-encoder"):
            CrossEncoderScorer("nonsense", cache_dir=tmp_path).score("q", ["a"])

    def test_a_missing_package_names_the_extra(self, cross_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "fastembed", None)
        with pytest.raises(MissingExtraError, match=r"pip install .*\[local\]"):
            reranker(f"local:{cross_encoder}").compress_documents(_documents("a"), "q")


class TestSpec:
    def test_an_object_comes_back_as_it_is(self) -> None:
        given = Reranker(scorer=_Fixed())
        assert reranker(given) is given

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(UnknownProviderError, match=r"'cohere'.*jina, jina:MODEL, local"):
            reranker("cohere")

    @pytest.mark.parametrize("spec", ["jina:", "local: "])
    def test_a_colon_wants_a_model(self, spec: str) -> None:
        with pytest.raises(InputError, match="names no model"):
            reranker(spec)

    @pytest.mark.parametrize("options", [{"timeout": 0}, {"max_retries": -1}, {"base_url": "ftp://host"}])
    def test_arguments_that_cannot_be_used_are_refused(self, options: Any) -> None:
        with pytest.raises(InputError):
            reranker("jina", api_key="test-key-jina", **options)

    def test_a_timeout_must_leave_time(self) -> None:
        with pytest.raises(InputError, match="more than 0 seconds, not 0"):
            reranker("local", timeout=0)

    def test_something_else_is_refused(self) -> None:
        with pytest.raises(InputError, match="PymilvusReranker"):
            reranker(len)  # type: ignore[arg-type] # what a caller without a type checker does
