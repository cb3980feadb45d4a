"""Settings: argument > environment > .env > default, and messages that say where a bad value came from."""

from pathlib import Path

import pytest

from milvus_rag import Settings
from milvus_rag.errors import SettingsError
from milvus_rag.settings import load_settings


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """`k` in the environment and in .env, `mode` in .env alone."""
    (tmp_path / ".env").write_text("MILVUS_RAG_K=5\nMILVUS_RAG_MODE=dense\nUNKNOWN=1\n")
    monkeypatch.setenv("MILVUS_RAG_K", "7")
    return monkeypatch


@pytest.mark.parametrize(("given", "taken"), [("bounded", "Bounded"), ("STRONG ", "Strong")])
def test_one_of_several_words_is_taken_however_it_is_written(given: str, taken: str) -> None:
    assert load_settings(consistency_level=given).consistency_level == taken


def test_an_argument_wins(everywhere: pytest.MonkeyPatch) -> None:
    assert load_settings(k=9).k == 9


def test_the_environment_comes_before_the_file(everywhere: pytest.MonkeyPatch) -> None:
    assert load_settings().k == 7
    everywhere.delenv("MILVUS_RAG_K")
    assert load_settings().k == 5


def test_the_file_comes_before_the_default(everywhere: pytest.MonkeyPatch) -> None:
    assert load_settings().mode == "dense"
    assert load_settings().uri == "./milvus_demo.db"


def test_none_and_an_empty_variable_count_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_RAG_COLLECTION", "")
    assert load_settings(collection=None).collection == "my_rag_collection"


def test_the_defaults_are_the_tutorials() -> None:
    settings = Settings()
    assert (settings.uri, settings.collection, settings.k) == ("./milvus_demo.db", "my_rag_collection", 3)
    assert settings.chat_spec == "local"


def test_a_provider_is_for_both_models_unless_one_is_named() -> None:
    both = load_settings(provider="gemini")
    assert (both.chat_spec, both.embeddings) == ("gemini", "gemini")
    other = load_settings(provider="gemini", llm="fireworks", embeddings="none")
    assert (other.chat_spec, other.embeddings) == ("fireworks", "none")


def test_a_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(uri="~/milvus.db").uri == str(tmp_path / "milvus.db")


def test_a_bad_argument_is_named_as_an_option() -> None:
    with pytest.raises(SettingsError, match=r"^--chunk-size cannot be used: .*100"):
        load_settings(chunk_size=5)


def test_all_bad_values_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_RAG_MIN_SCORE", "high")
    with pytest.raises(SettingsError, match=r"--k cannot be used: .*; MILVUS_RAG_MIN_SCORE cannot be used: "):
        load_settings(k=0)


@pytest.mark.parametrize(("given", "read"), [("auto", "auto"), ("none", "none"), ("0.3", 0.3), (-1, -1.0)])
def test_the_floor_is_a_word_or_a_cosine(given: object, read: object) -> None:
    assert load_settings(min_score=given).min_score == read
    assert load_settings().min_score == "auto"


@pytest.mark.parametrize("given", ["1.5", "-2", "nan", "never", "", [0.1]])
def test_any_other_floor_is_refused(given: object) -> None:
    with pytest.raises(SettingsError, match=r"--min-score cannot be used: .*auto, none, or a cosine from -1 to 1$"):
        load_settings(min_score=given)


def test_a_token_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_RAG_TOKEN", "root:hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings}"
    assert settings.token is not None
    assert settings.token.get_secret_value() == "root:hunter2"
    with pytest.raises(SettingsError) as caught:
        load_settings(token=["root:hunter2"])
    assert "hunter2" not in str(caught.value)
