"""`milvus-rag ask`, `search` and `info`: answers, sources, and what of them is JSON."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag import open_store
from support.cli import run_process
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer

from .conftest import Run

QUESTION = "How is data stored in milvus?"
KEY = "sk-very-secret"


@pytest.fixture
def gemini(monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    with GeminiServer(key=KEY) as server:
        for name, value in server.environment("gemini").items():
            monkeypatch.setenv(name, value)
        yield server
        assert server.violations == []


@pytest.fixture
def fireworks(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer(key=KEY) as server:
        for name, value in server.environment("fireworks").items():
            monkeypatch.setenv(name, value)
        yield server
        assert server.violations == []


@pytest.mark.shared
class TestTheTutorial:
    FAQ = ("--glob", "en/faq/*.md", "--splitter", "marker")
    CHUNK = " Where does Milvus store data?\n"

    def test_the_default_finds_the_chunk(self, run: Run, milvus_docs: Path) -> None:
        sources = run("ask", QUESTION, "--docs", milvus_docs, *self.FAQ, "--json").json["sources"]
        assert len(sources) == 3
        assert any(source["text"].startswith(self.CHUNK) for source in sources)

    def test_the_dense_model_finds_it_first(self, run: Run, milvus_docs: Path, shared_model: Path) -> None:
        spec = f"local:{shared_model}"
        assert run("index", milvus_docs, *self.FAQ, "--embeddings", spec).exit_code == 0
        ran = run("ask", QUESTION, "--mode", "dense", "--json")
        assert ran.json["sources"][0]["text"].startswith(self.CHUNK)
        assert ran.json["sources"][0]["score"] > 0.5


class TestAsk:
    def test_the_default_quotes_and_says_so(self, run: Run, indexed: Path) -> None:
        ran = run("ask", QUESTION)
        assert ran.exit_code == 0
        assert ran.stderr == ""
        answer, _, sources = ran.stdout.partition("\nSources:\n")
        assert answer.startswith("No language model was used")
        assert "> Milvus stores inserted data in object storage." in answer
        assert "  1. faq/storage.md:5  Storage > Where is data stored?  (score " in sources

    def test_the_default_reads_the_language_of_the_collection(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "haus.md").write_text("# Haus\n\nZwei graue Katzen leben in unseren Häusern.\n")
        assert run("index", tmp_path / "haus.md", "--language", "german").exit_code == 0
        assert "> Zwei graue Katzen leben in unseren Häusern." in run("ask", "Welche Katze wohnt im Haus?").stdout

    def test_docs_are_indexed_first(self, run: Run, docs: Path) -> None:
        ran = run("ask", QUESTION, "--docs", docs / "faq", "--docs", docs / "cooking.md")
        assert "object storage" in ran.stdout
        assert [line.split(":")[0] for line in ran.stderr.splitlines()] == [str(docs / "faq"), str(docs / "cooking.md")]

    def test_json_is_one_document(self, run: Run, docs: Path) -> None:
        ran = run("ask", QUESTION, "--docs", docs, "--json")
        assert ran.json["question"] == QUESTION
        assert "object storage" in ran.json["answer"]
        first = ran.json["sources"][0]
        assert first["source"] == "faq/storage.md"
        assert first["headings"] == ["Storage", "Where is data stored?"]
        assert (first["start_line"], first["end_line"]) == (5, 5)
        assert first["score"] > 0
        assert first["id"]

    def test_a_question_that_nothing_matches(self, run: Run, indexed: Path) -> None:
        ran = run("ask", "xylophone")
        assert ran.stdout == "The documents do not answer this question.\n"
        assert run("ask", "xylophone", "--json").json["sources"] == []

    @pytest.mark.parametrize("filter", ['{"source": "faq/limits.md"}', 'source == "faq/limits.md"'])
    def test_a_filter_as_json_or_expression(self, run: Run, indexed: Path, filter: str) -> None:
        sources = run("ask", "Milvus vector dimensions data", "--filter", filter, "--json").json["sources"]
        assert [source["source"] for source in sources] == ["faq/limits.md"]

    def test_a_provider_answers_and_embeds(self, run: Run, docs: Path, gemini: GeminiServer) -> None:
        ran = run("ask", QUESTION, "--docs", docs, "--provider", "gemini")
        assert ran.stdout.startswith("The documents say: ")
        assert "object storage" in ran.stdout.partition("Sources:")[2] or "faq/storage.md" in ran.stdout
        assert any("embed" in request.path for request in gemini.requests)

    def test_the_chat_model_alone_is_another_providers(
        self, run: Run, docs: Path, gemini: GeminiServer, fireworks: OpenAIServer
    ) -> None:
        assert run("index", docs, "--embeddings", "gemini").exit_code == 0
        ran = run("ask", QUESTION, "--llm", "fireworks")
        assert ran.stdout.startswith("The documents say: ")
        assert [request.path for request in fireworks.requests] == ["/v1/chat/completions"]

    def test_the_key_is_shown_nowhere(self, docs: Path, gemini: GeminiServer) -> None:
        refused = GeminiServer(key="another-key")
        with refused:
            env = {**refused.environment("gemini"), "GEMINI_API_KEY": KEY}
            ran = run_process("--verbose", "ask", QUESTION, "--docs", docs, "--llm", "gemini", env=env)
        assert ran.exit_code == 1
        assert "Error: " in ran.stderr
        assert KEY not in ran.stdout + ran.stderr


class TestTheRememberedEmbedding:
    def test_a_collection_knows_what_to_embed_questions_with(self, run: Run, docs: Path, gemini: GeminiServer) -> None:
        run("index", docs, "--embeddings", "gemini")
        before = len(gemini.requests)
        ran = run("search", QUESTION, "--explain")
        assert ran.exit_code == 0
        assert "full text" in ran.stdout
        assert len(gemini.requests) == before + 1

    def test_a_second_index_uses_it(self, run: Run, docs: Path, gemini: GeminiServer) -> None:
        run("index", docs, "--embeddings", "gemini")
        (docs / "new.md").write_text("# New\n\nA page that was not there.\n")
        assert run("index", docs, "--json").json["embedded"] == 1

    def test_without_its_key_the_error_names_it(
        self, run: Run, docs: Path, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("index", docs, "--embeddings", "gemini")
        monkeypatch.delenv("GEMINI_API_KEY")
        ran = run("search", QUESTION)
        assert ran.exit_code == 1
        assert "GEMINI_API_KEY" in ran.error

    def test_without_its_address_the_error_names_that_too(self, run: Run, docs: Path) -> None:
        with OpenAIServer() as server:
            model = ("--embeddings", "openai:m")
            where = ("--embeddings-url", server.base_url, "--embeddings-key", server.key)
            assert run("index", docs, *model, *where).exit_code == 0
            ran = run("search", QUESTION)
            assert ran.exit_code == 1
            assert "vectors of 'openai:m'" in ran.error
            assert "(--embeddings-url)" in ran.error
            assert run("search", QUESTION, *where).exit_code == 0

    def test_none_searches_by_words_alone(
        self, run: Run, docs: Path, gemini: GeminiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("index", docs, "--embeddings", "gemini")
        monkeypatch.delenv("GEMINI_API_KEY")
        ran = run("search", QUESTION, "--embeddings", "none", "--json")
        assert ran.json["hits"][0]["source"] == "faq/storage.md"

    @pytest.mark.parametrize("command", [["index"], ["ask", QUESTION, "--docs"]])
    def test_no_run_without_it_makes_the_collection_forget_it(
        self, run: Run, docs: Path, gemini: GeminiServer, command: list[str]
    ) -> None:
        run("index", docs, "--embeddings", "gemini")
        refused = run(*command, docs, "--embeddings", "none")
        assert refused.exit_code == 1
        assert "has vectors of gemini:gemini-embedding-2" in refused.error
        assert "(--embeddings, or embedding= of open_store)" in refused.error
        before = len(gemini.requests)
        assert run("search", QUESTION).exit_code == 0
        assert len(gemini.requests) == before + 1
        assert run("index", docs, "--embeddings", "none", "--dry-run").exit_code == 0

    def test_one_that_a_version_before_made_forget_it_remembers(
        self, run: Run, docs: Path, gemini: GeminiServer
    ) -> None:
        run("index", docs, "--embeddings", "gemini")
        with open_store("./milvus_demo.db") as store:
            store.collection.set_properties({"embedding_spec": "none"})
        before = len(gemini.requests)
        assert run("search", QUESTION).exit_code == 0
        assert len(gemini.requests) == before + 1

    def test_another_embedding_is_refused(
        self, run: Run, docs: Path, gemini: GeminiServer, fireworks: OpenAIServer
    ) -> None:
        run("index", docs, "--embeddings", "gemini")
        ran = run("search", QUESTION, "--embeddings", "fireworks")
        assert ran.exit_code == 1
        assert "gemini:gemini-embedding-2" in ran.error
        assert "fireworks:nomic-ai/nomic-embed-text-v1.5" in ran.error

    def test_a_model_that_is_gone_leaves_full_text_search(
        self, run: Run, docs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        from support.tiny_onnx import make_dense_model

        folder = make_dense_model(tmp_path / "model")
        assert run("index", docs, "--embeddings", f"local:{folder}").exit_code == 0
        folder.rename(tmp_path / "elsewhere")
        ran = run("search", QUESTION, "--json")
        assert ran.json["hits"][0]["source"] == "faq/storage.md"
        assert "Searching by full text only" in caplog.text


class TestPagesOfStrangers:
    """What a terminal would obey is spelt out."""

    NAME = "a\x1b[2Jb\nError: c.md"
    HOSTILE = ("\x1b", "\x07", "\x9b", "\u202e", "\nError:")

    @pytest.fixture
    def hostile(self, tmp_path: Path) -> Path:
        folder = tmp_path / "hostile"
        folder.mkdir()
        page = "# Zebras \x1b]0;owned\x07 \u202e [/b]\n\nZebras have \x1b[31mstripes\x9b0m.\tAll of them.\n"
        (folder / self.NAME).write_text(page)
        (folder / f"wide{self.NAME}").write_bytes(b"Text \xe9.")
        return folder

    def test_nothing_printed_holds_it(self, run: Run, hostile: Path) -> None:
        ran = run("index", hostile)
        assert "Failed: widea\\x1b[2Jb\\nError: c.md: " in ran.stderr
        shown = [
            ran,
            *(run(*words) for words in (("search", "zebras"), ("search", "zebras", "--explain"), ("ask", "zebras"))),
        ]
        for printed in shown:
            assert [mark for mark in self.HOSTILE if mark in printed.stdout + printed.stderr] == []
        for answered in shown[1:]:
            assert r"a\x1b[2Jb\nError: c.md:3  Zebras \x1b]0;owned\x07 \u202e [/b]" in answered.stdout
        assert "stripes\\x9b0m.\tAll of them." in shown[1].stdout

    def test_json_says_it_as_it_is(self, run: Run, hostile: Path) -> None:
        run("index", hostile)
        (hit,) = run("search", "zebras", "--json").json["hits"]
        assert hit["source"] == self.NAME


class TestSearch:
    def test_it_shows_passages_with_their_places(self, run: Run, indexed: Path) -> None:
        ran = run("search", "pancakes", "-k", "1")
        assert ran.stdout.startswith("1. cooking.md:3  Pancakes  (score ")
        assert "Mix flour, eggs and milk." in ran.stdout

    def test_nothing_matches(self, run: Run, indexed: Path) -> None:
        ran = run("search", "xylophone")
        assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "Nothing matches.\n")

    def test_explain_is_a_table_of_both_searches(self, run: Run, docs: Path, gemini: GeminiServer) -> None:
        run("index", docs, "--embeddings", "gemini")
        ran = run("search", QUESTION, "--mode", "hybrid", "--explain")
        header, _, first, *_ = (line.split("  ") for line in ran.stdout.strip().splitlines())
        assert [cell.strip() for cell in header if cell.strip()] == ["score", "dense", "full text", "source"]
        number, _, dense, full_text, *source = (cell.strip() for cell in first if cell.strip())
        assert number == "1"
        assert dense.endswith("(#1)")
        assert full_text.endswith("(#1)")
        assert source == ["faq/storage.md:5", "Storage > Where is data stored?"]

    def test_json_hits(self, run: Run, indexed: Path) -> None:
        (hit,) = run("search", "pancakes", "--json").json["hits"]
        assert hit["text"] == "Pancakes\n\nMix flour, eggs and milk."


class TestInfo:
    def test_it_tells_what_a_collection_was_built_with(self, run: Run, docs: Path, gemini: GeminiServer) -> None:
        run("index", docs, "--embeddings", "gemini", "--collection", "other", "--language", "german")
        ran = run("info", "--collection", "other", "--json")
        assert ran.json["chunks"] == 4
        assert ran.json["dense"].startswith("gemini:gemini-embedding-2 (dimension 768")
        assert ran.json["full_text"] == "german"
        assert ran.json["splitter"].startswith("markdown/")
        assert "chunks      4\n" in run("info", "--collection", "other").stdout


class TestProviders:
    def test_the_table_tells_what_is_missing_here(self, run: Run) -> None:
        ran = run("providers")
        assert "gemini      to do: set GEMINI_API_KEY\n" in ran.stdout
        assert "local       ready\n" in ran.stdout

    def test_a_configured_provider_is_ready_and_its_key_a_secret(self, run: Run, gemini: GeminiServer) -> None:
        ran = run("providers", "--json")
        rows = {row["name"]: row for row in ran.json}
        assert rows["gemini"]["ready"]
        assert not rows["fireworks"]["ready"]
        assert KEY not in ran.stdout


class TestWhatHasNoEffect:
    """What is asked of a search that is not made is told."""

    @pytest.mark.parametrize(
        ("command", "told"),
        [
            (
                ["search", QUESTION, "--weights", "0.3,0.7"],
                "weights: no effect, since only a full-text search is made.",
            ),
            (["ask", QUESTION, "--fusion", "rrf"], "fusion: no effect, since only a full-text search is made."),
            (
                ["search", QUESTION, "--search-params", '{"params": {"ef": 9}}', "--weights", "1,1"],
                "search_params, weights: no effect, since only a full-text search is made.",
            ),
            (["search", QUESTION, "--k", "2"], ""),
        ],
    )
    def test_without_vectors(
        self, run: Run, docs: Path, command: list[str], told: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        run("index", docs)
        assert run(*command).exit_code == 0
        assert [record.getMessage() for record in caplog.records if "no effect" in record.getMessage()] == (
            [told] if told else []
        )

    @pytest.mark.parametrize(
        ("mode", "is_told"), [("dense", True), ("full_text", True), ("hybrid", False), (None, False)]
    )
    def test_with_vectors(
        self, run: Run, docs: Path, gemini: GeminiServer, mode: str | None, is_told: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        run("index", docs, "--embeddings", "gemini")
        assert run("search", QUESTION, "--weights", "1,1", *(("--mode", mode) if mode else ())).exit_code == 0
        assert ("weights: no effect" in caplog.text) == is_told

    def test_of_a_splitter(self, run: Run, docs: Path, caplog: pytest.LogCaptureFixture) -> None:
        assert run("index", docs, "--splitter", "marker", "--chunk-size", 500).exit_code == 0
        assert "chunk_size: no effect, since the splitter marker cuts at '# '" in caplog.text
