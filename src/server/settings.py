"""The server's settings as they are read and checked, beside what it answers with."""

from pydantic import field_validator

from ..settings import Settings
from .setting_fields import ServerSettingFields

# Threads that search at once. Milvus Lite searches under one interpreter lock: more threads would only wait for it. A
# server takes as many as come, so threads wait for the network.
_LITE_THREADS = 4
_SERVER_THREADS = 32


class ServerSettings(ServerSettingFields, Settings):
    """Settings of the server: address, access, limits, logs. Environment variables as for `Settings`."""

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
