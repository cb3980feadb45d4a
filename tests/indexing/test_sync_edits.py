"""Whatever is done to the files, a sync leaves what a fresh build would, and embeds only what is new."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milvus_rag import MarkdownLoader, MarkdownSplitter, open_store, sync
from support.syncing import rows_of
from support.word_embeddings import WordEmbeddings

_WORDS = ["alpha", "beta", "gamma", "delta"]
_PARAGRAPHS = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3).map(" ".join)
_NAMES = st.sampled_from(["a.md", "b.md", "sub/c.md", "d.md"])
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _NAMES, st.lists(_PARAGRAPHS, max_size=4)),
        st.tuples(st.just("add"), _NAMES, st.lists(_PARAGRAPHS, min_size=1, max_size=1)),
        st.tuples(st.just("swap"), _NAMES, st.just([])),
        st.tuples(st.just("double"), _NAMES, st.just([])),
        st.tuples(st.just("rename"), _NAMES, st.just([])),
        st.tuples(st.just("delete"), _NAMES, st.just([])),
    ),
    min_size=1,
    max_size=4,
)


class _CountingEmbeddings(WordEmbeddings):
    def __init__(self) -> None:
        super().__init__(16)
        self.texts: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return super().embed_documents(texts)


def _edit(folder: Path, kind: str, name: str, paragraphs: list[str]) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    sections = path.read_text().split("\n# ")[1:] if path.exists() else []
    if kind == "write":
        sections = [f"{words.split()[0]}\n\n{words}\n" for words in paragraphs]
    elif kind == "add":
        sections = [f"{words}\n\n{words}\n" for words in paragraphs] + sections
    elif kind == "swap":
        sections = sections[::-1]
    elif kind == "double":
        sections = sections + sections[:1]
    elif path.exists():
        if kind == "rename":
            path.rename(folder / f"renamed-{path.name}")
        else:
            path.unlink()
        return
    path.write_text("".join(f"\n# {section}" for section in sections))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=st.lists(_EDITS, min_size=1, max_size=3))
def test_a_sync_after_any_edits_equals_a_fresh_build(rounds: list[list[tuple[str, str, list[str]]]]) -> None:
    base = Path(tempfile.mkdtemp())
    try:
        folder = base / "docs"
        folder.mkdir()
        (folder / "always.md").write_text("# Always\n\nhere\n")
        embedding = _CountingEmbeddings()
        with open_store(str(base / "kept.db"), embedding=embedding) as store:
            for number, edits in enumerate(rounds):
                for kind, name, paragraphs in edits:
                    _edit(folder, kind, name, paragraphs)
                known = {text for text, _, _ in rows_of(store).values()}
                embedding.texts.clear()
                report = sync(MarkdownLoader(folder), MarkdownSplitter(), store)
                assert not report.failed
                assert len(embedding.texts) == len(set(embedding.texts)), "a text was embedded twice"
                fresh = open_store(str(base / f"fresh{number}.db"), embedding=WordEmbeddings(16))
                with fresh:
                    sync(MarkdownLoader(folder), MarkdownSplitter(), fresh)
                    assert rows_of(store) == rows_of(fresh)
                new = {text for text, _, _ in rows_of(store).values()} - known
                assert report.embedded <= len(new)
                again = sync(MarkdownLoader(folder), MarkdownSplitter(), store)
                assert not again.changed
                assert again.requests == 0
    finally:
        shutil.rmtree(base)
