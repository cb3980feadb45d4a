"""What the file system says of a file, by which it is known that it did not change, without reading it."""

import hashlib
import os
import stat
import time
from pathlib import Path

# A file that changed less than this ago may change once more within one step of its file system's clock: FAT has steps
# of two seconds. git calls such an entry racy.
_SETTLED_NS = 3 * 10**9
_DIGEST_BYTES = 8


def file_facts(path: Path, limit: int) -> str | None:
    """Digest of a file's number, size and times: of change (mtime), and of change of anything about it (ctime).

    A program may set the first time to what it likes, as archives and checkouts do; the second one no program can, so
    that a file with the same facts has the same content.

    Args:
        path: The file.
        limit: Bytes; of a larger file nothing is said, since reading it fails.

    Returns:
        The digest; None where the facts may stay the same although the content changes: of a file that changed just
        now, on a file system that is only read (images of those have the times that their maker chose), where there is
        no ctime (Windows), or of what is no regular file.
    """
    if not hasattr(os, "statvfs"):
        return None
    # Before anything is asked: what changes later is later than this.
    now = time.time_ns()
    try:
        found = path.stat()
        is_fixed = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except (OSError, ValueError):
        return None
    if is_fixed or not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        return None
    if max(found.st_mtime_ns, found.st_ctime_ns) + _SETTLED_NS > now:
        return None
    facts = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return hashlib.blake2b(repr(facts).encode(), digest_size=_DIGEST_BYTES).hexdigest()
