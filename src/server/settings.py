"""The server's settings as they are read and checked, beside what it answers with."""

import ipaddress
import re
from typing import Self

from pydantic import field_validator, model_validator

from ..settings import Settings
from .setting_fields import ANY_ORIGIN, ServerSettingFields

# Threads that search at once. Milvus Lite searches under one interpreter lock: more threads would only wait for it. A
# server takes as many as come, so threads wait for the network.
_LITE_THREADS = 4
_SERVER_THREADS = 32
# Of a page; some are of programs that show pages, such as app://obsidian.md.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class ServerSettings(ServerSettingFields, Settings):
    """Settings of the server: address, access, limits, logs. Environment variables as for `Settings`."""

    @field_validator("root_path")
    @classmethod
    def _slash_in_front_only(cls, path: str) -> str:
        trimmed = path.strip("/")
        return f"/{trimmed}" if trimmed else ""

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        read = tuple(origin.lower().rstrip("/") for origin in origins)
        wrong = [origin for origin in read if origin != ANY_ORIGIN and _ORIGIN.fullmatch(origin) is None]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no origin, such as https://docs.example.org, with neither path nor *")
        return read

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                # As uvicorn reads them, which takes what is neither for a name that no request ever has.
                _ = proxy == "*" or ipaddress.ip_network(proxy)
            except ValueError as exc:
                raise ValueError(
                    f"{proxy!r} is no address or network, such as 10.0.0.5 or 10.0.0.0/24, and not * ({exc})"
                ) from exc
        return proxies

    @model_validator(mode="after")
    def _any_origin_is_meant(self) -> Self:
        if ANY_ORIGIN in self.allowed_origins and self.server_key is not None and not self.allow_any_origin:
            raise ValueError(
                "--allow-origin * lets every page on the web use a key that its reader typed in there: name the "
                "origins, or say that it is meant with --allow-any-origin"
            )
        return self

    @property
    def pool_size(self) -> int:
        """Threads for searches."""
        return self.search_threads or (_SERVER_THREADS if "://" in self.uri else _LITE_THREADS)


def server_settings(settings: Settings) -> ServerSettings:
    """Settings of the library as the server's; what they do not say comes from the environment or the defaults."""
    if isinstance(settings, ServerSettings):
        return settings
    return ServerSettings(**{name: getattr(settings, name) for name in type(settings).model_fields})
