"""An index that is built anew beside the old one, and what readers, failures and kills find meanwhile."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import sync
from milvus_rag.errors import (
    AuthenticationError,
    CollectionNotFoundError,
    CollectionReplacedError,
    EmbeddingMismatchError,
    InputError,
    ModelError,
)
from milvus_rag.indexing import rebuild as module
from milvus_rag.indexing.rebuild import rebuild
from milvus_rag.stores import collection as collection_module
from milvus_rag.stores.collection import Collection
from support.lite_server import LiteServer
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places
from support.rebuilding import Index

GRACE_SECONDS = module._GRACE_SECONDS
OLD = {"a.md": "one\ntwo", "b.md": "three"}
NEW = {"a.md": "one\nchanged", "c.md": "four"}


@pytest.fixture(params=["Lite", pytest.param("server", marks=pytest.mark.server)])
def index(request: pytest.FixtureRequest, lite_uri: str, collection_name: str) -> Iterator[Index]:
    found = Index(request.getfixturevalue("server_uri") if request.param == "server" else lite_uri, collection_name)
    yield found
    found.drop()


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads on a server but in tests that ask for `grace`."""
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0)


@pytest.fixture
def grace(_no_grace: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old collection is kept a little longer, for those who read on a server."""
    monkeypatch.setattr(module, "_GRACE_SECONDS", GRACE_SECONDS)


@pytest.fixture
def lite(lite_uri: str) -> Index:
    """One kind is enough for what does not depend on it."""
    return Index(lite_uri, "pages")


def fails_after(requests: int, error: Exception) -> Any:
    """For `CountingEmbeddings.wrong`."""
    left = [requests]

    def wrong(_: list[str]) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise error

    return wrong


class TestTheSwitch:
    @pytest.mark.usefixtures("grace")
    def test_makes_the_name_an_alias_and_later_switches_it(self, index: Index) -> None:
        """All the while a store that is open reads the old index, and then the new one."""
        index.sync(OLD)
        assert index.collections == [""]
        stop, found, errors = threading.Event(), [], []
        with index.open() as reader:

            def read() -> None:
                while not stop.is_set():
                    try:
                        hits = reader.similarity_search("one", k=10)
                        documents = reader.search_by_metadata({"source": "a.md"})
                        assert reader.count() in (3, 4)
                    except Exception as exc:  # noqa: BLE001 - raised below
                        errors.append(exc)
                        return
                    found.append(frozenset(hit.page_content for hit in hits if hit.metadata["source"] == "a.md"))
                    assert frozenset(document.page_content for document in documents) <= {"one", "two", "changed"}

            thread = threading.Thread(target=read)
            thread.start()
            try:
                report = index.rebuild({**NEW, "d.md": "five"})
                assert (report.added, report.embedded, report.notes) == (4, 4, [])
                (first,) = index.collections
                assert index.places == chunks_of({**NEW, "d.md": "five"})
                index.rebuild(OLD)
                (second,) = index.collections
            finally:
                stop.set()
                thread.join(60)
            assert errors == []
            assert set(found) <= {frozenset({"one", "two"}), frozenset({"one", "changed"})}
            reader.collection.refresh()
            assert places(reader) == chunks_of(OLD)
        assert second > first > "_2"
        # From now on everything else goes on under the name.
        report = index.sync({**OLD, "a.md": "two"})
        assert (report.unchanged, report.moved, report.removed) == (1, 1, 1)
        assert index.collections == [second]

    def test_needs_no_index_to_begin_with(self, index: Index) -> None:
        assert index.rebuild(NEW).added == 3
        assert index.places == chunks_of(NEW)

    def test_tells_readers_of_another_embedding(self, index: Index) -> None:
        index.sync(OLD)
        with index.open() as reader:
            index.embedding = CountingEmbeddings(dimension=5)
            assert index.rebuild(OLD).embedded == 3
            assert index.places == chunks_of(OLD)
            reader.collection.refresh()
            with pytest.raises(EmbeddingMismatchError, match="8"):
                reader.similarity_search("one", k=1)

    def test_tells_readers_of_another_model_of_the_same_length(self, lite: Index) -> None:
        lite.sync(OLD)
        with lite.open() as reader:
            lite.embedding = CountingEmbeddings(model="newer")
            lite.rebuild(OLD)
            reader.collection.refresh()
            with pytest.raises(EmbeddingMismatchError, match="newer"):
                reader.similarity_search("one", k=1)

    def test_is_not_noticed_while_the_name_is_gone(self, index: Index) -> None:
        """The first switch takes the name from a collection, and gives it to an alias a moment later."""
        index.sync(OLD)
        with index.open() as reader, index.open("other") as switching:
            switching.client.rename_collection(index.name, reader.collection.parked_name)
            (document,) = reader.similarity_search("two", k=1)
            assert document.page_content == "two"
            with index.open() as later:
                assert places(later) == chunks_of(OLD)

    def test_lets_nobody_find_nothing(self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """What counts while its collection is dropped gets 0 from a server."""
        monkeypatch.setattr(collection_module, "LAYOUT_SECONDS", 0)
        index.sync(OLD)
        stop, counts = threading.Event(), set()
        with index.open() as reader, index.open() as switching:

            def read() -> None:
                while not stop.is_set():
                    counts.add(reader.count())

            with ThreadPoolExecutor() as pool:
                reading = pool.submit(read)
                try:
                    for number in range(5):
                        with index.open(f"{index.name}_{number}") as new:
                            sync(Pages(OLD), Lines(), new)
                        old = switching.collection.switch_to(new.collection_name)
                        switching.collection.sibling(old).drop()
                finally:
                    stop.set()
                reading.result(60)
        assert counts == {3}

    def test_can_be_of_the_longest_name(self, index: Index) -> None:
        """What it would be parked at is no name any more; the index itself works."""
        with index.open(f"{index.name}_{'x' * 255}"[:255]) as store:
            assert sync(Pages(OLD), Lines(), store).added == 3
            assert store.count() == 3
            store.collection.drop()
            assert not store.exists

    def test_is_told_from_a_drop(self, lite: Index) -> None:
        lite.sync(OLD)
        with lite.open() as reader:
            reader.client.drop_collection(lite.name)
            with pytest.raises(CollectionNotFoundError):
                reader.similarity_search("two", k=1)

    @pytest.mark.server
    def test_leaves_no_reader_waiting_for_the_new_collection(self, server_uri: str, collection_name: str) -> None:
        index = Index(server_uri, collection_name)
        index.sync(OLD)
        index.rebuild(OLD)
        with index.open("other") as store:
            state = store.client.get_load_state(collection_name + index.collections[0])
        assert str(state["state"]) == "Loaded"
        index.drop()

    def test_goes_on_when_another_process_gave_the_old_collection_its_name_back(
        self, index: Index, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index.sync(OLD)
        with index.open() as switching, index.open() as other, index.open(f"{index.name}_2") as new:
            sync(Pages(NEW), Lines(), new)
            rename = switching.client.rename_collection

            def rename_and_recover(*names: str, **options: Any) -> None:
                rename(*names, **options)
                other.collection.recover_name()

            monkeypatch.setattr(switching.client, "rename_collection", rename_and_recover)
            assert switching.collection.switch_to(new.collection_name) == switching.collection.parked_name
        assert index.places == chunks_of(NEW)

    def test_gives_the_name_back_when_it_is_interrupted(self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        index.sync(OLD)

        def interrupt(*_: str, **__: Any) -> None:
            raise KeyboardInterrupt

        with index.open() as switching, index.open(f"{index.name}_2") as new:
            sync(Pages(NEW), Lines(), new)
            with monkeypatch.context() as patch:
                patch.setattr(switching.client, "create_alias", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    switching.collection.switch_to(new.collection_name)
        assert index.collections == ["", "_2"]
        assert index.places == chunks_of(OLD)

    def test_brings_nothing_back_when_a_drop_dies(self, lite: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """The switch died before it dropped the old collection, and the drop between the two."""
        lite.sync(NEW)
        with lite.open() as store, lite.open(f"{lite.name}_2") as new:
            sync(Pages(OLD), Lines(), new)
            store.collection.switch_to(new.collection_name)
            drop = store.client.drop_collection

            def drop_and_die(*names: str, **options: Any) -> None:
                drop(*names, **options)
                raise KeyboardInterrupt

            monkeypatch.setattr(store.client, "drop_collection", drop_and_die)
            with pytest.raises(KeyboardInterrupt):
                store.collection.drop()
        assert lite.places == chunks_of(OLD)

    def test_may_come_while_a_store_is_opened(self, lite: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        lite.sync(OLD)
        lite.rebuild(OLD)
        load, loads = Collection.load, []

        def rebuild_before(collection: Collection, *arguments: Any, **options: Any) -> None:
            loads.append(collection.name)
            if len(loads) == 1:
                Index(lite.uri, lite.name).rebuild(NEW)
            load(collection, *arguments, **options)

        monkeypatch.setattr(Collection, "load", rebuild_before)
        with lite.open() as store:
            assert places(store) == chunks_of(NEW)

    def test_leaves_nothing_that_a_drop_would_not_take(self, index: Index) -> None:
        """A switch that died after it had given the name away leaves the old collection."""
        index.sync(OLD)
        with index.open() as store:
            parked = store.collection.parked_name
            store.client.rename_collection(index.name, parked)
            index.sync(OLD)
            store.collection.drop()
            assert not store.exists
        assert index.collections == []


class TestDuringASync:
    """The sync finds the index elsewhere before it has written, or when it is through."""

    def sync_beside(self, index: Index, rebuilding: Index, at: int = 0) -> None:
        """A rebuild, from begin to end, while a text of a sync is embedded."""
        begun = []

        def rebuild_once(_: list[str]) -> None:
            begun.append(True)
            if len(begun) == at + 1:
                rebuilding.rebuild(OLD)

        index.embedding.wrong = rebuild_once
        try:
            with index.open() as store:
                sync(Pages({**OLD, "d.md": "five\nsix"}), Lines(), store, batch_size=1, max_concurrency=1)
        finally:
            index.embedding.wrong = lambda _: None

    def test_it_is_told_to_run_again(self, index: Index) -> None:
        index.sync(OLD)
        index.rebuild(OLD)
        self.check(index)

    @pytest.mark.parametrize("at", [0, 1], ids=["at the first text", "at the last text"])
    def test_it_is_told_so_at_the_first_switch_too(self, lite: Index, at: int) -> None:
        lite.sync(OLD)
        self.check(lite, at)

    def check(self, index: Index, at: int = 0) -> None:
        with pytest.raises(CollectionReplacedError, match="Run it again"):
            self.sync_beside(index, Index(index.uri, index.name), at)
        index.sync({**OLD, "d.md": "five\nsix"})
        assert index.places == chunks_of({**OLD, "d.md": "five\nsix"})

    @pytest.mark.parametrize("at", [0, 1], ids=["at the first text", "at the last text"])
    def test_it_puts_no_vector_of_another_embedding_into_the_new_index(self, index: Index, at: int) -> None:
        index.sync(OLD)
        newer = Index(index.uri, index.name)
        newer.embedding = CountingEmbeddings(model="newer")
        with pytest.raises(EmbeddingMismatchError, match="newer"):
            self.sync_beside(index, newer, at)
        newer.sync({**OLD, "d.md": "five\nsix"})
        assert newer.places == chunks_of({**OLD, "d.md": "five\nsix"})
        with newer.open() as store:
            for text in ("one", "five", "six"):
                ((hit, score),) = store.similarity_search_with_score(text, k=1)
                assert (hit.page_content, score) == (text, pytest.approx(1, abs=1e-5))


class TestNothingIsSwitched:
    def test_when_another_folder_came_meanwhile(self, lite: Index) -> None:
        lite.sync(OLD)
        beside = Index(lite.uri, lite.name)

        def sync_beside(_: list[str]) -> None:
            with beside.open() as store:
                sync(Pages({"z.md": "another folder's"}, "another"), Lines(), store)

        lite.embedding.wrong = sync_beside
        with pytest.raises(InputError, match=r"z\.md"):
            lite.rebuild(NEW)
        lite.embedding.wrong, lite.embedding.texts = lambda _: None, []
        assert lite.places == chunks_of({**OLD, "z.md": "another folder's"})
        lite.rebuild(NEW, drop_others=True)
        assert lite.places == chunks_of(NEW)
        assert lite.embedding.texts == []

    def test_when_its_name_leaves_no_room_for_a_date(self, lite_uri: str) -> None:
        index = Index(lite_uri, "x" * 240)
        index.sync(OLD)
        with pytest.raises(InputError, match="has 232 characters at most"):
            index.rebuild(NEW)

    def test_when_a_text_could_not_be_embedded(self, lite: Index) -> None:
        lite.sync(OLD)
        lite.embedding.wrong = lambda texts: refuse("changed", texts)
        report = lite.rebuild(NEW)
        assert [failure.source for failure in report.failed] == ["a.md"]
        assert "The old index stays" in report.notes[-1]
        assert lite.places == chunks_of(OLD)
        # The next one completes what there is.
        lite.embedding.wrong, lite.embedding.texts = lambda _: None, []
        report = lite.rebuild(NEW)
        assert (report.added, report.unchanged, report.failed) == (1, 2, [])
        assert lite.embedding.texts == ["changed"]
        assert lite.places == chunks_of(NEW)
        assert len(lite.collections) == 1

    def test_when_the_run_died(self, index: Index) -> None:
        index.sync(OLD)
        index.embedding.wrong = fails_after(2, AuthenticationError("the key expired"))
        with pytest.raises(AuthenticationError):
            index.rebuild(NEW, batch_size=1, max_concurrency=1)
        assert index.places == chunks_of(OLD)
        index.embedding.wrong, index.embedding.texts = lambda _: None, []
        report = index.rebuild(NEW)
        assert (report.added, report.unchanged) == (1, 2)
        assert len(index.embedding.texts) == 1
        assert index.places == chunks_of(NEW)

    def test_when_there_is_nothing_to_index(self, lite: Index) -> None:
        lite.sync(OLD)
        assert "nothing to index" in lite.rebuild({}).notes[-1]
        assert lite.places == chunks_of(OLD)
        assert lite.collections == [""]

    def test_in_a_dry_run(self, lite: Index) -> None:
        lite.sync(OLD)
        lite.embedding.texts = []
        report = lite.rebuild(NEW, dry_run=True)
        assert (report.added, report.dry_run, lite.embedding.texts) == (3, True, [])
        assert lite.places == chunks_of(OLD)
        assert lite.collections == [""]


def refuse(text: str, texts: list[str]) -> None:
    if text in texts:
        raise ModelError("refused")


class TestWhatDiedRebuildsLeft:
    def leave(self, index: Index, pages: dict[str, str], root: str = "pages") -> str:
        """Begin a rebuild that fails; what it leaves, by what follows the name."""
        wrong = index.embedding.wrong
        index.embedding.wrong = fails_after(1, AuthenticationError("the key expired"))
        with pytest.raises(AuthenticationError):
            index.rebuild(pages, root, batch_size=1, max_concurrency=1, drop_others=True)
        index.embedding.wrong = wrong
        return index.collections[-1]

    def mark(self, index: Index, left: str, **by: object) -> None:
        """Say who works on it."""
        with index.open(index.name + left) as store:
            mark = dict(store.collection.existing().properties["rebuild"])
            here = {"host": socket.gethostname(), "pid": os.getpid(), "process": module._PROCESS}
            alive = {**here, "at": "2026-01-01T00:00:00+00:00", **by}
            store.collection.set_properties({"rebuild": {**mark, "by": alive}})

    def test_is_dropped_when_it_was_of_other_folders(self, lite: Index) -> None:
        lite.sync(OLD)
        self.leave(lite, {"x.md": "six\nseven"}, "elsewhere")
        assert lite.rebuild(NEW).added == 3
        assert lite.places == chunks_of(NEW)
        assert len(lite.collections) == 1

    def test_is_dropped_when_it_was_of_another_embedding(self, lite: Index) -> None:
        lite.sync(OLD)
        self.leave(lite, NEW)
        lite.embedding = CountingEmbeddings(dimension=5)
        assert lite.rebuild(NEW).embedded == 3
        assert lite.places == chunks_of(NEW)
        assert len(lite.collections) == 1

    def test_is_dropped_when_the_index_is_newer(self, lite: Index) -> None:
        left = self.leave(lite, OLD)
        with lite.open() as store:
            newer = lite.name + "_99991231_000000_000000"
            store.collection.sibling(newer).create(dimension=8, bm25=True, sparse=False, properties={})
            store.collection.switch_to(newer)
        assert lite.rebuild(NEW).added == 3
        assert left not in lite.collections
        assert len(lite.collections) == 1

    def test_leaves_other_collections_of_like_names_alone(self, lite: Index) -> None:
        lite.sync(OLD)
        with lite.open(f"{lite.name}_archive") as store:
            sync(Pages(OLD), Lines(), store)
        lite.rebuild(NEW)
        assert "_archive" in lite.collections

    def test_is_left_to_whoever_works_on_it(self, tmp_path: Path) -> None:
        with LiteServer(tmp_path / "served.db") as server:
            self.check_who_works_on_it(Index(server.uri, "pages"))

    def check_who_works_on_it(self, index: Index) -> None:
        left = self.leave(index, OLD)
        for alive in ({"pid": os.getppid()}, {"host": "elsewhere", "at": "9999-01-01T00:00:00+00:00"}):
            self.mark(index, left, **alive)
            index.rebuild(NEW)
            assert left in index.collections
        ended = subprocess.Popen(["true"])
        ended.wait()
        for dead in ({"pid": ended.pid}, {"host": "elsewhere"}, {"process": "one that had this id before"}):
            self.mark(index, left, **dead)
            index.rebuild(NEW)
            assert len(index.collections) == 1
            assert index.places == chunks_of(NEW)
            left = self.leave(index, OLD)

    def test_of_another_process_is_dead_on_milvus_lite(self, lite: Index) -> None:
        """A database is one process' alone."""
        lite.sync(NEW)
        self.mark(lite, self.leave(lite, OLD), pid=os.getppid())
        assert lite.rebuild(OLD).unchanged == 1
        assert len(lite.collections) == 1

    def test_without_the_name_is_mended(self, index: Index) -> None:
        """It died after the old collection was renamed, and before the alias was made."""
        index.sync(OLD)
        with index.open() as store:
            store.client.rename_collection(index.name, store.collection.parked_name)
        index.embedding.texts = []
        assert index.sync(OLD).unchanged == 3
        assert index.embedding.texts == []
        assert index.collections == ["_00000000_000000"]
        assert index.places == chunks_of(OLD)

    def test_without_the_name_is_mended_by_a_rebuild_too(self, lite: Index) -> None:
        lite.sync(OLD)
        with lite.open() as store:
            store.client.rename_collection(lite.name, store.collection.parked_name)
        assert lite.rebuild(NEW).added == 3
        assert len(lite.collections) == 1
        assert lite.places == chunks_of(NEW)

    def test_in_the_database_is_removed(self, lite: Index) -> None:
        """A folder of a collection without its schema, in the making or half dropped; Milvus Lite does not list it."""
        lite.sync(OLD)
        (collections,) = Path(lite.uri).glob("**/collections")
        for name in ("_00000000_000000", "_20260101_000000_000000"):
            (collections / (lite.name + name) / "data").mkdir(parents=True)
        lite.rebuild(NEW)
        assert [path.name for path in collections.iterdir()] == [lite.name + lite.collections[0]]

    def test_is_no_more_when_another_rebuild_switched_to_it(self, lite: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        lite.sync(OLD)
        first = self.leave(lite, NEW)
        lite.rebuild(OLD)
        second = self.leave(lite, {"c.md": "one\ntwo"}, "another")
        left_behind = module._left_behind

        def switch_meanwhile(index: Collection, live: str, *, is_local: bool) -> Iterator[Collection]:
            for left in left_behind(index, live, is_local=is_local):
                index.switch_to(left.name)
                yield left

        monkeypatch.setattr(module, "_left_behind", switch_meanwhile)
        with lite.open(lite.name + second) as live:
            held = live.count()
        lite.embedding.wrong = fails_after(0, AuthenticationError("the key expired"))
        with pytest.raises(AuthenticationError):
            lite.rebuild({"x.md": "seven"}, drop_others=True)
        assert len(lite.places) == held > 0
        assert first != second

    @pytest.mark.server
    def test_as_an_alias_of_nothing_is_removed(self, server_uri: str, collection_name: str) -> None:
        """A server keeps the alias of a collection that another program dropped."""
        index = Index(server_uri, collection_name)
        index.sync(OLD)
        index.rebuild(OLD)
        with index.open() as store:
            store.client.drop_collection(collection_name + index.collections[0])
        assert index.sync(NEW).added == 3
        assert index.places == chunks_of(NEW)
        index.drop()

    def test_of_the_old_index_is_dropped(self, lite: Index) -> None:
        """It died after the switch, and before the old collection was dropped."""
        lite.sync(OLD)
        lite.rebuild(NEW)
        with lite.open() as store:
            store.collection.sibling(store.collection.parked_name).create(
                dimension=8, bm25=True, sparse=False, properties={}
            )
        lite.rebuild(OLD)
        assert len(lite.collections) == 1
        assert lite.places == chunks_of(OLD)


def test_several_loaders_make_one_index(lite: Index) -> None:
    reports = rebuild(
        [Pages(OLD, "first"), Pages({"x.md": "one\nsix"}, "second")], Lines(), lite.open, collection=lite.name
    )
    assert [report.added for report in reports] == [3, 2]
    assert lite.places == chunks_of({**OLD, "x.md": "one\nsix"})
    assert sorted(lite.embedding.texts) == ["one", "six", "three", "two"]
