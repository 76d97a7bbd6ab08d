# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus collect` and `add`: which sessions are collected, and which examples are added."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import BeadsOption, DenyOption, ForRoleOption
from node0.commands.lazy import when_called
from node0.finetune.role import ROLE_RULE, is_role_name

if TYPE_CHECKING:
    from node0.commands.corpus.collect import add_examples, collect_sessions
else:
    add_examples = when_called("node0.commands.corpus.collect.add_examples")
    collect_sessions = when_called("node0.commands.corpus.collect.collect_sessions")

app = command_app()


def role_name(text: str | None) -> str | None:
    """What an option says, where that can be the name of a role."""
    if text is not None and not is_role_name(text):
        raise typer.BadParameter(f"{text!r} is no role name: {ROLE_RULE}")
    return text


@app.command()
def collect(  # noqa: PLR0913  # options of one command
    *,
    town: TownOption = None,
    claude_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--claude-dir", help="Claude configuration directory; may be repeated. Default: the town's."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also sessions that have not changed since they were collected.")
    ] = False,
    since: Annotated[str | None, typer.Option(help="ISO 8601 date; leave out older sessions.")] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="Also the town's instructions and documents.")
    ] = False,
    transcript: Annotated[Path | None, typer.Option(help="Only this session file.")] = None,
    session: Annotated[str | None, typer.Option(help="Only this live tmux session; lossy.")] = None,
    role: Annotated[
        str | None, typer.Option(help="Role of --transcript or --session.", callback=role_name)
    ] = None,
    rig: Annotated[str, typer.Option(help="Its rig.")] = "hq",
    bead_id: Annotated[str | None, typer.Option("--bead-id", help="Its bead.")] = None,
    outcome: Annotated[str, typer.Option(help="Its outcome; default: derived from the transcript.")] = "",
    beads: BeadsOption = None,
    min_tokens: Annotated[int, typer.Option(min=0, help="Leave out shorter conversations.")] = 100,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect the town's sessions: new ones, and those that have grown.

    \b
    Example:
      node0 corpus collect --documents
    """
    if transcript and session:
        raise typer.BadParameter("--transcript and --session are two sources: give one of them")
    if (transcript or session) and role is None:
        raise typer.BadParameter("--transcript and --session need --role")
    request = collect_sessions.CollectRequest(
        town=town,
        claude_dirs=tuple(claude_dir or ()),
        since=since,
        again=again,
        documents=documents,
        transcript=transcript,
        session=session,
        role=role,
        rig=rig,
        bead_id=bead_id,
        outcome=outcome,
        beads=beads,
        min_tokens=min_tokens,
        deny=tuple(deny or ()),
    )
    collect_sessions.collect(request, as_json=as_json)


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="JSON or JSON lines.")],
    *,
    role: ForRoleOption = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add curated examples: entries, or objects with a role and messages.

    \b
    Example:
      node0 corpus add examples.jsonl --role deacon
    """
    add_examples.add_examples(files, town, role=role, deny=deny or (), as_json=as_json)
