"""From a loader to chunks: what it gives is cut, source by source, and what it cannot give is noted."""

import copy
import threading
from collections.abc import Callable, Iterator
from typing import cast

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer, Document

from ..chunk_keys import SOURCE_KEY
from ..errors import InputError, LoaderError
from ..source_parts import is_in_shard
from ..source_versions import SourceVersion
from .chunks import Chunk, by_source, read_chunks
from .embedding_requests import StoppedError
from .likeness import word_digests
from .loader_protocols import ListingLoader, ReportingLoader, SamplingLoader, VersionedLoader
from .recording import Recording
from .sampling import peeked, prose_samples, sampled
from .scope import Scope
from .splitting import split
from .tally import Tally


class Reader:
    """Reads all that a loader gives.

    Args:
        loader: Gives documents.
        splitter: Cuts them.
        scope: What it covers, and how its sources are named.
        recording: Says which sources need not be read.
        tally: Told of every source, and of what failed.
        stop: Ends it.
        shard: Which of its documents are read, where the loader itself does not choose by that.

    Attributes:
        sources: Names of the sources that were given so far.
        others: How many documents of other shards the loader gave.
        hidden: Whether there was something that the loader could not read, and behind which there may be more sources.
        error: What the loader raised at its end, None where it came to one.
        words: Of each source that was read, digests of its text's words, where they are wanted.
    """

    def __init__(
        self,
        loader: BaseLoader,
        splitter: BaseDocumentTransformer,
        *,
        scope: Scope,
        recording: Recording,
        tally: Tally,
        stop: threading.Event,
        shard: tuple[int, int] | None = None,
    ) -> None:
        self._shard = shard
        self._loader = loader
        self._splitter = splitter
        self._scope = scope
        self._recording = recording
        self._tally = tally
        self._stop = stop
        self.sources: set[str] = set()
        self.others = 0
        self.hidden = False
        self.error: Exception | None = None
        self.words: dict[str, frozenset[int]] | None = {} if scope.may_be_another else None
        self._loaded: Iterator[Document] | None = None

    @property
    def gave_any(self) -> bool:
        """Whether the loader gave anything so far, be it of another shard."""
        return bool(self.sources or self.others)

    def sample(self) -> list[str]:
        """Some of what will be read, before it is: some ten thousand characters of the texts' prose.

        Of a loader that cannot give some documents from all over, its first are read, and kept for `chunks`.
        """
        if isinstance(self._loader, SamplingLoader) and (texts := sampled(self._loader)):
            return texts
        first, self._loaded = peeked(self._load(), self._stop)
        return prose_samples(first)

    def chunks(self) -> Iterator[list[Chunk]]:
        """The chunks of one source after the other.

        Raises:
            InputError: The loader gave a source twice, or one without a name.
            StoppedError: The run was stopped.
        """
        loaded, self._loaded = self._loaded or self._load(), None
        sources = by_source(prefixed(self._of_shard(loaded), self._scope.prefix))
        while True:
            try:
                source, documents = next(sources, (None, []))
            except StoppedError:
                raise
            except Exception as exc:  # noqa: BLE001 - the loader's, whatever it is; what came before is indexed
                self.error = exc
                return
            if self._stop.is_set():
                raise StoppedError
            if source is None:
                return
            if source in self.sources:
                raise InputError(
                    f"The loader gave {source!r} twice, with other sources between: the second would replace "
                    f"the first. Give each file a source of its own."
                )
            self.sources.add(source)
            try:
                if self.words is not None:
                    self.words[source] = word_digests(document.page_content for document in documents)
                chunks = read_chunks(source, split(self._splitter, documents), self._recording.version_of(source))
                chunks = self._recording.with_record(source, chunks)
            except Exception as exc:  # noqa: BLE001 - the splitter's, whatever it is
                self._tally.source_failed(source, f"The splitter failed ({type(exc).__name__}): {exc}")
                chunks = []
            yield chunks
            self._tally.source_read()

    def count_sources(self) -> int | None:
        """How many sources there will be; None where the loader does not tell."""
        # What it cannot read is told when it is read, and once.
        silent = quiet(self._loader)
        if not isinstance(silent, ListingLoader):
            return None
        try:
            return sum(is_in_shard(source, self._shard) for source in silent.sources())
        except LoaderError:
            return None

    def _load(self) -> Iterator[Document]:
        loader = watched(self._loader, self._note_unreadable)
        if self._recording.is_possible and isinstance(loader, VersionedLoader):
            return loader.load_changed(self._is_known)
        return loader.lazy_load()

    def _of_shard(self, documents: Iterator[Document]) -> Iterator[Document]:
        for document in documents:
            source = document.metadata.get(SOURCE_KEY)
            if isinstance(source, str) and not is_in_shard(source, self._shard):
                self.others += 1
                continue
            yield document

    def _is_known(self, version: SourceVersion) -> bool:
        if self._stop.is_set():
            raise StoppedError
        if not is_in_shard(version.source, self._shard):
            self.others += 1
            return True
        source = self._scope.prefix + version.source
        rows = self._recording.rows_if_known(source, version)
        if rows is None:
            return False
        self.sources.add(source)
        self._tally.unchanged(rows)
        self._tally.source_read()
        return True

    def _note_unreadable(self, error: Exception) -> None:
        self.hidden |= hides_sources(error)
        source = failed_source(error)
        if isinstance(source, str) and not is_in_shard(source, self._shard):
            return
        self._tally.source_failed(name_of_failed(error, self._scope), str(error))


def hides_sources(error: Exception) -> bool:
    """Whether there may be sources that are not given because of an error; of another's than ours it is not known."""
    return bool(getattr(error, "hides_sources", True))


def failed_source(error: Exception) -> object:
    """The source that an error concerns, as the loader names it; None where it does not say."""
    return getattr(error, "source", None)


def name_of_failed(error: Exception, scope: Scope) -> str:
    """What a report calls that which could not be read: the source, or all that is loaded."""
    source = failed_source(error)
    return f"{scope.prefix}{source}" if source else scope.root


def prefixed(documents: Iterator[Document], prefix: str) -> Iterator[Document]:
    """Documents whose sources are named as below the folder that is known as a whole."""
    for document in documents:
        source = document.metadata.get(SOURCE_KEY)
        if prefix and isinstance(source, str) and source:
            document = document.model_copy(update={"metadata": {**document.metadata, SOURCE_KEY: prefix + source}})
        yield document


def quiet(loader: BaseLoader) -> BaseLoader:
    """A loader that leaves out what cannot be read and tells nobody: whoever loads it in earnest is told."""
    return _reporting_to(loader, lambda _: None) if isinstance(loader, ReportingLoader) else loader


def watched(loader: BaseLoader, on_error: Callable[[Exception], None]) -> BaseLoader:
    """A loader that also tells somebody else of what cannot be read, where it can go on after that."""
    if not isinstance(loader, ReportingLoader):
        return loader
    users = loader.on_error

    def report(error: Exception) -> None:
        on_error(error)
        if users is not None:
            users(error)

    return _reporting_to(loader, report)


def _reporting_to(loader: ReportingLoader, on_error: Callable[[Exception], None]) -> BaseLoader:
    copied = copy.copy(loader)
    copied.on_error = on_error
    return cast("BaseLoader", copied)
