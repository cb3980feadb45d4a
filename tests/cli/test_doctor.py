"""`milvus-rag doctor` finds what is wrong, and says what to do."""

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import open_store
from milvus_rag.doctor import Finding, diagnose
from milvus_rag.settings import Settings
from support.cli import Ran, run_process
from support.tiny_onnx import make_dense_model

Run = Any


@pytest.fixture
def database(tmp_path: Path) -> str:
    uri = str(tmp_path / "docs.db")
    with open_store(uri) as store:
        store.add_documents([Document("Bananas are yellow."), Document("Lemons too.")])
    return uri


def finding(subject: str, **settings: Any) -> Finding:
    """The one finding about a subject."""
    (found,) = [found for found in diagnose(Settings(**settings)) if found.subject == subject]
    return found


def lines(done: Ran) -> dict[str, str]:
    """State and text by subject."""
    return {line[7:].split(maxsplit=1)[0]: line for line in done.stdout.splitlines()}


def test_all_is_well(run: Run, database: str) -> None:
    done = run("doctor", "--uri", database)
    assert done.exit_code == 0
    assert all(line.startswith("ok ") for line in done.stdout.splitlines()), done.stdout
    found = lines(done)
    assert f"milvus-rag {metadata.version('milvus-rag')}, langchain-core" in found["versions"]
    assert f"milvus_lite-{metadata.version('milvus-lite')} at {database}, full-text search: yes" in found["database"]
    assert "'my_rag_collection': 2 chunks, full-text search" in found["collection"]


def test_json_is_for_programs(run: Run, database: str) -> None:
    done = run("doctor", "--uri", database, "--llm", "gemini", "--json")
    assert done.exit_code == 1
    assert done.json["ok"] is False
    (broken,) = [found for found in done.json["findings"] if found["state"] == "broken"]
    assert broken["subject"] == "chat model"
    assert "GEMINI_API_KEY" in broken["message"]


def test_a_new_machine_is_not_broken_and_nothing_is_made_on_it(run: Run) -> None:
    done = run("doctor", "--uri", "new.db")
    assert done.exit_code == 0
    assert lines(done)["database"].endswith("new.db is not there yet  -> milvus-rag index PATH makes it")
    assert not Path("new.db").exists()


def test_a_file_of_milvus_lite_2(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old.write_bytes(b"SQLite format 3\0")
    found = finding("database", uri=str(old))
    assert found.state == "broken"
    assert "Milvus Lite 2" in found.message
    assert "index again" in found.message


def test_a_database_that_another_process_has_open(database: str) -> None:
    with open_store(database):
        done = run_process("doctor", "--uri", database)
    assert done.exit_code == 1
    assert lines(done)["database"].startswith("broken ")
    assert "milvus-lite server" in lines(done)["database"]


def test_a_server_that_does_not_answer() -> None:
    found = finding("database", uri="http://127.0.0.1:9", timeout=1)
    assert found.state == "broken"
    assert "No Milvus answers at http://127.0.0.1:9" in found.message


def test_a_collection_that_is_not_there(database: str) -> None:
    found = finding("collection", uri=database, collection="other")
    assert (found.state, found.remedy) == ("note", "milvus-rag index PATH makes it")


def test_an_embedding_that_does_not_fit(tmp_path: Path, database: str) -> None:
    model = make_dense_model(tmp_path / "model")
    found = finding("collection", uri=database, embeddings=f"local:{model}")
    assert found.state == "broken"
    assert "built without an embedding" in found.message
    assert "--rebuild" in found.message


def test_a_model_on_this_machine(tmp_path: Path) -> None:
    model = make_dense_model(tmp_path / "model")
    found = finding("embeddings", uri="new.db", embeddings=f"local:{model}")
    assert found.state == "ok"
    assert "works offline" in found.message
    (model / "model.onnx").unlink()
    found = finding("embeddings", uri="new.db", embeddings=f"local:{model}")
    assert found.state == "broken"
    assert "model.onnx" in found.message


def test_a_model_that_is_neither_here_nor_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path))
    found = finding("embeddings", uri="new.db", embeddings="local")
    assert found.state == "broken"
    assert "cannot be downloaded" in found.message


@pytest.mark.parametrize(
    ("subject", "settings", "variable"),
    [
        ("chat model", {"llm": "fireworks"}, "FIREWORKS_API_KEY"),
        ("chat model", {"llm": "lepton"}, "LEPTON_BASE_URL"),
        ("embeddings", {"embeddings": "gemini"}, "GEMINI_API_KEY"),
        ("reranker", {"reranker": "jina"}, "JINA_API_KEY"),
    ],
)
def test_a_key_that_is_missing(
    database: str, monkeypatch: pytest.MonkeyPatch, subject: str, settings: dict[str, str], variable: str
) -> None:
    found = finding(subject, uri=database, **settings)
    assert found.state == "broken"
    assert variable in found.message
    monkeypatch.setenv(variable, "https://secret.example/v1")
    subject_with_key = "collection" if subject == "embeddings" else subject
    assert "secret" not in " ".join(finding(subject_with_key, uri=database, **settings).as_dict().values())


def test_a_key_that_is_there_is_enough(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWORKS_API_KEY", "secret-key")
    monkeypatch.setenv("JINA_API_KEY", "secret-key")
    for subject, settings in (("chat model", {"llm": "fireworks"}), ("reranker", {"reranker": "jina"})):
        found = finding(subject, uri=database, **settings)
        assert found.state == "ok"
        assert "was not called" in found.message
        assert "secret-key" not in found.message


def test_versions_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1" if name == "pymilvus" else real(name))
    found = finding("versions", uri="new.db")
    assert found.state == "broken"
    assert found.message.startswith("pymilvus 0.0.1 is installed, pymilvus")
    assert found.remedy.startswith("pip install 'pymilvus")


def test_a_server_key_that_can_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("server", uri="new.db").state == "ok"
    monkeypatch.setenv("MILVUS_RAG_SERVER_KEY", "short")
    found = finding("server", uri="new.db")
    assert found.state == "note"
    assert "token_urlsafe" in found.remedy
    assert "short" not in found.message
    monkeypatch.setenv("MILVUS_RAG_SERVER_KEY", "x" * 43)
    assert finding("server", uri="new.db").message == "installed; a key is set"


def test_without_the_server_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "langserve" else real(name))
    found = finding("server", uri="new.db")
    assert (found.state, found.remedy) == ("note", "pip install '.[server]'")


def test_an_address_without_a_version_is_worth_a_note(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    done = run("doctor", "--uri", str(tmp_path / "x.db"), "--llm", "openai:m", "--embeddings", "openai:e")
    assert done.stdout.count("most servers want one like http://127.0.0.1:9/v1") == 2
