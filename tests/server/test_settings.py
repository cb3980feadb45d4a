"""The server's settings come from arguments, the environment or .env, and are checked."""

from pathlib import Path

import pytest

from milvus_rag.errors import SettingsError, UnknownProviderError
from milvus_rag.server import create_app
from milvus_rag.server.settings import ServerSettings, server_settings
from milvus_rag.settings import Settings, load_settings


def test_defaults_are_safe() -> None:
    settings = ServerSettings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.server_key is None
    assert not settings.no_auth
    assert not settings.log_questions


def test_each_limit_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "max_body_bytes": 2048,
        "max_question_chars": 100,
        "max_batch": 2,
        "max_in_progress": 3,
        "request_timeout": 1.5,
        "shutdown_timeout": 2.5,
        "search_threads": 7,
        "lite_process": False,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"MILVUS_RAG_{name.upper()}", str(value))
    settings = ServerSettings()
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.pool_size == 7


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_RAG_ALLOWED_LLMS", "gemini, fireworks:x,,")
    Path(".env").write_text("MILVUS_RAG_ALLOWED_HOSTS=docs.example.org\n")
    settings = ServerSettings()
    assert settings.allowed_llms == ("gemini", "fireworks:x")
    assert settings.allowed_hosts == ("docs.example.org",)


@pytest.mark.parametrize("given", ["chat", "/chat", "/chat/", "chat/"])
def test_the_root_path_has_one_slash_in_front(given: str) -> None:
    assert ServerSettings(root_path=given).root_path == "/chat"
    assert ServerSettings(root_path="/").root_path == ""


def test_threads_follow_the_database() -> None:
    assert ServerSettings(uri="docs.db").pool_size < ServerSettings(uri="http://localhost:19530").pool_size


def test_the_librarys_settings_become_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_RAG_K", "9")
    monkeypatch.setenv("MILVUS_RAG_MAX_BATCH", "3")
    settings = server_settings(Settings(uri="other.db", k=2))
    assert (settings.uri, settings.k, settings.max_batch) == ("other.db", 2, 3)
    own = ServerSettings(port=1)
    assert server_settings(own) is own


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "70000"), ("max_batch", "0"), ("request_timeout", "-1"), ("log_format", "xml"), ("max_body_bytes", "x")],
)
def test_a_value_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MILVUS_RAG_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"MILVUS_RAG_{name.upper()}"):
        load_settings(ServerSettings)


def test_the_key_is_not_shown() -> None:
    settings = ServerSettings(server_key="correct-horse")
    assert "correct-horse" not in repr(settings)
    assert "correct-horse" not in str(settings.model_dump())


def test_an_application_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``uvicorn --factory milvus_rag.server:create_app`` gives no settings."""
    monkeypatch.setenv("MILVUS_RAG_MAX_BATCH", "5")
    assert create_app().state.settings.max_batch == 5


def test_an_unknown_model_is_an_error_at_once() -> None:
    with pytest.raises(UnknownProviderError, match="zork"):
        create_app(ServerSettings(allowed_llms="zork"))
