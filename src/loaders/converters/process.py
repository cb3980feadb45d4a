"""The process that converts files: reads one after the other from stdin, and answers on stdout."""

import importlib
import json
import logging
import math
import os
import struct
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import LoaderError

_HEADER = struct.Struct("!Q")
_DEEPEST = 20_000


def main() -> int:
    """Convert until stdin ends."""
    # What a library prints must not come between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.disable()
    warnings.simplefilter("ignore")
    # HTML is nested as deep as somebody likes.
    sys.setrecursionlimit(_DEEPEST)
    requests = sys.stdin.buffer
    begin = _address_space()
    while (request := _read(requests)) is not None and (content := _read(requests)) is not None:
        wanted = json.loads(request)
        found = _answer(wanted, content, begin)
        # What a file took is not all given back; the next one begins with as much as the first.
        found["is_ending"] = _address_space() - begin > wanted["limits"]["memory_bytes"] // 2
        answer = json.dumps(found).encode()
        answers.write(_HEADER.pack(len(answer)) + answer)
        answers.flush()
    return 0


def _read(stream: BinaryIO) -> bytes | None:
    header = stream.read(_HEADER.size)
    return stream.read(_HEADER.unpack(header)[0]) if len(header) == _HEADER.size else None


def _answer(request: dict[str, Any], content: bytes, begin: int) -> dict[str, Any]:
    shown, limits = request["shown"], request["limits"]
    module = importlib.import_module(f"{__package__}.{request['module']}")
    try:
        _limit(limits, begin)
        converted = module.convert(content, shown)
        if len(converted.text) > limits["characters"]:
            return {"error": f"{shown} has more than {limits['characters']:,} characters of text. Split it."}
        # Half of a character has no place in UTF-8.
        text = converted.text.encode("utf-8", "replace").decode()
        return {"text": text, "places": list(converted.places), "title": converted.title}
    except LoaderError as exc:
        return {"error": str(exc)}
    except MemoryError:
        needed = f"{limits['memory_bytes'] // 2**20:,} MiB"
        return {"error": f"{shown} needs more memory than {needed} to be converted. It is left out."}
    except RecursionError:
        return {"error": f"{shown} is nested more deeply than anybody writes. It is left out."}
    except Exception as exc:  # noqa: BLE001 - whatever a library makes of a file that is damaged
        why = " ".join(str(exc).split())[:200] or "no reason given"
        return {"error": f"{shown} cannot be read, it may be damaged: {type(exc).__name__}: {why}"}


def _limit(limits: dict[str, Any], begin: int) -> None:
    """Limit memory to so much more than was used at first, and CPU time, for when nobody watches the clock any more."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits["seconds"])
    for kind, wanted in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, begin + limits["memory_bytes"])):
        hardest = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (wanted if hardest < 0 else min(wanted, hardest), hardest))
        except (ValueError, OSError):
            # macOS does not take every limit; time is watched from outside as well.
            continue


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):
        return 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
