"""Without a borrowed name there is a fallback, or one error of ours: each is taken away once."""

import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_text_splitters import CharacterTextSplitter

from milvus_rag import LocalEmbeddings, chat_model, embedding_model, open_store, rag_chain, reranker
from milvus_rag.errors import IncompatiblePackageError, InputError, ModelError, ModelNotFoundError
from milvus_rag.extras import borrowed as borrow
from milvus_rag.indexing.splitting import splitter_fingerprint
from milvus_rag.stores import lite, packed_rows
from milvus_rag.stores.connection import Server
from milvus_rag.stores.lite import LITE_DATABASES, clear_half_made, database_path
from milvus_rag.stores.lite_process import LiteProcess
from support.borrowing import Row, find, rows
from support.tiny_onnx import make_cross_encoder, make_dense_model
from support.word_embeddings import WordEmbeddings

ROWS = rows()
Fixtures = pytest.FixtureRequest
Check = Callable[[Row, pytest.MonkeyPatch, Fixtures], None]


class Without:
    """An object that has everything but one name."""

    def __init__(self, whole: Any, missing: str) -> None:
        vars(self).update(_whole=whole, _missing=missing)

    def __getattr__(self, name: str) -> Any:
        if name == vars(self)["_missing"]:
            raise AttributeError(name)
        return getattr(vars(self)["_whole"], name)

    def __len__(self) -> int:
        return len(vars(self)["_whole"])

    def __iter__(self) -> Any:
        return iter(vars(self)["_whole"])


WITHOUT: dict[str, Check] = {}


def without(*prefixes: str) -> Callable[[Check], Check]:
    """Says which rows a test takes away: those that begin so."""

    def add(check: Check) -> Check:
        WITHOUT.update(dict.fromkeys(prefixes, check))
        return check

    return add


def check_of(row: Row) -> Check:
    return WITHOUT[max((prefix for prefix in WITHOUT if row.name.startswith(prefix)), key=len)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_guarded], ids=lambda row: row.name)
def test_without_it(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    check_of(row)(row, monkeypatch, request)


def test_every_name_that_is_taken_away_is_a_guarded_row() -> None:
    assert [prefix for prefix in WITHOUT if not any(r.is_guarded and r.name.startswith(prefix) for r in ROWS)] == []


@without("pymilvus.MilvusClient.", "pymilvus.client.grpc_handler.", "pymilvus.grpc_gen")
def the_client_packs_the_rows(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    with open_store(request.getfixturevalue("lite_uri"), embedding=WordEmbeddings(8)) as store:
        store.add_texts(["the first row makes the collection"], ids=["first"])
        layout = store.collection.existing()
        vectors = WordEmbeddings(8).embed_documents(["text"])
        new = store.to_rows(layout, ["1"], ["text"], [{"source": "a.md"}], vectors)
        client: Any = store.client
        if row.token == "grpc_gen":
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, row.name, None)
                importlib.reload(packed_rows)
            request.addfinalizer(lambda: importlib.reload(packed_rows))
        elif ".grpc_handler." in row.name:
            client = Without(store.client, "")
            vars(client)["_get_connection"] = lambda: Without(store.client._get_connection(), row.token)
        else:
            client = Without(store.client, row.token)
        is_insert = row.token != "upsert"
        assert packed_rows.write_packed(client, layout, new, insert=is_insert, timeout=30) is None
        store.collection.client = client
        store.collection.rows().upsert(new)
        assert store.get_by_ids(["1"]) == [Document("text", id="1", metadata={"source": "a.md"})]


@without("pymilvus.client.types.")
def the_client_reads_the_rows(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    with open_store(request.getfixturevalue("lite_uri")) as store:
        store.add_texts(["text"], [{"source": "a.md", "page": 1}], ids=["1"])
        answer = store.client.query("my_rag_collection", filter='pk == "1"', output_fields=["pk", "$meta"])
        later = Without(answer, row.token)
        assert packed_rows.read_packed(later) == [{"pk": "1", "source": "a.md", "page": 1}]


@without("text:milvus_lite")
def a_path_is_milvus_lite(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    assert Server("docs.db", "lite-4.0").lite
    assert not Server("http://localhost:19530", "v2.6.4").lite
    assert Server("http://localhost:19530", "milvus_lite-3.2.2").lite


@without("milvus_lite.server_manager.")
def pymilvus_starts_it(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    module = importlib.import_module("milvus_lite.server_manager")
    manager = module.server_manager_instance
    uri = request.getfixturevalue("lite_uri")
    caplog = request.getfixturevalue("caplog")
    ours = ModuleType("milvus_lite.server_manager")
    vars(ours)["server_manager_instance"] = Without(manager, row.token)
    real = lite._of_server_manager

    def looked_up(method: str) -> Any:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "milvus_lite.server_manager", ours)
            return real(method)

    monkeypatch.setattr(lite, "_of_server_manager", looked_up)
    with open_store(uri) as store:
        store.add_texts(["Data is stored in segments."], ids=["1"])
        assert [found.id for found in store.similarity_search("segments")] == ["1"]
    warned = [record.message for record in caplog.records if record.name == "milvus_rag.stores.lite"]
    stays_open = row.token == "release_server"
    assert warned == (
        [f"Milvus Lite cannot be told to close {uri}, which stays open until this process ends."] * stays_open
    )
    manager.release_server(uri)


@without("milvus_lite.adapter.")
def milvus_lite_runs_in_this_process(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    folder, uri = request.getfixturevalue("tmp_path"), request.getfixturevalue("lite_uri")
    caplog = request.getfixturevalue("caplog")
    with open_store(uri) as store:
        store.add_texts(["Data is stored in segments."], ids=["1"])
    module = row.name.rpartition(".")[0]
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with pytest.raises(OSError, match="did not start"):
        LiteProcess(database_path(uri))
    with LITE_DATABASES.kept_apart(database_path(uri)), open_store(uri) as store:
        assert [found.id for found in store.similarity_search("segments")] == ["1"]
    assert "Milvus Lite runs in this process" in caplog.text


@without("milvus_lite.db.")
def nothing_is_removed(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    folder = request.getfixturevalue("tmp_path") / "test.db" / "collections" / "docs"
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.delattr(row.name)
        assert not clear_half_made(str(folder.parents[1]), "docs")
        assert folder.exists()
    assert clear_half_made(str(folder.parents[1]), "docs")
    assert not folder.exists()


@without("milvus_lite.storage.manifest.")
def the_first_search_goes_alone_once(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    with open_store(request.getfixturevalue("lite_uri")) as store:
        store.add_texts(["Data is stored in segments."], ids=["1"])
        monkeypatch.delattr(row.name)
        for _ in range(2):
            assert [found.id for found in store.similarity_search("segments")] == ["1"]


@without("langchain_milvus.Milvus._init")
def the_store_prepares_itself(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    base = find("langchain_milvus.Milvus")
    source = textwrap.dedent(inspect.getsource(base.__init__))
    assert source.count("self._init(") == 1
    later: dict[str, Any] = {}
    exec(source.replace("self._init(", "dict("), inspect.getmodule(base).__dict__, later)  # noqa: S102 - theirs, renamed
    monkeypatch.setattr(base, "__init__", later["__init__"])
    monkeypatch.delattr(base, "_init")
    with open_store(request.getfixturevalue("lite_uri")) as store:
        store.add_texts(["Data is stored in segments."], ids=["1"])
        assert [found.id for found in store.similarity_search("segments")] == ["1"]


@without("langchain_core.runnables.Runnable.")
def no_chain_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    monkeypatch.delattr(Runnable, row.token)
    retriever: Runnable[str, list[Document]] = RunnableLambda(lambda _: [])
    with pytest.raises(IncompatiblePackageError, match=rf"langchain-core \d\S* has no RagChain\.{row.token},"):
        rag_chain(retriever, FakeListChatModel(responses=["a"]))


@without("langchain_core._api.")
def deprecations_are_left_out_of_the_log(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    logs = importlib.import_module("milvus_rag.server.logs")
    assert logs._Deprecation.__name__ == row.token
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "langchain_core._api", None)
        importlib.reload(logs)
        assert logs._Deprecation is DeprecationWarning
    importlib.reload(logs)


@without("langchain_text_splitters.")
def the_splitters_size_is_not_remembered(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    splitter = CharacterTextSplitter(chunk_size=100, chunk_overlap=10)
    whole = "CharacterTextSplitter(chunk_size=100, chunk_overlap=10)"
    assert splitter_fingerprint(splitter) == whole
    monkeypatch.delattr(splitter, row.token)
    left = splitter_fingerprint(splitter)
    assert left.startswith("CharacterTextSplitter(")
    assert row.token.removeprefix("_") not in left


@without("langchain_openai.OpenAIEmbeddings.", "langchain_google_genai.GoogleGenerativeAIEmbeddings.")
def no_embedding_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    spec = "openai" if "openai" in row.name else "gemini"
    name = row.name.split(".")[-2]
    module = importlib.import_module(f"milvus_rag.{row_path(row)}")
    make = getattr(module, name)
    monkeypatch.setattr(module, name, lambda **options: Without(make(**options), row.token))
    with pytest.raises(IncompatiblePackageError, match=rf"has no \w+\.{row.token},.* Install an earlier langchain-"):
        embedding_model(spec, api_key="key")


@without("langchain_openai.ChatOpenAI.")
def no_openai_chat_model_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    module = importlib.import_module(f"milvus_rag.{row_path(row)}")
    make = module.OpenAICompatibleChat
    monkeypatch.setattr(module, "OpenAICompatibleChat", lambda **options: Without(make(**options), row.token))
    with pytest.raises(IncompatiblePackageError, match=rf"has no \w+\.{row.token},.* Install an earlier langchain-"):
        chat_model("openai", api_key="key")


@without("langchain_google_genai.ChatGoogleGenerativeAI.")
def no_chat_model_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    gemini = importlib.import_module("milvus_rag.models.providers.gemini")

    def missing(owner: object, name: str, package: str) -> Any:
        return borrow(Without(owner, row.token), name, package)

    monkeypatch.setattr(gemini, "borrowed", missing)
    with pytest.raises(IncompatiblePackageError, match="langchain-google-genai"):
        chat_model("gemini", api_key="key")


@without("langchain_community.document_compressors.JinaRerank.")
def no_reranker_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    jina = importlib.import_module("milvus_rag.models.providers.jina")
    make = jina._jina_rerank()
    monkeypatch.setattr(jina, "_jina_rerank", lambda: lambda **options: Without(make(**options), row.token))
    with pytest.raises(IncompatiblePackageError, match="langchain-community"):
        reranker("jina", api_key="key")


@without(
    "fastembed.text.custom_text_embedding.CustomTextEmbedding",
    "fastembed.rerank.cross_encoder.custom_text_cross_encoder.CustomTextCrossEncoder",
    "fastembed.common.model_description",
)
def a_folder_cannot_be_loaded(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    folder = request.getfixturevalue("tmp_path") / "model"
    module = row.name if row.token.islower() else row.name.rpartition(".")[0]
    importlib.import_module("fastembed")
    monkeypatch.setitem(sys.modules, module, None)
    if "cross_encoder" in row.name:
        compressor = reranker(f"local:{make_cross_encoder(folder)}")
        with pytest.raises(ModelNotFoundError, match=f"cannot be loaded: .*{module}"):
            compressor.compress_documents([Document("a")], "b")
    else:
        with pytest.raises(ModelNotFoundError, match=f"cannot be loaded: .*{module}"):
            LocalEmbeddings(make_dense_model(folder)).embed_query("a")


@without("fastembed.text.custom_text_embedding.CustomTextEmbedding._pool")
def a_folder_cannot_be_used(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    for cls in find(row.name.rpartition(".")[0]).__mro__:
        if row.token in vars(cls):
            monkeypatch.delattr(cls, row.token)
    embedding = LocalEmbeddings(make_dense_model(request.getfixturevalue("tmp_path") / "model"))
    with pytest.raises(ModelError, match=row.token):
        embedding.embed_query("a")


@without("pymilvus.model.utils.")
def nothing_that_could_run_pip_is_made(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    functions = importlib.import_module("milvus_rag.models.pymilvus_model.functions")
    monkeypatch.delattr(row.name)
    with pytest.raises(IncompatiblePackageError, match=r"pymilvus\.model \d\S* has no "):
        functions.find_function("BM25EmbeddingFunction")


@without("shape:idf_word")
def the_file_is_refused(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    from milvus_rag import PymilvusSparseEmbeddings

    file = request.getfixturevalue("tmp_path") / "fitted.json"
    embedding = PymilvusSparseEmbeddings()
    embedding.fit(["Alan Turing was born in London."])
    embedding.save(file)
    file.write_text(file.read_text().replace(row.token, "words"))
    with pytest.raises(InputError, match="holds no parameters"):
        embedding.load(file)


@without("sse_starlette.")
def the_server_runs_all_the_same(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    from milvus_rag.server import running
    from milvus_rag.server.settings import ServerSettings

    ran = []
    index = SimpleNamespace(check=lambda: None)
    monkeypatch.delattr(row.name)
    monkeypatch.setattr(running, "build_app", lambda _: SimpleNamespace(state=SimpleNamespace(index=index)))
    monkeypatch.setattr(running, "logs", lambda _: nullcontext())
    monkeypatch.setattr(running.signal, "signal", lambda *_: None)
    monkeypatch.setattr(running._Server, "run", lambda *_, **__: ran.append(True))
    running.run_server(ServerSettings(port=0))
    assert ran == [True]


@without("shape:route")
def the_route_is_looked_up(row: Row, monkeypatch: pytest.MonkeyPatch, request: Fixtures) -> None:
    from starlette.routing import Route

    from milvus_rag.server.route_names import route_name

    routes = [Route("/rag/{name}", lambda _: None, methods=["POST"])]
    scope = {"type": "http", "method": "POST", "path": "/rag/invoke", "headers": []}
    assert route_name([], {**scope, row.token: SimpleNamespace(path="/rag/invoke")}) == "/rag/invoke"
    assert route_name(routes, scope) == "/rag/{name}"
    assert route_name([], scope) == "other"


def row_path(row: Row) -> str:
    return row.files[0].removesuffix(".py").replace("/", ".")
