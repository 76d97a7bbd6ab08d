# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus export`, `import` and `artifacts`: what goes out, and what comes from outside sessions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import DenyOption, ForRoleOption
from node0.commands.lazy import when_called
from node0.finetune.corpus.exchange.interchange_turns import Format

if TYPE_CHECKING:
    from node0.commands.corpus.exchange import collect_artifacts, export_entries, import_examples
else:
    collect_artifacts = when_called("node0.commands.corpus.exchange.collect_artifacts")
    export_entries = when_called("node0.commands.corpus.exchange.export_entries")
    import_examples = when_called("node0.commands.corpus.exchange.import_examples")

app = command_app()


@app.command("export")
def export(  # noqa: PLR0913  # each is a choice of the person who exports
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Default: every entry.")] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="Of the lines.")] = Format.TRL,
    facts: Annotated[
        bool, typer.Option("--facts", help="Add role, outcome, bead and the like under `node0`.")
    ] = False,
    copied: Annotated[
        Literal["once", "every"],
        typer.Option(help="Learn answers that a resume or a fork copied once, or in every session."),
    ] = "once",
    output: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    role: OfRoleOption = None,
    town: TownOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The counts as JSON on stdout; needs --output.")
    ] = False,
) -> None:
    """Write entries as JSON lines that other trainers read; quarantined and retracted ones stay.

    \b
    Example:
      node0 corpus export --role deacon --output deacon.jsonl
    """
    if as_json and output is None:
        raise typer.BadParameter("--json needs --output: the entries themselves are JSON lines")
    choice = export_entries.Export(tuple(ids or ()), role=role, form=form, facts=facts, copied=copied)
    if output is None:
        export_entries.print_entries(choice, town)
    else:
        export_entries.write_entries(choice, town, output, as_json=as_json)


@app.command("import")
def import_entries(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="JSON or JSON lines: OpenAI, TRL, ShareGPT, Alpaca."),
    ],
    *,
    role: ForRoleOption = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add examples in another trainer's format, scrubbed; the format is seen line by line.

    \b
    Example:
      node0 corpus import pairs.jsonl --role deacon
    """
    import_examples.import_examples(files, town, role=role, deny=deny or (), as_json=as_json)


@app.command()
def artifacts(
    *,
    rig_root: Annotated[
        list[Path], typer.Option("--rig-root", help="Root of a rig or a town; may be repeated.")
    ],
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect CLAUDE.md, AGENTS.md, formulas, directives, documents and specifications of a root.

    \b
    Example:
      node0 corpus artifacts --rig-root ~/gt/gastown
    """
    collect_artifacts.collect_artifacts(rig_root, town, deny=deny or (), as_json=as_json)
