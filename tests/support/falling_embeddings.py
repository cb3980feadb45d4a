"""Embeddings whose process dies or hangs once, at a given text."""

import os
import signal
import time
from pathlib import Path

from .pages import CountingEmbeddings


class FallingEmbeddings(CountingEmbeddings):
    """`CountingEmbeddings` that end their process, or keep it waiting, at a text.

    Args:
        at: The text.
        mark: A file that is written before, by whoever comes to it first; with the id of the process.
        always: Whether it happens to all, and not to the first alone.
        node: Of Ray: it only hangs there, in place of dying.
    """

    def __init__(
        self, at: str = "", mark: Path | None = None, *, always: bool = False, node: str | None = None
    ) -> None:
        super().__init__()
        self.at = at
        self.mark = mark
        self.always = always
        self.node = node

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.mark is not None and self.at in " ".join(texts):
            self._fall(self.mark)
        return super().embed_documents(texts)

    def _fall(self, mark: Path) -> None:
        if self.node is not None:
            import ray

            if ray.get_runtime_context().get_node_id() != self.node:
                return
            mark.write_text(str(os.getpid()))
            # Until somebody takes the node away.
            while True:
                time.sleep(1)
        if self.always or not mark.exists():
            with mark.open("a") as file:
                file.write(f"{os.getpid()}\n")
            os.kill(os.getpid(), signal.SIGKILL)
