# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus review` and `audit`: a person decides what no rule is sure about, and looks again later."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import RoleOption, make_scrubber, open_store
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.corpus.quality.review_queue import ReviewQueue

app = typer.Typer()
review = typer.Typer(
    help="Decide about entries that wait in quarantine; until then nothing is trained on them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(review, name="review")

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of entries; see `node0-corpus review list`.")
]


@review.command("list")
def list_waiting(*, role: RoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show each uncertain value with what stands around it. It may be a secret: mind who looks on."""
    rows = [one._asdict() for one in _queue(town).waiting(role)]
    if rows or as_json:
        console.emit(rows, as_json=as_json)
    else:
        console.note("nothing waits in quarantine")


@review.command()
def accept(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """These values are no secrets: the entries may be trained on as they are."""
    queue = _queue(town)
    decided = [_decided(entry_id, queue.accept, "accepted") for entry_id in ids]
    console.emit([*decided, *_settled(queue)], as_json=as_json)


@review.command()
def redact(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """These values are secrets: replace them; the rest of the entries may be trained on."""
    queue = _queue(town)
    decided = [_decided(entry_id, queue.redact, "redacted") for entry_id in ids]
    console.emit([*decided, *_settled(queue)], as_json=as_json)


@review.command()
def drop(ids: IdsArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Delete these entries and retract them, so that no collection writes them again."""
    queue = _queue(town)
    console.emit([_decided(entry_id, queue.drop, "dropped") for entry_id in ids], as_json=as_json)


@app.command()
def audit(
    *,
    role: RoleOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also what waits in quarantine or was accepted in review.")
    ] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for secrets in stored entries with the rules of today; writes a dated report, changes no entry."""
    from node0.finetune.corpus.quality.audit import audit as audited
    from node0.finetune.corpus.quality.audit import kinds, write_report

    place, store = open_store(town)
    report = audited(store, make_scrubber((), town=place), role=role, strict=strict)
    path = write_report(report, store.root)
    if as_json:
        console.emit([report], as_json=True)
    elif report["flagged"]:
        console.emit(kinds(report), as_json=False)
    console.note(f"{report['audited']} entries audited, {len(report['flagged'])} flagged; report: {path}")


def _decided(entry_id: str, decide: Callable[[str], None], did: str) -> dict[str, str]:
    decide(entry_id)
    return {"id": entry_id, "did": did}


def _settled(queue: "ReviewQueue") -> list[dict[str, str]]:
    """The entries that held the same values and nothing else that is uncertain."""
    return [{"id": entry_id, "did": "settled too"} for entry_id in queue.settle()]


def _queue(town: Path | None) -> "ReviewQueue":
    from node0.finetune.corpus.quality.review_queue import ReviewQueue

    place, store = open_store(town)
    return ReviewQueue(store, make_scrubber((), town=place))
