# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus list`, `show` and `preview`: which entries are looked at, and as what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import IdArgument
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.entries import preview_tokens, show_entries
else:
    preview_tokens = when_called("node0.commands.corpus.entries.preview_tokens", heavy=True)
    show_entries = when_called("node0.commands.corpus.entries.show_entries")

app = command_app()


@app.command("list")
def list_entries(
    *,
    role: OfRoleOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Newest entries in the table; 0 shows all.")] = 100,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first; --json lists all of them by id.

    \b
    Example:
      node0 corpus list --role deacon --limit 20
    """
    show_entries.list_entries(town, role=role, limit=limit, as_json=as_json)


@app.command()
def show(entry_id: IdArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show one entry, as it will be trained on.

    \b
    Example:
      node0 corpus show 3f2a91c0
    """
    show_entries.show_entry(entry_id, town, as_json=as_json)


@app.command()
def preview(
    entry_id: IdArgument,
    *,
    tokenizer: Annotated[str, typer.Option(help="Directory or hub id of a tokenizer.")],
    profile: Annotated[Path | None, typer.Option(help="Deployment profile; default: the role's.")] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Split longer rows, as training does.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an entry's tokens: trained ones are green, between ⟦ and ⟧ where there is no colour.

    \b
    Example:
      node0 corpus preview 3f2a91c0 --tokenizer Qwen/Qwen3-0.6B
    """
    preview_tokens.preview_tokens(
        entry_id, town, tokenizer=tokenizer, profile=profile, max_length=max_length, as_json=as_json
    )
