"""The command `milvus-rag`: parse, one call of the library, print.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

import errno
import gc
import logging
import sys
from typing import Annotated

import typer

from ..errors import InputError, MilvusRagError, SettingsError, UnknownProviderError
from .asking import ask, search
from .chatting import chat
from .copying import copy
from .evaluation import evaluate
from .indexing import index, info
from .listing import providers
from .output import configure_logging, print_in_any_locale, say
from .serving import doctor, mcp, serve

logger = logging.getLogger(__name__)

# Commands whose process ends with an answer, and whose process stays.
_ONE_QUESTION = frozenset(command.__name__ for command in (ask, search))
_STAYING = frozenset(command.__name__ for command in (serve, mcp, chat))
# In objects that were made and not freed, and in rounds: 700, 10 and 10 otherwise.
_SELDOM = (200_000, 20, 100)
# With the former, making an index of 59,000 chunks would keep 170 MB of garbage; with these it takes no longer.
_LESS_OFTEN = (5_000, 10, 10)

app = typer.Typer(
    name="milvus-rag",
    help="Ask a folder of Markdown questions, on Milvus.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(short_help="Index what is new or changed, and remove what is gone.")(index)
app.command()(search)
app.command()(ask)
app.command(short_help="Talk about the indexed files: each question goes on with those before it.")(chat)
app.command()(info)
app.command(short_help="Copy a collection into another database, vectors and all.")(copy)
app.command()(providers)
app.command(name="eval", short_help="Measure how well passages are found.")(evaluate)
app.command(short_help="Serve a chat page, LangServe's routes, and OpenAI's API.")(serve)
app.command(short_help="Give an agent the documents, by MCP on stdin and stdout.")(mcp)
app.command(short_help="Check what is configured here, and say what to mend.")(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"milvus-rag {version('milvus-rag')}")
        raise typer.Exit


@app.callback()
def _global_options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also show the logs of the libraries.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    from dotenv import load_dotenv

    # Keys of model providers have their vendors' names, so they reach the providers through the environment.
    try:
        load_dotenv(".env", override=False)
    except ValueError as exc:
        raise SettingsError(".env is not UTF-8, or has NUL characters. Save it as UTF-8 text.") from exc
    configure_logging(verbose=verbose)


def _where(exc: OSError) -> str:
    return f", for {exc.filename}" if exc.filename else ""


def main() -> None:
    """Run the command; an error is one line on stderr and exit code 1, or 2 for what the command was given."""
    print_in_any_locale()
    command = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    if command in _ONE_QUESTION:
        # Hardly anything that is imported, loaded or read is garbage: to look through it again and again takes 0.4 s.
        gc.set_threshold(*_SELDOM)
    elif command not in _STAYING:
        gc.set_threshold(*_LESS_OFTEN)
    try:
        app()
    except MilvusRagError as exc:
        say(f"Error: {exc}")
        sys.exit(2 if isinstance(exc, InputError | UnknownProviderError) else 1)
    except Exception as exc:
        logger.info("Where it happened:", exc_info=exc)
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            say(f"Error: There is no room left on the disk{_where(exc)}. Make room, and run it again.")
            sys.exit(1)
        message = " ".join(str(exc).split()) or "no message"
        say(f"Error: {message} ({type(exc).__name__}). This was not foreseen: milvus-rag --verbose shows where.")
        sys.exit(1)
