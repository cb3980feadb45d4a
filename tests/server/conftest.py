"""A small index for the servers of these tests."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag import open_store

# Not among what the tests on the lowest versions have.
collect_ignore = [
    *(["test_page.py", "test_page_conversation.py", "test_markdown.py"] if find_spec("playwright") is None else []),
    *(["test_page_states.py", "test_widget.py"] if find_spec("axe_playwright_python") is None else []),
    *(["test_two_servers.py"] if find_spec("playwright") is None else []),
    *(["test_sockets.py"] if find_spec("langchain_mcp_adapters") is None else []),
    *(["test_openapi.py"] if find_spec("schemathesis") is None else []),
]

# What a page on the web might hold, in the place of a page of documentation.
HOSTILE = """Widgets and scripts

A widget is armed by <script>document.title = "owned"</script> and <img src=x onerror="document.title = 'owned'">.

[A link](javascript:document.title='owned') is followed by **bold** `code`.

```sh
widget --name "wide code" --that-has-to-be-scrolled --on-a-phone --since-no-line-of-it-is-broken --ever
```

| a table | that is wide | with many columns | of long words | unbreakablewordsinatable | andonemoreofthem |
|---|---|---|---|---|---|
| 1 | 2 | 3 | 4 | 5 | 6 |
"""


def _page(source: str, lines: tuple[int, int], headings: list[str], text: str, title: str | None = None) -> Document:
    metadata = {"source": source, "title": title or headings[0], "headings": headings, "chunk": 0}
    return Document(text, metadata={**metadata, "start_line": lines[0], "end_line": lines[1]})


STORED = "Data is stored in object storage as segments."
PAGES = [
    _page("faq/storage.md", (3, 9), ["FAQ", "Where is data stored?"], STORED, title="Manual"),
    _page("faq/flush.md", (1, 4), ["FAQ", "How is data flushed?"], "A flush writes growing data from memory."),
    _page("guide/widgets.md", (10, 14), ["Guide", "Widgets and scripts"], HOSTILE),
    _page("guide/bananas.md", (1, 1), ["Guide"], "Bananas are yellow. They ripen in a paper bag."),
]


@pytest.fixture(scope="session")
def _made_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "docs.db"
    with open_store(str(path)) as store:
        store.add_documents(PAGES, ids=[f"page-{number}" for number in range(len(PAGES))])
    return path


@pytest.fixture(scope="module")
def index_uri(_made_index: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of an index of its own for each module: a Milvus Lite database has one process."""
    path = tmp_path_factory.mktemp("served") / "docs.db"
    shutil.copytree(_made_index, path)
    return str(path)
