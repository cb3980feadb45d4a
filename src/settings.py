"""The settings as they are read and checked: argument > environment > .env > default."""

import json
import math
import re
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import SettingsError
from .setting_fields import PREFIX, Floor, JsonObjects, SettingFields, Weighing, declared_settings


class Settings(SettingFields, BaseSettings):
    """All that the command line and the server put together.

    Each field can be given as an argument, as an environment variable (``MILVUS_RAG_URI``), or in a ``.env`` file in
    the working folder. Keys of model providers have their vendors' names (``GEMINI_API_KEY``); see ``docs/providers``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        # Lists are written with commas, not as JSON.
        enable_decoding=False,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        setting = declared_settings(cls).get(str(info.field_name))
        if setting is None or not isinstance(value, str):
            return value
        if setting.is_json:
            return _json(value, several=setting.kind == JsonObjects)
        if setting.is_list:
            # A comma in braces belongs to a glob.
            return tuple(part.strip() for part in re.split(r",(?![^{}]*\})", value) if part.strip())
        return next((word for word in setting.words if word.casefold() == value.strip().casefold()), value)

    @field_validator("uri")
    @classmethod
    def _expand_home(cls, uri: str) -> str:
        try:
            return str(Path(uri).expanduser()) if uri.startswith("~") else uri
        except RuntimeError as exc:
            raise ValueError(f"there is no home folder for {Path(uri).parts[0]!r}") from exc

    @field_validator("min_score", mode="before")
    @classmethod
    def _read_floor(cls, given: Any) -> Any:
        if given in get_args(Floor):
            return given
        try:
            floor = float(given)
        except (TypeError, ValueError):
            floor = math.nan
        if not -1 <= floor <= 1:
            raise ValueError("it is auto, none, or a cosine from -1 to 1")
        return floor

    @field_validator("weights", mode="before")
    @classmethod
    def _read_weights(cls, given: Any) -> Any:
        if given in get_args(Weighing):
            return given
        parts = re.split(r"[,/:;\s]+", given.strip()) if isinstance(given, str) else given
        try:
            dense, full_text = map(float, parts)
        except (TypeError, ValueError):
            dense = full_text = math.nan
        if not (dense >= 0 and full_text >= 0 and 0 < dense + full_text < math.inf):
            raise ValueError(
                "they are auto, or two numbers from 0 and not both 0, of the dense search first, e.g. 0.3,0.7"
            )
        return dense, full_text

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


def _json(text: str, *, several: bool) -> Any:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ValueError(f'it is no JSON, such as {{"name": 1}}: {exc}') from exc
    listed = found if several and isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in listed):
        raise ValueError('it is no JSON object, such as {"name": 1}')
    return found


def load_settings(settings_type: type[Settings] = Settings, **arguments: Any) -> Settings:
    """Read settings; arguments that are None count as not given.

    Raises:
        SettingsError: A value cannot be used. The message names its option or its variable, never a secret.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return settings_type(**given)
    except ValidationError as exc:
        declared = declared_settings(settings_type)
        problems = []
        for error in exc.errors(include_input=False, include_url=False):
            setting = declared.get(str(error["loc"][0])) if error["loc"] else None
            where = "settings" if setting is None else setting.flags[0] if setting.name in given else setting.variable
            problems.append(f"{where} cannot be used: {error['msg'].removeprefix('Value error, ')}")
        raise SettingsError("; ".join(problems)) from exc
