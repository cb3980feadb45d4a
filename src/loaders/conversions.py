"""Files that are converted in another process, which may fail, hang or take all memory without harm to this one."""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..errors import InputError, LoaderError, UnreadableFileError
from ..extras import require
from .kinds import EXTRA, Kind
from .text_places import Converted

_MODULE = f"{__package__}.converters.process"
# What a process inherits: where Python and its packages are, and nothing that is secret.
_INHERITED = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LANG",
    "LC_ALL",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
)
_HEADER = struct.Struct("!Q")
# Other processes want the processor too.
_CLOCK = 2.0
# What ends a process that has had its time; Windows has no such signal.
_OUT_OF_TIME = -int(getattr(signal, "SIGXCPU", 1000))


@dataclass(frozen=True, kw_only=True)
class ConversionLimits:
    """What converting one file may take. Over it, the file fails, and no other.

    Attributes:
        seconds: Time of a processor, where the system can limit it, and twice as much by the clock. A PDF of a thousand
            dense pages takes about 15.
        memory_bytes: Memory beside what the converters themselves take, where the system can limit it (not on Windows).
        characters: Length of the Markdown.

    Raises:
        InputError: One is not greater than 0.
    """

    seconds: float = 40.0
    memory_bytes: int = 512 * 2**20
    characters: int = 50_000_000

    def __post_init__(self) -> None:
        """Check them."""
        if min(self.seconds, self.memory_bytes, self.characters) <= 0:
            raise InputError("seconds, memory_bytes and characters of ConversionLimits must be greater than 0.")


class Conversions:
    """Converts files, those of kinds that need it in another process, which is started when first needed.

    Args:
        limits: For each file.
    """

    def __init__(self, limits: ConversionLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def convert(self, kind: Kind, content: bytes, shown: str) -> Converted:
        """Make Markdown of a file.

        Args:
            kind: Its kind.
            content: Its bytes.
            shown: The file, as messages name it.

        Raises:
            MissingExtraError: The kind needs a package that is not installed.
            LoaderError: The file cannot be converted, or not within the limits.
        """
        if kind.convert is not None:
            return kind.convert(content, shown)
        if kind.package and not kind.is_here:
            require(kind.package, EXTRA, f"{shown} ({kind.name})")
        if not content and not kind.may_be_empty:
            raise UnreadableFileError(f"{shown} is empty: it has 0 bytes, which no {kind.name} file has. Get it anew.")
        answer = self._ask(
            {"module": kind.module, "shown": shown, "limits": asdict(self._limits)}, content, shown, kind
        )
        if answer.get("is_ending"):
            # It has taken much memory: the next file gets another.
            self.close()
        if (error := answer.get("error")) is not None:
            raise UnreadableFileError(str(error))
        converted = Converted(answer["text"], [(line, place) for line, place in answer["places"]], answer["title"])
        if not converted.text.strip() and not kind.may_be_empty:
            raise UnreadableFileError(f"{shown} has no text in it. {_NO_TEXT.get(kind.name, 'It is left out.')}")
        return converted

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], content: bytes, shown: str, kind: Kind) -> dict[str, Any]:
        process = self._process = self._process or _start()
        killed = threading.Event()

        def kill() -> None:
            killed.set()
            process.kill()

        # A pipe cannot be read with a time limit; a process that is killed closes it.
        watch = threading.Timer(_CLOCK * self._limits.seconds, kill)
        watch.start()
        try:
            answer = _exchange(
                process, json.dumps(request).encode(), content, _MESSAGE_BYTES + 8 * self._limits.characters
            )
        except BaseException:
            self.close()
            raise
        finally:
            watch.cancel()
        if answer is not None:
            return answer
        self.close()
        if killed.is_set() or process.returncode == _OUT_OF_TIME:
            raise UnreadableFileError(
                f"{shown} takes more than {self._limits.seconds:g} s to convert. It is left out; split it, or give the "
                f"loader a greater ConversionLimits.seconds."
            )
        raise LoaderError(
            f"{shown} ended the converter of {kind.name} files: it is damaged, or needs more memory than "
            f"{self._limits.memory_bytes // 2**20:,} MiB. It is left out."
        )


# Of an answer, beside its text: places, and errors that name the file.
_MESSAGE_BYTES = 2**20
_NO_TEXT = {"PDF": "If its pages are pictures, have their words recognised (OCR) first, e.g. by ocrmypdf."}


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this program
        # Without -P, modules would be looked for in the working folder first.
        [sys.executable, "-P", "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ},
        # Ctrl-C in a terminal is for this process, which ends the other.
        start_new_session=True,
    )


def _exchange(process: subprocess.Popen[bytes], request: bytes, content: bytes, limit: int) -> dict[str, Any] | None:
    """Send a request and its file; the answer, or None where the process ends before it has given one."""
    if process.stdin is None or process.stdout is None:
        return None
    try:
        for part in (request, content):
            process.stdin.write(_HEADER.pack(len(part)))
            process.stdin.write(part)
        process.stdin.flush()
        header = process.stdout.read(_HEADER.size)
        size = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else limit + 1
        answer = process.stdout.read(size) if size <= limit else b""
    except BrokenPipeError:
        return None
    # JSON and no pickle: a file that took the process over may write whatever it likes.
    try:
        found = json.loads(answer)
    except ValueError:
        return None
    return found if _is_answer(found) else None


def _is_answer(found: object) -> bool:
    if not isinstance(found, dict):
        return False
    if isinstance(found.get("error"), str):
        return True
    places = found.get("places")
    return (
        isinstance(found.get("text"), str)
        and isinstance(found.get("title"), str)
        and isinstance(places, list)
        and all(isinstance(line, int) and isinstance(place, dict) for line, place in places)
    )
