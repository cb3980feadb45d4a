"""Log lines for machines and for people."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from .stderr_lines import stderr_lines

try:
    from langchain_core._api import LangChainDeprecationWarning as _Deprecation
except ImportError:
    # What it has been a kind of.
    _Deprecation = DeprecationWarning  # type: ignore[assignment,misc] # stands in for it

_NOISY = ("pymilvus", "milvus_lite")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line for a terminal; a request's fields as ``name=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        text = super().format(record)
        fields = {
            name: value
            for name, value in getattr(record, "fields", {}).items()
            if name not in ("method", "route", "status")
        }
        return " ".join([text, *(f"{name}={_plain(value)}" for name, value in fields.items())])


@contextmanager
def logs(style: Literal["json", "text"]) -> Iterator[None]:
    """Send logs to stderr in one style until the block ends; as JSON, also whatever else is written there."""
    with stderr_lines() if style == "json" else nullcontext(sys.stderr) as stream:
        _configure(stream, JsonFormatter() if style == "json" else TextFormatter())
        yield


def _configure(stream: TextIO, formatter: logging.Formatter) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.captureWarnings(capture=True)
    # LangServe calls what LangChain calls deprecated, at each request anew.
    warnings.filterwarnings("ignore", category=_Deprecation)
    # Of the libraries that bring no handler, what would be printed as it is.
    logging.getLogger().handlers = [handler]
    for name, level in (("milvus_rag", logging.INFO), ("uvicorn", logging.WARNING), ("py.warnings", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False

    for name in _NOISY:
        # Each outage would be a page of traceback, outside of the style; our errors carry what is known.
        logging.getLogger(name).handlers = []
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _plain(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(character in text for character in ' "\n') else text
