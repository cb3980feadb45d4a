"""`milvus-rag providers`."""

from dataclasses import asdict

import typer

from . import options as o
from .output import print_json


def providers(json: o.Json = False) -> None:
    """List the model providers, and which of them are ready here."""
    from ..models.providers.endpoints import provider_statuses

    rows = provider_statuses()
    if json:
        print_json([{"ready": not row.missing, **asdict(row)} for row in rows])
        return
    for row in rows:
        typer.echo(f"{row.name:<11} {'ready' if not row.missing else 'to do: ' + '; '.join(row.missing)}")
        typer.echo(f"  chat        {row.chat_model}")
        typer.echo(f"  embeddings  {row.embedding_model}")
        typer.echo(f"  key         {' or '.join(row.key_variables) or 'none'}\n")
    typer.echo("Ready is what has all that it needs; whether a server answers there, nobody was asked.")
    typer.echo("Choose by name: --llm PROVIDER[:MODEL], --embeddings PROVIDER[:MODEL], or --provider for both.")
