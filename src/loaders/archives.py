"""Files in a zip archive, read in place."""

import re
import stat
import zipfile
import zlib
from pathlib import Path

from typing_extensions import override

from ..errors import ArchiveError, EmptySourceError, SourceTooLargeError, UnreadableFileError
from .glob_patterns import is_hidden
from .selection import Selection
from .sources import Files, Report, stable_name, too_large

# What zipfile lets through when the bytes of an archive are damaged.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, KeyError, IndexError)

_ENCRYPTED = 0x1


class Archive(Files):
    """The files in a zip that are chosen.

    Nothing is unpacked to disk. A member whose name would lead out of the archive (``../a.md``, ``/a.md``) is reported
    and left out; links are left out.

    Raises:
        ArchiveError: It is not a zip, or damaged.
    """

    def __init__(self, path: Path, shown: str, selection: Selection, max_total_bytes: int) -> None:
        super().__init__(shown)
        self._selection = selection
        self._max_total_bytes = max_total_bytes
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_DAMAGE, OSError, NotImplementedError) as exc:
            raise ArchiveError(
                f"{shown} is no zip archive that can be read: {exc}. Is it complete? Get it anew."
            ) from exc

    @override
    def names(self, report: Report) -> list[str]:
        # The last of several members of one name counts, as for every unzip.
        members = {_plain_name(info): info for info in self._zip.infolist() if _is_file(info)}
        self._members = {}
        self.passed = {}
        for path in sorted(members):
            inside = _inside(path)
            if not inside or not self._takes(inside):
                continue
            if inside != path:
                error = UnreadableFileError(f"{path} in {self.shown} is left out: its name leads out of the archive.")
                error.source = path
                report(error)
                continue
            name = stable_name(path, self._members, self.shown, report)
            if name is not None:
                self._members[name] = members[path]
        if not self._members:
            tops = sorted({info.filename.split("/")[0] for info in self._zip.infolist()})
            raise EmptySourceError(
                f"No file in {self.shown} {self._selection.condition}. "
                f"Names in it begin with: {', '.join(tops[:5]) or '(it is empty)'}."
            )
        self._check_total()
        return sorted(self._members)

    def _takes(self, path: str) -> bool:
        """Whether a member is chosen; a `.gitignore` in an archive says nothing, since what it names was packed."""
        *folders, _ = path.split("/")
        for depth, folder in enumerate(folders, start=1):
            if self._selection.leaves_out(folder):
                self.passed["/".join(folders[:depth]) + "/"] = "made by a program"
                return False
        if self._selection.matches(path):
            return True
        if not any(is_hidden(part) for part in path.split("/")):
            self.passed[path] = self._selection.why_not(path)
        return False

    def _check_total(self) -> None:
        total = sum(info.file_size for info in self._members.values())
        if total > self._max_total_bytes:
            raise SourceTooLargeError(
                f"{self.shown} unpacks to {total:,} bytes, over the limit of {self._max_total_bytes:,}. "
                f"Choose fewer files with a glob, or raise max_total_bytes if the archive is trusted."
            )

    @override
    def read(self, name: str, limit: int) -> bytes:
        shown = self.describe(name)
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableFileError(f"{shown} is encrypted. Unpack the archive, and give the folder.")
        if info.file_size > limit:
            raise too_large(shown, limit)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others cannot be told to stop after so many bytes.
            raise UnreadableFileError(f"{shown} is packed by a method other than deflate. Pack the archive anew.")
        try:
            with self._zip.open(info) as member:
                # No more than the size that was held against the limits comes out, whatever is packed.
                return member.read(info.file_size + 1)
        except (*_DAMAGE, OSError, RuntimeError, NotImplementedError) as exc:
            raise ArchiveError(f"{shown} cannot be unpacked: {exc}. Is the archive damaged? Get it anew.") from exc

    @override
    def close(self) -> None:
        self._zip.close()


def _is_file(info: zipfile.ZipInfo) -> bool:
    # ZipInfo.is_dir fails on the empty name of a damaged archive.
    return not info.filename.endswith(("/", "\\")) and not stat.S_ISLNK(info.external_attr >> 16)


def _plain_name(info: zipfile.ZipInfo) -> str:
    # Some programs on Windows pack names with backslashes, and others begin them with "./".
    path = info.filename.replace("\\", "/")
    return path.removeprefix("./")


def _inside(path: str) -> str:
    """A path without what leads out of its root."""
    return "/".join(part for part in re.sub("^[A-Za-z]:", "", path).split("/") if part not in ("", ".", ".."))
