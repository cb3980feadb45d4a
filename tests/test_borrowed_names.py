"""The page of borrowed names is true: all of them are there, and each is what it is used as."""

import ast
import importlib
import logging
import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from milvus_rag import open_store
from milvus_rag.errors import IncompatiblePackageError, MilvusRagError
from milvus_rag.extras import borrowed as borrow
from milvus_rag.stores import packed_rows
from support.borrowing import DOCUMENTED, PAGE, ROOT, SRC, Borrowed, Row, borrowed, find, rows, versions
from support.word_embeddings import WordEmbeddings

ROWS = rows()
NAMES = {row.name: row for row in ROWS}

_EMBEDDINGS = "tests/models/test_wire_embeddings.py"
_SPARSE = "tests/models/test_pymilvus_sparse.py"
# Where a row is used in earnest: tests that fail when it is there, and is not what it was.
USED_IN = {
    "pymilvus.": "tests/stores/test_packed_rows.py::test_they_are_read_as_if_the_client_had_written_them",
    "pymilvus.client.types.": "tests/stores/test_packed_rows.py::test_does_not_leave_it_to_the_client",
    "pymilvus.model.utils.": "tests/models/test_pymilvus_no_pip.py::test_they_have_no_other_way_to_run_a_process",
    "pymilvus.model.sparse.": f"{_SPARSE}::test_the_fingerprint_tells_what_was_fitted",
    "milvus_lite.server_manager.": "tests/stores/test_lite_process.py::test_stores_share_the_process_of_a_database",
    "milvus_lite.adapter.": "tests/stores/test_lite_process.py::test_stores_share_the_process_of_a_database",
    "milvus_lite.storage.": "tests/stores/test_first_search.py::test_threads_wait_for_the_first",
    "milvus_lite.db.": "tests/indexing/test_sync_faults.py::test_of_which_there_is_only_a_folder_is_begun_anew",
    "langchain_milvus.": "tests/stores/test_standard.py::TestOnMilvusLite",
    "langchain_core.": "tests/chains/test_rag_composition.py::test_a_run_has_the_name_it_is_given",
    "langchain_core._api.": "tests/test_borrowed_names_missing.py::test_without_it",
    "langchain_core.vectorstores.": "tests/stores/test_standard.py::TestOnMilvusLite",
    "langchain_text_splitters.": "tests/test_borrowed_names_missing.py::test_without_it",
    "langchain_openai.": f"{_EMBEDDINGS}::test_openai_vectors_come_by_their_number_or_else_in_order",
    "langchain_google_genai.": f"{_EMBEDDINGS}::test_one_object_works_in_one_event_loop_after_another",
    "langchain_community.": "tests/models/test_rerankers.py::test_a_server_that_hangs_is_given_up",
    "httpx.": "tests/models/test_wire_connections.py::test_many_at_once_are_spread_over_clients_which_are_used_again",
    "fastembed.": f"{_EMBEDDINGS}::test_local_takes_a_folder",
    "mcp.": "tests/server/test_mcp.py::test_search_finds_passages_with_their_places",
    "sse_starlette.": "tests/server/test_faults.py::test_on_sigterm_running_answers_are_finished",
    "langserve.": "tests/server/test_remote.py::test_only_wanted_endpoints_are_there",
    "uvicorn.": "tests/server/test_remote.py::test_the_state_is_told",
    "shape:http_response": f"{_EMBEDDINGS}::test_openai_vectors_come_by_their_number_or_else_in_order",
    "shape:_client": "tests/models/test_embedding_answers.py::test_is_left_out_where_it_is_not_known",
    "shape:_name_or_path": "tests/models/test_model_folders.py::test_of_known_families_is_known",
    "shape:idf_word": f"{_SPARSE}::test_parameters_that_their_own_function_saved_are_understood",
    "shape:body_iterator": "tests/server/test_remote.py::test_stream",
    "shape:kwargs": "tests/server/test_remote.py::test_batch",
    "shape:route": "tests/server/test_remote.py::test_metrics_are_counted",
}


def _id(row: Row) -> str:
    return row.name


@pytest.mark.xdist_group("borrowed")
class TestThePage:
    def test_has_a_row_for_all_that_is_borrowed(self) -> None:
        missing = [found for found in borrowed() if not any(row.covers(found) for row in ROWS)]
        assert missing == [], f"add a row to {PAGE.name}, or do without"

    def test_has_no_row_that_is_borrowed_no_longer(self) -> None:
        found = borrowed()
        stale = [
            f"{row.name} in {file}"
            for row in ROWS
            for file in row.files
            if not any(row.covers(one) and one.path == file for one in found)
            and (row.token.startswith("_") or not row.is_mentioned(file))
        ]
        assert stale == []

    def test_names_each_once(self) -> None:
        assert len(NAMES) == len(ROWS) > 60
        assert [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")] != []
        assert len([line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]) == len(ROWS)

    def test_says_in_which_versions_it_was_seen(self) -> None:
        """After a change of the bounds or of constraints.txt: see that all is well, and write the new ones there."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = [*project["dependencies"], *(r for many in project["optional-dependencies"].values() for r in many)]
        bounds = {requirement.name: requirement.specifier for requirement in map(Requirement, wanted)}
        pinned = dict(
            line.split(" ")[0].split("==")
            for line in (ROOT / "constraints.txt").read_text().splitlines()
            if "==" in line and not line.startswith("#")
        )
        for package, (lowest, newest) in versions().items():
            lower = next(one.version for one in bounds[package] if one.operator in (">=", "=="))
            assert (package, Version(lowest)) == (package, Version(lower))
            assert (package, newest) == (package, pinned[package.replace(".", "-")])

    def test_names_the_packages_of_all_its_rows(self) -> None:
        of_module = {package.replace("-", "_").partition(".")[0]: package for package in versions()}
        assert {row.name.partition(".")[0] for row in ROWS if row.kind == "name"} <= of_module.keys()

    def test_every_exemption_is_needed(self) -> None:
        """`DOCUMENTED` lists what is imported, and nothing else."""
        imported = set()
        for path in SRC.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    imported |= {f"{node.module}.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    imported.add(node.value)
        assert [name for name in DOCUMENTED if not any(f"{one}.".startswith(f"{name}.") for one in imported)] == []


class TestTheSearch:
    """Every way to borrow a name is seen; each line is a file of its own."""

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("from pymilvus.client.types import HybridHits", "pymilvus.client.types.HybridHits"),
            ("import httpx._client", "httpx._client"),
            ("def f():\n    from openai import _types", "openai._types"),
            ("def f(client): return client._using", "_using"),
            ("import httpx\nx = getattr(httpx, 'codes')", "codes"),
            ("def f(x): return getattr(x, '_using', None)", "_using"),
            ("def f(x): x._using = 1", "_using"),
            ("def f(x): x.no_class_of_ours_has_this = 1", "no_class_of_ours_has_this"),
            ("from importlib import import_module\nimport_module('pymilvus.orm.utility')", "pymilvus.orm.utility"),
            ("import logging\nlogging.getLogger('httpcore').disabled = True", "logger:httpcore"),
            ("from .extras import borrowed\ndef f(x): return borrowed(x, 'inside', 'p')", "inside"),
            (
                "from langchain_milvus import Milvus\nclass A(Milvus):\n    def _extract_fields(self): ...",
                "_extract_fields",
            ),
            ("from langchain_milvus import Milvus\nclass A(Milvus):\n    def f(self): self._col_cache", "_col_cache"),
            (
                "from langchain_milvus import Milvus\nclass A(Milvus):\n    def f(self): self._col_cache = 1",
                "_col_cache",
            ),
            ("def f():\n    import httpx\n    class A(httpx.Client):\n        def _send(self): super()._x()", "_x"),
        ],
    )
    def test_finds(self, tmp_path: Path, code: str, name: str) -> None:
        (tmp_path / "errors.py").write_text(code)
        assert name in {found.name for found in borrowed(tmp_path)}

    @pytest.mark.parametrize(
        "code",
        [
            "from langchain_core.documents import Document\nfrom pymilvus import MilvusClient",
            "class A:\n    def _f(self): ...\n    def g(self): return self._f()",
            "import os\ndef f(): os._exit(1)",
            "def f(row): return row._replace(a=1)",
            "'''_private in a docstring'''\nx = f'{1}_score'",
        ],
    )
    def test_passes_over(self, tmp_path: Path, code: str) -> None:
        (tmp_path / "errors.py").write_text(code)
        assert borrowed(tmp_path) == []

    def test_wants_names_written_out(self, tmp_path: Path) -> None:
        (tmp_path / "errors.py").write_text("def f(x, name): return getattr(x, f'_{name}')")
        with pytest.raises(AssertionError, match="write the borrowed name out"):
            borrowed(tmp_path)

    def test_of_one_file_is_no_row_of_another(self) -> None:
        row = NAMES["langchain_milvus.Milvus._init"]
        assert row.covers(Borrowed("stores/milvus.py", 1, "_init"))
        assert not row.covers(Borrowed("stores/collection.py", 1, "_init"))


class TestARow:
    @pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "name"], ids=_id)
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_of_a_name_is_there(self, row: Row) -> None:
        assert find(row.name) is not None

    @pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "logger"], ids=_id)
    def test_of_a_logger_is_written_to(self, row: Row) -> None:
        module = {"google_genai": "google.genai"}.get(row.token, row.token)
        root = module.partition(".")[0] if module != "google.genai" else module
        if find_spec(root) is None:
            pytest.skip(f"{root} is not installed")
        importlib.import_module(root)
        if find_spec(module) is not None:
            importlib.import_module(module)
        if root in ("httpx", "httpx2", "httpcore", "httpcore2", "grpc", "milvus_lite", "uvicorn"):
            for inner in ("_client", "_sync.connection", "_common", "server_manager", "server"):
                try:
                    importlib.import_module(f"{root}.{inner}")
                except ImportError:
                    continue
        known = logging.root.manager.loggerDict
        assert any(name == row.token or name.startswith(f"{row.token}.") for name in known)

    @pytest.mark.parametrize("row", [row for row in ROWS if row.kind in ("text", "file")], ids=_id)
    def test_of_a_text_is_in_the_source(self, row: Row, lite_uri: str) -> None:
        if row.token == "milvus_lite":
            with open_store(lite_uri) as store:
                assert store.client.get_server_version().startswith(row.token)
            return
        package = "milvus_lite" if row.kind == "file" else "pymilvus"
        (folder,) = importlib.import_module(package).__path__
        assert any(row.token in file.read_text("utf-8") for file in Path(folder).rglob("*.py"))

    @pytest.mark.parametrize("row", [row for row in ROWS if row.kind in ("name", "shape")], ids=_id)
    def test_is_used_in_earnest_by_a_test(self, row: Row) -> None:
        key = max((key for key in USED_IN if row.name.startswith(key)), key=len)
        path, name = USED_IN[key].split("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        }

    def test_is_used_in_a_way_that_these_know(self) -> None:
        kinds = [key for key in USED_IN if not any(row.name.startswith(key) for row in ROWS)]
        assert kinds == []

    def test_takes_a_packed_request(self, lite_uri: str) -> None:
        with open_store(lite_uri, embedding=WordEmbeddings(8)) as store:
            store.add_texts(["the first row makes the collection"])
            layout = store.collection.existing()
            new = store.to_rows(
                layout, ["1"], ["text"], [{"source": "a.md"}], WordEmbeddings(8).embed_documents(["text"])
            )
            assert packed_rows.write_packed(store.client, layout, new, insert=True, timeout=30) == ["1"]
            answer = store.client.query(layout.name, filter='pk == "1"', output_fields=["pk", "$meta"])
            assert [one.is_dynamic for one in answer._lazy_field_data] == [True]
            assert packed_rows.read_packed(answer) == [{"pk": "1", "source": "a.md"}]


class TestTheError:
    def test_says_which_release_of_what_lacks_which_name(self) -> None:
        with pytest.raises(IncompatiblePackageError) as caught:
            borrow(packed_rows, "no_such_name", "pymilvus")
        assert str(caught.value) == (
            f"pymilvus {version('pymilvus')} has no milvus_rag.stores.packed_rows.no_such_name, which milvus-rag "
            f"needs. Install an earlier pymilvus, or a later milvus-rag."
        )
        assert isinstance(caught.value, MilvusRagError | ImportError)

    def test_is_the_same_for_a_package_that_pip_does_not_know(self) -> None:
        with pytest.raises(PackageNotFoundError):
            version("no-such-package")
        with pytest.raises(IncompatiblePackageError, match=r"^no-such-package \(unknown release\) has no int\.x,"):
            borrow(3, "x", "no-such-package")

    def test_is_not_raised_for_what_is_there(self) -> None:
        assert borrow(packed_rows, "pack", "pymilvus") is packed_rows.pack
