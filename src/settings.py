"""What can be set: argument > environment > .env > default."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import SettingsError

Mode = Literal["dense", "full_text", "hybrid"]
SplitterName = Literal["markdown", "marker"]

PREFIX = "MILVUS_RAG_"


class Settings(BaseSettings):
    """All that the command line and the server put together.

    Each field can be given as an argument, as an environment variable (``MILVUS_RAG_URI``), or in a ``.env`` file in
    the working folder. Keys of model providers have their vendors' names (``GEMINI_API_KEY``); see ``docs/providers``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=False,
    )

    # Milvus
    uri: str = Field("./milvus_demo.db", description="Milvus: a path ending in .db (Milvus Lite) or a server's URI.")
    token: SecretStr | None = Field(None, description="user:password or API key of the Milvus server.")
    db_name: str | None = Field(None, description="Database on the Milvus server.")
    collection: str = Field("my_rag_collection", description="Collection or alias.", min_length=1)
    timeout: float = Field(30.0, description="Seconds that a call to Milvus may take.", gt=0)

    # Models
    provider: str | None = Field(None, description="Provider of both the chat model and the embeddings.")
    llm: str | None = Field(None, description="Chat model: PROVIDER or PROVIDER:MODEL. Default: local, which quotes.")
    embeddings: str | None = Field(
        None, description="Embedding model: PROVIDER or PROVIDER:MODEL, or none. Default: the collection's own."
    )
    reranker: str | None = Field(None, description="Reranker: jina, jina:MODEL or local:MODEL.")
    model_timeout: float = Field(60.0, description="Seconds that a call to a model may take.", gt=0)

    # Files
    glob: str = Field("**/*.md", description="Files of a folder or archive.")
    splitter: SplitterName = Field(
        "markdown", description="markdown cuts at headings, marker at '# ' as the tutorials do."
    )
    chunk_size: int = Field(1200, description="Characters a chunk may have (markdown splitter).", ge=100, le=20_000)
    language: str | None = Field(None, description="Language of full-text search, or none. Default: english.")

    # Retrieval
    mode: Mode | None = Field(None, description="dense, full_text or hybrid. Default: all that the collection has.")
    k: int = Field(3, description="Passages for an answer.", ge=1, le=100)
    fetch_k: int | None = Field(None, description="Hits of each search before they are fused.", ge=1, le=1000)
    min_score: float | None = Field(None, description="Floor on the cosine of question and passage.", ge=-1, le=1)
    expand: int = Field(0, description="Chunks to add before and after each passage.", ge=0, le=10)

    @field_validator("uri")
    @classmethod
    def _expand_home(cls, uri: str) -> str:
        try:
            return str(Path(uri).expanduser()) if uri.startswith("~") else uri
        except RuntimeError as exc:
            raise ValueError(f"there is no home folder for {Path(uri).parts[0]!r}") from exc

    @model_validator(mode="after")
    def _spread_provider(self) -> Self:
        if self.provider is not None:
            self.llm = self.llm or self.provider
            self.embeddings = self.embeddings or self.provider
        return self

    @property
    def chat_spec(self) -> str:
        """Spec of the chat model."""
        return self.llm or "local"


def load_settings(settings_type: type[Settings] = Settings, **arguments: Any) -> Settings:
    """Read settings; arguments that are None count as not given.

    Raises:
        SettingsError: A value cannot be used. The message names its argument and its variable, never a secret.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return settings_type(**given)
    except ValidationError as exc:
        problems = "; ".join(_problem(error, given) for error in exc.errors(include_input=False, include_url=False))
        raise SettingsError(problems) from exc


def _problem(error: Any, given: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    where = f"--{name.replace('_', '-')}" if name in given else f"{PREFIX}{name.upper()}"
    return f"{where} cannot be used: {error['msg']}"
