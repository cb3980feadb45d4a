"""What can be set about the server, beside what it answers with."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from ..settings import Settings

# Threads that search at once. Milvus Lite searches under one interpreter lock: more threads would only wait for it. A
# server takes as many as come, so threads wait for the network.
_LITE_THREADS = 4
_SERVER_THREADS = 32

Names = Annotated[tuple[str, ...], NoDecode]


class ServerSettings(Settings):
    """Settings of the server: address, access, limits, logs. Environment variables as for `Settings`."""

    # Address
    host: str = Field("127.0.0.1", description="Address to listen on.", min_length=1)
    port: int = Field(8000, description="Port to listen on; 0 picks a free one.", ge=0, le=65_535)
    root_path: str = Field("", description="Path under which a reverse proxy shows the server, e.g. /docs-chat.")

    # Access
    server_key: SecretStr | None = Field(None, description="Key that clients send as a bearer token.")
    no_auth: bool = Field(False, description="Listen on other addresses than loopback without a key.")
    allowed_hosts: Names = Field(
        (), description="Host names that requests may ask for. Default: any; loopback names when bound to loopback."
    )
    allowed_llms: Names = Field((), description="Chat models that a request may choose. Default: the one of llm.")

    # Limits
    max_body_bytes: int = Field(512 * 1024, description="Bytes of a request's body.", ge=1024)
    max_question_chars: int = Field(4000, description="Characters of a question.", ge=1)
    max_batch: int = Field(16, description="Questions in one batch request.", ge=1)
    max_in_progress: int = Field(128, description="Requests that are answered at once.", ge=1)
    request_timeout: float = Field(120.0, description="Seconds that a request may take.", gt=0)
    shutdown_timeout: float = Field(30.0, description="Seconds that running answers get after SIGTERM.", ge=0)
    search_threads: int | None = Field(
        None, description="Searches that run at once. Default: 4 on Milvus Lite, 32 on a server.", ge=1, le=512
    )

    # Milvus Lite
    lite_process: bool = Field(
        True, description="Run Milvus Lite in a process of its own, so that searches do not hold up the answers."
    )

    # Logs
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text.")
    log_questions: bool = Field(False, description="Write questions into the log.")

    @field_validator("allowed_hosts", "allowed_llms", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("root_path")
    @classmethod
    def _slash_in_front_only(cls, path: str) -> str:
        trimmed = path.strip("/")
        return f"/{trimmed}" if trimmed else ""

    @property
    def pool_size(self) -> int:
        """Threads for searches."""
        return self.search_threads or (_SERVER_THREADS if "://" in self.uri else _LITE_THREADS)


def server_settings(settings: Settings) -> ServerSettings:
    """Settings of the library as the server's; what they do not say comes from the environment or the defaults."""
    if isinstance(settings, ServerSettings):
        return settings
    return ServerSettings(**{name: getattr(settings, name) for name in type(settings).model_fields})
