# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands of `node0-corpus` take."""

from pathlib import Path
from typing import Annotated

import typer

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of an entry; see `node0-corpus list`.")]
DenyOption = Annotated[
    list[str] | None,
    typer.Option("--deny", help="A word that always goes (a name, a host); may be repeated."),
]
BeadsOption = Annotated[
    Path | None,
    typer.Option(
        "--beads",
        help="Backup directory with issues.jsonl and events.jsonl; default: the town's Dolt server.",
    ),
]
ForRoleOption = Annotated[str | None, typer.Option("--role", help="For examples that name none.")]
