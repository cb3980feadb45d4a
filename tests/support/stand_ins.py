"""The machine of a reader with keys, at whose vendors' places servers of this machine answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .gemini_server import GeminiServer
from .hub_server import hub_server
from .jina_server import JinaServer
from .openai_server import OpenAIServer
from .tiny_onnx import make_dense_model

_KEYS = ("FIREWORKS_API_KEY", "GEMINI_API_KEY", "LEPTONAI_TOKEN", "OPENAI_API_KEY")
_LOCAL_MODEL = "Qdrant/all-MiniLM-L6-v2-onnx"


@contextmanager
def stand_ins(folder: Path) -> Iterator[dict[str, str]]:
    """Let all vendors and a model hub be here.

    Args:
        folder: For the hub's model and its caches.

    Yields:
        The environment variables that lead there. At the end, nothing was sent that a vendor would not accept.
    """
    model = make_dense_model(folder / "repository", dimension=384)
    openai, gemini, jina = OpenAIServer(key=None, uses_tools=True), GeminiServer(key=None), JinaServer()
    with openai, gemini, jina, hub_server(_LOCAL_MODEL, model) as (hub, _):
        yield {
            "FIREWORKS_BASE_URL": openai.base_url,
            "GEMINI_BASE_URL": gemini.base_url,
            "LEPTON_BASE_URL": openai.base_url,
            "OPENAI_BASE_URL": openai.base_url,
            **dict.fromkeys(_KEYS, "key"),
            **jina.environment,
            "HF_ENDPOINT": hub,
            "HF_HOME": str(folder),
            "HF_HUB_OFFLINE": "0",
            "FASTEMBED_CACHE_PATH": str(folder / "models"),
        }
        assert [*openai.violations, *gemini.violations, *jina.violations] == []
