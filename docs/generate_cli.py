"""Write docs/cli.md from what ``--help`` says and from the settings: ``make docs``."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from milvus_rag.cli import app
from milvus_rag.server.setting_fields import ServerSettingFields
from milvus_rag.setting_fields import DeclaredSetting, SettingFields, declared_settings

PAGE = Path(__file__).with_name("cli.md")
_START = """# The command

What `milvus-rag COMMAND --help` says, and every setting. `make docs` writes this page.

An option wins over the environment, the environment over a `.env` file in the working folder. The command exits with 0
when all went well, 1 when something failed, 2 for an argument, option or setting that cannot be used, and 130 after
Ctrl-C. Results go to stdout, everything else to stderr.
"""
_SETTINGS = """## Settings

As environment variables, or lines of `.env`. Keys and addresses of model providers have names of their own, see
[providers](providers.md).
"""


def page() -> str:
    """The whole page."""
    commands = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    parts = [_START, _section("milvus-rag", [])]
    parts += [_section(f"milvus-rag {command}", [command]) for command in commands]
    settings = declared_settings(SettingFields)
    server = [setting for name, setting in declared_settings(ServerSettingFields).items() if name not in settings]
    tables = [*_table(settings.values()), "", "Of the server:", "", *_table(server), ""]
    return "\n".join([*parts, _SETTINGS, *tables])


def _section(title: str, arguments: list[str]) -> str:
    # A fixed width, so that the page is the same on every terminal.
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [str(Path(sys.executable).with_name("milvus-rag")), *arguments, "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    lines = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"## {title}\n\n```text\n{lines}\n```\n"


def _table(settings: Iterable[DeclaredSetting]) -> Iterator[str]:
    yield "| variable | default | bounds | |"
    yield "|---|---|---|---|"
    for setting in settings:
        default = setting.default if setting.setting.default else setting.default and f"`{setting.default}`"
        bounds = setting.setting.bounds and f"`{setting.setting.bounds}`"
        text = setting.described(several="separated by commas")
        yield f"| `{setting.variable}` | {default} | {bounds} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
