"""`milvus-rag copy`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..setting_fields import Group
from . import options as o
from .output import count_bar, end_interrupted, print_json
from .setting_options import takes_settings

if TYPE_CHECKING:
    from ..settings import Settings


@takes_settings(Group.MILVUS, without=("consistency_level",))
def copy(
    *,
    to: Annotated[str, typer.Option(help="Where the copy is to be: a path ending in .db, or a server's URI.")],
    to_collection: Annotated[str | None, typer.Option(help="Its name.", show_default="the same")] = None,
    to_token: Annotated[
        str | None,
        typer.Option(
            help="user:password or API key of the server there.", envvar="MILVUS_RAG_TO_TOKEN", show_envvar=True
        ),
    ] = None,
    to_db_name: Annotated[str | None, typer.Option(help="Database on the server there.")] = None,
    json: o.Json = False,
    settings: "Settings",
) -> None:
    """Copy a collection into another database, vectors and all: from Milvus Lite to a server, say.

    Nothing is embedded again. The copy is read back and compared. If it was interrupted, the same command goes on.
    """
    from ..pipeline import copy_index
    from ..stores.connection import public_uri

    try:
        with count_bar("Copying chunks") as on_progress:
            report = copy_index(
                settings, to, collection=to_collection, token=to_token, db_name=to_db_name, on_progress=on_progress
            )
    except KeyboardInterrupt:
        end_interrupted("Interrupted. Run the same command again to complete the copy.")
    if json:
        print_json({"uri": public_uri(to), "collection": to_collection or settings.collection, **asdict(report)})
        return
    removed = f", {report.removed} removed" if report.removed else ""
    typer.echo(
        f"{public_uri(to)}: {report.rows} chunks, {report.written} written{removed}, read back and equal (digest "
        f"{report.digest})."
    )
    if not report.full_text:
        typer.echo("The copy has no full-text search: that server has none, or the collection had none.")
