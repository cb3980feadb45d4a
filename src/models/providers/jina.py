"""Jina's reranker, through langchain-community's ``JinaRerank``."""

import warnings
from functools import partial
from typing import Any, Final

import requests
from pydantic import SecretStr

from ...error_bodies import read_body
from ...extras import borrowed, require
from .calls import DEFAULT_BACKOFF, Calls, RetryPolicy
from .endpoints import Endpoint, resolve_endpoint
from .event_stream import ErrorAnswerError, UnreadableAnswerError, keys_of, whole_document
from .table import Provider, Spec

DEFAULT_MODEL: Final = "jina-reranker-v2-base-multilingual"
# A row like those of the provider table, which lists what chats or embeds: https://jina.ai/reranker
JINA: Final = Provider(
    name="jina",
    protocol="openai",
    chat_model="",
    embedding_model="",
    embeddings_by="jina",
    # The second is what pymilvus.model reads.
    key_variables=("JINA_API_KEY", "JINAAI_API_KEY"),
    url_variables=("JINA_BASE_URL",),
    base_url="https://api.jina.ai/v1",
    extras=("rerank",),
    models_page="https://jina.ai/reranker",
)


class JinaScorer:
    """Scores texts over Jina's API, with a timeout, retries and clear errors, of which ``JinaRerank`` has none.

    Args:
        model: The model's name, by default `DEFAULT_MODEL`.
        timeout: Seconds to wait for the connection, and for an answer.
        max_retries: Calls after the first one.
        api_key: The key, by default from ``JINA_API_KEY``.
        base_url: The address, by default from ``JINA_BASE_URL`` or Jina's own.

    Raises:
        MissingKeyError: There is no key.
        MissingExtraError: langchain-community is not installed.
        InputError: The timeout or the number of retries cannot be used.
    """

    def __init__(
        self,
        model: str | None,
        *,
        timeout: float,
        max_retries: int,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
    ) -> None:
        # What a key from the environment was stays here.
        self._given: dict[str, Any] = {
            "timeout": timeout,
            "max_retries": max_retries,
            "api_key": api_key,
            "base_url": base_url,
        }
        spec = Spec(JINA, model or DEFAULT_MODEL)
        endpoint = resolve_endpoint(spec, "rerank", api_key=api_key, base_url=base_url)
        key = endpoint.key.get_secret_value() if endpoint.key else ""
        self._client = _jina_rerank()(jina_api_key=key, model=endpoint.model, top_n=None)
        headers = borrowed(self._client, "session", "langchain-community").headers
        self._client.session = _Session(endpoint, timeout, headers)
        policy = RetryPolicy.checked(max_retries=max_retries, backoff=DEFAULT_BACKOFF, timeout=timeout)
        self._calls = Calls(endpoint, policy, requests_are_sound=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(JinaScorer, self._calls.endpoint.model, **self._given), ()

    @property
    def name(self) -> str:
        """The spec."""
        return self._calls.endpoint.name

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        """Score texts; see `milvus_rag.models.reranking.Scorer`."""
        return self._calls.run(lambda: self._once(query, texts))

    def _once(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        results = self._client.rerank(texts, query, top_n=len(texts))
        return [(int(result["index"]), float(result["relevance_score"])) for result in results]


def _jina_rerank() -> Any:
    with warnings.catch_warnings():
        # The package warns at import that it is no longer developed: nothing that a user of this one can act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        return require("langchain_community.document_compressors.jina_rerank", "rerank", "The reranker jina").JinaRerank


class _Session(requests.Session):
    """What ``JinaRerank`` posts with: it passes neither a timeout nor an address, and looks at no status."""

    def __init__(self, endpoint: Endpoint, timeout: float, headers: Any) -> None:
        super().__init__()
        self.headers.update(headers)
        self._url = f"{endpoint.base_url}/rerank"
        self._timeout = timeout

    def post(self, url: str | bytes, *arguments: Any, **options: Any) -> requests.Response:
        response = super().post(self._url, *arguments, timeout=self._timeout, **options)
        response.raise_for_status()
        # It takes any answer for a ranking, or else for an error with a "detail".
        document = whole_document(response.content)
        if not isinstance(document.get("results"), list):
            if read_body(document).message:
                raise ErrorAnswerError(document)
            raise UnreadableAnswerError(f"it {keys_of(document)}, and no list of results")
        return response
