"""Write docs/cli.md from what ``--help`` says and from the settings: ``make docs``."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from milvus_rag.cli import app
from milvus_rag.server.settings import ServerSettings
from milvus_rag.settings import PREFIX, Settings

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
    return "\n".join([*parts, _SETTINGS, *_table(Settings), "", "Of the server:", "", *_table(ServerSettings), ""])


def _section(title: str, arguments: list[str]) -> str:
    # A fixed width, so that the page is the same on every terminal.
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [str(Path(sys.executable).with_name("milvus-rag")), *arguments, "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    lines = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"## {title}\n\n```text\n{lines}\n```\n"


def _table(settings: type[Settings]) -> Iterator[str]:
    yield "| variable | default | |"
    yield "|---|---|---|"
    for name, field in settings.model_fields.items():
        if settings is Settings or name not in Settings.model_fields:
            default = "" if field.default in (None, "", ()) else f"`{field.default}`"
            yield f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
