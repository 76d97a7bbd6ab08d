# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus review` and `audit`: a person decides what no rule is sure about, and looks again later."""

from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.review import audit_entries, decide_entries
else:
    audit_entries = when_called("node0.commands.corpus.review.audit_entries")
    decide_entries = when_called("node0.commands.corpus.review.decide_entries")

app = command_app()
review = command_app(
    help="Decide about entries that wait in quarantine; until then nothing is trained on them.", is_group=True
)
app.add_typer(review, name="review")

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID", help="Ids of entries; see `node0-corpus review list`.")
]


@review.command("list")
def list_waiting(
    *,
    role: OfRoleOption = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the values too. They may be secrets: mind who looks on.")
    ] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where uncertain values stand, with what is around them; a sign of a value is a star.

    \b
    Example:
      node0 corpus review list --role deacon --reveal
    """
    decide_entries.list_waiting(town, role=role, reveal=reveal, as_json=as_json)


@review.command()
def accept(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """These values are no secrets: the entries may be trained on as they are.

    \b
    Example:
      node0 corpus review accept 3f2a91c0
    """
    decide_entries.accept(ids, town, as_json=as_json)


@review.command()
def redact(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """These values are secrets: replace them; the rest of the entries may be trained on.

    \b
    Example:
      node0 corpus review redact 3f2a91c0
    """
    decide_entries.redact(ids, town, as_json=as_json)


@review.command()
def drop(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Delete these entries and retract them, so that no collection writes them again.

    \b
    Example:
      node0 corpus review drop 3f2a91c0
    """
    decide_entries.drop(ids, town, as_json=as_json)


@app.command()
def audit(
    *,
    role: OfRoleOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also what waits in quarantine or was accepted in review.")
    ] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look for secrets in stored entries with the rules of today; exit code 1 when there are any.

    Writes a dated report, changes no entry.

    \b
    Example:
      node0 corpus audit --role deacon --strict
    """
    return audit_entries.audit_entries(town, role=role, strict=strict, as_json=as_json)
