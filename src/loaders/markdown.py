"""Markdown files as documents: a file, a folder, a zip archive, or a URL of a file or an archive."""

import copy
import hashlib
import math
import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from ..errors import InputError, LoaderError, SourceNotFoundError, UnreadableFileError
from ..source_parts import check_shard, is_in_shard
from ..source_versions import SourceVersion
from .archives import Archive
from .conversions import ConversionLimits, Conversions
from .converted_documents import document_of
from .download import Download, KeptDownload, file_name, is_url, public_url
from .glob_patterns import is_hidden
from .ignoring import IGNORE_FILES
from .kinds import is_known, kind_of
from .selection import LastSurvey, Selection, Survey
from .sources import Files, Folder, SingleFile, reason

MAX_FILE_BYTES = 100 * 2**20
MAX_TOTAL_BYTES = 2**30


class MarkdownLoader(BaseLoader):
    """Loads Markdown files, one document a file, sorted by name and one at a time.

    A document's text is the file's, line ends as line feeds: UTF-8, or what its byte order mark says. Other kinds, such
    as notebooks, HTML and PDF, are turned into Markdown, those that need a library for it in a process of its own. Its
    metadata has

    - ``source``: the file's path below the given one, '/'-separated; of a single file, or a URL of one, its name. It
      is the same on every machine, and the identity of the file.
    - ``title``: the front matter's, else the one heading of level 1 if it is the first of all, else the file's name,
      or its folder's for ``index`` and ``README``. What the format says that the file is called goes before its name.
    - ``front_matter``: the simple fields of the front matter; not there without any.

    Nothing is read before the first document is asked for. Each load downloads a URL anew, but for what `sources` just
    downloaded: the next load reads that.

    Args:
        path: A file of any name, a folder, a .zip, or an http(s) URL of a file or a .zip.
        glob: Which files of a folder or archive, e.g. ``**/*.md`` or ``en/faq/*.{md,mdx}``, or several such. Upper and
            lower case differ. Without any, all files of a known kind (`loaders.kinds`) are taken.
            Files and folders whose names begin with a dot are left out unless the glob has the dot, and folders that
            programs fill, such as ``node_modules``, unless it names them.
        exclude: Which of these are left out.
        on_error: Called with what is wrong with one file or folder below the path, which is then left out. Without
            it, the error is raised.
        shard: ``(2, 4)`` for the second of four parts of the files. A file's part depends on its ``source`` alone.
        max_file_bytes: Limit on each file.
        max_total_bytes: Limit on a download, and on what the files of an archive unpack to together.
        timeout: Seconds that a web server may be silent.
        conversion: What converting a file, such as a PDF, may take.

    Raises:
        InputError: The path is empty or a URL that is not understood, the glob leads out of the path, or a number is
            out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        glob: str | Sequence[str] = (),
        *,
        exclude: Sequence[str] = (),
        on_error: Callable[[LoaderError], None] | None = None,
        shard: tuple[int, int] | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        timeout: float = 30.0,
        conversion: ConversionLimits | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.on_error = on_error
        if not self.path:
            raise InputError("The path is empty. Give a file, a folder, a .zip, or an http(s) URL; '.' is this folder.")
        check_shard(shard)
        if min(max_file_bytes, max_total_bytes, timeout) <= 0:
            raise InputError("max_file_bytes, max_total_bytes and timeout must be greater than 0.")
        self._is_url = is_url(self.path)
        self._selection = Selection((glob,) if isinstance(glob, str) else tuple(glob), tuple(exclude))
        self._shard = shard
        self._max_file_bytes = max_file_bytes
        self._max_total_bytes = max_total_bytes
        self._timeout = timeout
        self._conversion = conversion or ConversionLimits()
        # Shared by shallow copies: they are the same loader with another `on_error`.
        self._kept = KeptDownload()
        self._last = LastSurvey()

    @property
    def root(self) -> str:
        """Names where the files come from, without telling it: a digest of the absolute path or URL."""
        place = public_url(self.path) if self._is_url else str(self._local_path.resolve())
        return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def base(self) -> Path | None:
        """The folder that the names of its sources are relative to; None for an archive, or a URL."""
        if self._is_url:
            return None
        path = self._local_path
        if path.is_dir():
            return Path(os.path.abspath(path))  # noqa: PTH100 - a link's name is what was asked for
        if not _is_file(path) or _is_archive(path, path.name):
            return None
        return Path(os.path.abspath(path)).parent  # noqa: PTH100 - as above

    @property
    def watched(self) -> Path | None:
        """The folder in which all that this loads would change, without links; None for a URL."""
        if self._is_url:
            return None
        place = self._local_path.resolve()
        return place if place.is_dir() else place.parent

    def concerns(self, path: Path) -> bool:
        """Whether a change at a path in `watched` may change what is loaded; of a folder, whether it may hold files."""
        place = self._local_path.resolve()
        if path == place or not place.is_dir():
            return path == place
        if path.name in IGNORE_FILES:
            return True
        name = _source_of(path.relative_to(place).as_posix())
        if self._selection.matches(name):
            return self._in_shard(name)
        # What is gone may have been a folder. None that is hidden, or that programs fill, is taken.
        *above, own = name.split("/")
        is_left_out = any(is_hidden(part) or self._selection.leaves_out(part) for part in (*above, own))
        return not is_left_out and not path.is_file() and not is_known(own)

    @property
    def shard(self) -> tuple[int, int] | None:
        """Which part of the files this is, see the class."""
        return self._shard

    def in_shard(self, number: int, count: int) -> "MarkdownLoader":
        """The same loader, for a part of the files.

        Raises:
            InputError: It is for a part already, or there is no such part.
        """
        shard = (number, count)
        check_shard(shard)
        if self._shard not in (None, shard):
            raise InputError(f"The loader is for the shard {self._shard} already, so it cannot be for {shard}.")
        part = copy.copy(self)
        part._shard = shard
        return part

    def list_sources(self, on_error: Callable[[LoaderError], None]) -> Iterator[str]:
        """`sources`, which also tells of the folders and files that could not be looked at."""
        with self._open(keep=True) as files:
            names = files.names(on_error)
        yield from filter(self._in_shard, names)

    def sources(self) -> Iterator[str]:
        """The ``source`` of all files, sorted; no file is read, but a URL is downloaded, and kept for the next load.

        What is wrong with one file or folder is told by `lazy_load` alone.

        Raises:
            LoaderError: As `lazy_load`, when it concerns all files.
        """
        return self.list_sources(lambda _: None)

    def sample(self, count: int) -> Iterator[Document]:
        """Some documents, at even distances among all, for a look at what they are like.

        They are the same whatever the shard is. What cannot be read is left out, and so is what takes long to convert,
        such as a PDF; a URL is downloaded and kept for the next load, as by `sources`.

        Raises:
            LoaderError: As `lazy_load`, when it concerns all files.
        """
        with self._open(keep=True) as files:
            names = [name for name in files.names(lambda _: None) if kind_of(name).convert is not None]
            for name in names[:: max(1, math.ceil(len(names) / count))]:
                with suppress(LoaderError), Conversions(self._conversion) as conversions:
                    yield self._document(files, self._version(files, name), conversions)

    @property
    def survey(self) -> Survey | None:
        """Which files the last load took and passed over; None before the first."""
        return self._last.survey

    def check_path(self) -> None:
        """Find out early that there is nothing to load; a URL is not asked.

        Raises:
            LoaderError: There is nothing at the path, or it cannot be read.
        """
        if not self._is_url:
            with self._open():
                pass

    def close(self) -> None:
        """Remove what `sources` downloaded and no load has read; otherwise it goes with the loader."""
        self._kept.close()

    def covers(self, source: str) -> bool:
        """Whether a file of this ``source`` would be loaded, were it there. No folder or archive is searched.

        Of a URL that may be a file or an archive, the answer is for both.
        """
        if not self._in_shard(source):
            return False
        if not self._is_url:
            path = self._local_path
            is_single = _is_file(path) and not _is_archive(path, path.name)
            return source == _source_of(path.name) if is_single else self._selection.matches(source)
        name = file_name(self.path)
        if name.lower().endswith(".zip"):
            return self._selection.matches(source)
        return source == _source_of(name) or (not _is_text(name) and self._selection.matches(source))

    def lazy_load(self) -> Iterator[Document]:
        """The documents, sorted by source, one file in memory at a time.

        Raises:
            SourceNotFoundError: There is nothing at the path.
            EmptySourceError: No file matches the glob.
            ArchiveError: The archive, or without `on_error` a file in it, is damaged.
            SourceTooLargeError: Over a limit; of one file, only without `on_error`.
            UnreadableFileError: A file is not UTF-8, cannot be converted, may not be read, or went away; only without
                `on_error`.
            MissingExtraError: The path is a file whose kind needs a package that is not installed.
        """
        yield from self.load_changed(lambda _: False)

    def load_changed(self, is_known: Callable[[SourceVersion], bool]) -> Iterator[Document]:
        """The documents without those of files that are known as they are: such a file is not converted, or not read.

        Args:
            is_known: Asked of every file that would be loaded, in the order of their sources.

        Raises:
            LoaderError: As `lazy_load`.
        """
        with self._open() as files, Conversions(self._conversion) as conversions:
            names = [name for name in files.names(self._report) if self._in_shard(name)]
            self._last.survey = Survey(names, files.passed)
            for name in names:
                # A list, so that no variable here keeps a document while the next one is read.
                yield from self._load(files, name, conversions, is_known)

    def _report(self, error: LoaderError) -> None:
        if self.on_error is None:
            raise error
        self.on_error(error)

    def _load(
        self, files: Files, name: str, conversions: Conversions, is_known: Callable[[SourceVersion], bool]
    ) -> list[Document]:
        try:
            version = self._version(files, name)
            # What cannot be converted any more is to be told, also if it once was.
            if kind_of(name).is_here and is_known(version):
                return []
            return [self._document(files, version, conversions)]
        except LoaderError as exc:
            exc.source, exc.hides_sources = name, False
            if self.on_error is None:
                raise
            self.on_error(exc)
            return []

    def _version(self, files: Files, name: str) -> SourceVersion:
        limit = self._max_file_bytes
        return SourceVersion(
            name,
            reading=f"{kind_of(name).reading};{self._conversion}",
            look=lambda: files.facts(name, limit),
            read=lambda: files.read(name, limit),
        )

    def _document(self, files: Files, version: SourceVersion, conversions: Conversions) -> Document:
        name, content = version.source, version.take()
        converted = conversions.convert(kind_of(name), content, files.describe(name))
        # Not kept while the text is read: it may be as long.
        del content
        return document_of(converted, name)

    def _in_shard(self, name: str) -> bool:
        return is_in_shard(name, self._shard)

    @property
    def _local_path(self) -> Path:
        try:
            return Path(self.path).expanduser()
        except RuntimeError:
            # No such user: it may be a file of that name, and else is told as any path that leads nowhere.
            return Path(self.path)

    @contextmanager
    def _open(self, *, keep: bool = False) -> Iterator[Files]:
        if not self._is_url:
            files = self._files(self._local_path, self.path, self._local_path.name)
            with closing(files):
                yield files
            return
        with ExitStack() as opened:
            download = self._kept.take() or Download(self.path, max_bytes=self._max_total_bytes, timeout=self._timeout)
            opened.enter_context(download)
            files = self._files(download.path, public_url(self.path), file_name(self.path))
            with closing(files):
                yield files
            if keep:
                opened.pop_all()
                self._kept.put(download)

    def _files(self, path: Path, shown: str, name: str) -> Files:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, ValueError) as exc:
            raise SourceNotFoundError(f"There is no file or folder {shown}. Check the path.") from exc
        except OSError as exc:
            raise UnreadableFileError(f"{shown} cannot be read: {reason(exc)}.") from exc
        if is_folder:
            return Folder(path, shown, self._selection)
        if _is_archive(path, name):
            return Archive(path, shown, self._selection, self._max_total_bytes)
        return SingleFile(path, shown, name)


def _is_text(name: str) -> bool:
    return is_known(name)


def _is_archive(path: Path, name: str) -> bool:
    if name.lower().endswith(".zip"):
        return True
    return not _is_text(name) and _is_file(path) and zipfile.is_zipfile(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that may not be searched
        return False


def _source_of(name: str) -> str:
    return unicodedata.normalize("NFC", name)
