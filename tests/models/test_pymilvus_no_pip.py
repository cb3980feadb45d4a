"""pymilvus.model runs pip when it lacks a package; here it does not."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from pymilvus.model.sparse import BM25EmbeddingFunction

from milvus_rag import PymilvusEmbeddings, PymilvusReranker, PymilvusSparseEmbeddings
from milvus_rag.errors import MissingExtraError
from milvus_rag.models.pymilvus_model.functions import forbid_pip


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever these tests do, no process is started: no pip."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError(f"a process is started: {arguments}")

    monkeypatch.setattr(subprocess, "check_call", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


class TestNoPip:
    """Each function that lacks a package would run pip. The fixture above turns any process into a failure."""

    @pytest.mark.parametrize(
        ("function", "package"),
        [
            ("SentenceTransformerEmbeddingFunction", "sentence-transformers"),
            ("VoyageEmbeddingFunction", "voyageai"),
            ("CohereEmbeddingFunction", "cohere"),
            ("NomicEmbeddingFunction", "nomic"),
            ("BGEM3EmbeddingFunction", "datasets"),
            ("MGTEEmbeddingFunction", "torch"),
        ],
    )
    def test_a_dense_function_names_what_it_lacks(self, function: str, package: str) -> None:
        with pytest.raises(MissingExtraError, match=f"needs the package {package}"):
            PymilvusEmbeddings(function).embed_query("a")

    def test_a_sparse_function_names_what_it_lacks(self) -> None:
        with pytest.raises(MissingExtraError, match="needs the package torch"):
            PymilvusSparseEmbeddings("SpladeEmbeddingFunction").embed_query("a")

    def test_a_reranker_names_what_it_lacks(self) -> None:
        with pytest.raises(MissingExtraError, match="needs the package peft"):
            PymilvusReranker("BGERerankFunction").compress_documents([Document("a")], "q")

    def test_a_function_made_before_it_is_given_to_us_runs_no_pip_either(self) -> None:
        with pytest.raises(MissingExtraError, match="nltk"):
            BM25EmbeddingFunction()

    def test_a_package_that_is_installed_under_another_name_is_found(self) -> None:
        """They look for a module google-genai, which no package has."""
        from pymilvus.model.utils import import_google

        import_google()

    def test_every_reference_to_their_pip_is_replaced(self) -> None:
        forbid_pip()
        for name, module in list(sys.modules.items()):
            if name.startswith("pymilvus.model") and hasattr(module, "prompt_install"):
                assert module.prompt_install.__module__ == "milvus_rag.models.pymilvus_model.functions"

    def test_they_have_no_other_way_to_run_a_process(self) -> None:
        """One module starts processes. Should another one begin to, this adapter must learn of it."""
        folder = Path(importlib.import_module("pymilvus.model").__path__[0])
        users = [
            file.relative_to(folder).as_posix()
            for file in folder.rglob("*.py")
            if "subprocess" in (source := file.read_text()) or "os.system" in source or "popen" in source.lower()
        ]
        assert users == ["utils/dependency_control.py"]
