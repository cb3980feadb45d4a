"""Milvus Lite in a process of its own, on loopback, for as long as this process wants it.

Lite is written in Python: each of its searches holds the interpreter of the process that it is in. There it stands in
the way of whatever else that process does, such as answering other requests.
"""

import logging
import os
import signal
import subprocess
import sys
import threading

logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
# What is not flushed yet is written at the end.
_STOP_SECONDS = 30.0
_GRACE_SECONDS = 2.0


class LiteProcess:
    """Milvus Lite on a database, in another process. It ends with this one, whatever this one ends of.

    Args:
        path: The database.

    Raises:
        OSError: The process could not be started, or could not open the database.
    """

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this program, and a path that is no option of it
            # Without -P, modules would be looked for in the working folder first.
            [sys.executable, "-P", "-m", __name__, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C in a terminal is for this process, which finishes its answers first and needs the other for them.
            start_new_session=True,
        )
        port = self._port()
        if not port:
            self.close()
            raise OSError(f"Milvus Lite did not start on {path} in a process of its own.")
        self.address = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it; the database is written, and free for others."""
        process = self._process
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            logger.warning("Milvus Lite did not end in %.0f seconds and is killed.", _STOP_SECONDS)
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def _port(self) -> str:
        # A pipe cannot be read with a time limit; a process that is killed closes it.
        watch = threading.Timer(_START_SECONDS, self._process.kill)
        watch.start()
        try:
            # Whatever else a library may print comes before.
            lines = map(str.strip, self._process.stdout or ())
            return next((line for line in lines if line.isdigit()), "")
        finally:
            watch.cancel()


def main() -> int:
    """Serve the database that the command line names until stdin ends; says the port on stdout."""
    # A service manager ends both processes at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What goes wrong is answered to the client, and said by it.
    logging.disable()
    try:
        from milvus_lite.adapter.grpc.server import start_server_in_thread
        from milvus_lite.exceptions import MilvusLiteError
    except ImportError:
        return 1
    try:
        server, database, port = start_server_in_thread(sys.argv[1])
    except (MilvusLiteError, OSError):
        # The other process tries it by itself then, and says what is in the way.
        return 1
    try:
        os.write(sys.stdout.fileno(), f"{port}\n".encode())
        # From here on nobody reads what is printed.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdin.read()
    except BrokenPipeError:
        # The other process is gone.
        return 1
    finally:
        server.stop(_GRACE_SECONDS).wait()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
