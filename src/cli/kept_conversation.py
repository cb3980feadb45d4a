"""The last conversation of a folder, kept so that `ask --continue` goes on with it."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

# More is not read of a history.
_MOST_MESSAGES = 40


@dataclass(frozen=True, slots=True)
class KeptConversation:
    """A file with questions and answers, which only its owner can read.

    Attributes:
        path: The file.
    """

    path: Path

    @classmethod
    def of_folder(cls) -> "KeptConversation":
        """That of the working folder, where programs keep their state (XDG Base Directory Specification)."""
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        name = hashlib.sha256(str(Path.cwd()).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return cls(Path(state).expanduser() / "milvus-rag" / "conversations" / f"{name}.json")

    def read(self) -> list[tuple[str, str]]:
        """What was said: pairs of ``"human"`` or ``"ai"`` and the text, the oldest first; nothing where nothing is."""
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            return [(str(role), str(text)) for role, text in kept if role in ("human", "ai")]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as exc:
            logger.warning("The last conversation cannot be read, so this is a new one: %s", exc)
            return []

    def write(self, said: Sequence[tuple[str, str]]) -> None:
        """Keep a conversation in place of the last one."""
        text = json.dumps(said[-_MOST_MESSAGES:], ensure_ascii=False)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(text)
            beside.replace(self.path)
        except OSError as exc:
            # It was answered; only --continue will not know of it.
            logger.info("The conversation is not kept: %s", exc)
