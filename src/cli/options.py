"""Options that several commands share beside those of the settings."""

from typing import Annotated

import typer

Filter = Annotated[
    str | None,
    typer.Option(help='Metadata filter as JSON, e.g. \'{"source": "faq.md"}\', or a Milvus expression.'),
]
Docs = Annotated[
    list[str] | None, typer.Option(help="Index what is new below this path first; may be given several times.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; all else goes to stderr.")]
