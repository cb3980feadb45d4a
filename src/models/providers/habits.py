"""What a server was found to refuse: it is asked once more without, and never again with."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ...client_errors import read

# By what refusals of it speak of.
_WORDS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType({
    "stream_options": re.compile(r"stream_options|include_usage", re.IGNORECASE),
    "stream": re.compile(r"\bstream(?:ing|s|ed)?\b", re.IGNORECASE),
    # A model that reads less than it may write says so of both together.
    "max_tokens": re.compile(r"max_(?:completion_)?tokens|context (?:length|size|window)", re.IGNORECASE),
    "encoding_format": re.compile(r"encoding_format|encoding format|base64", re.IGNORECASE),
})  # fmt: skip
_STATUSES: Final = (400, 404, 405, 415, 422, 501)


class Habits:
    """What one server refuses.

    Attributes:
        refused: Names of parameters that it refused, with the values that were asked for.
    """

    def __init__(self) -> None:
        self.refused: frozenset[tuple[str, Any]] = frozenset()

    def learn(self, exc: Exception, sent: Mapping[str, Any]) -> bool:
        """Whether a failure is the refusal of a parameter that can be left out; then it is remembered.

        Args:
            exc: What the client raised.
            sent: Parameters that can be left out, with the values that were sent.
        """
        failure = read(exc)
        if failure.status not in _STATUSES:
            return False
        name = next((name for name, words in _WORDS.items() if name in sent and words.search(failure.message)), None)
        if name is None:
            return False
        self.refuse(name, sent[name])
        return True

    def refuse(self, name: str, value: Any) -> None:
        """Never send this again."""
        self.refused |= {(name, value)}

    def refuses(self, name: str, value: Any) -> bool:
        """Whether this was refused before."""
        return (name, value) in self.refused
