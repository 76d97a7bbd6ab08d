# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus`: collect what a town's sessions left, and look at it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.commands.corpus.exchange import exchange_options
from node0.commands.corpus.hygiene import hygiene_options
from node0.commands.corpus.open_corpus import (
    BeadsOption,
    DenyOption,
    IdArgument,
    RoleOption,
    lines_of,
    make_scrubber,
    open_store,
    read_beads,
    role_name,
    town_if_any,
)
from node0.commands.corpus.operational import operational_options
from node0.commands.corpus.overview import overview_options
from node0.commands.corpus.review import review_options
from node0.commands.corpus.share import share_options
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.corpus.collect.collection_report import Report
    from node0.finetune.corpus.collector import CorpusCollector
    from node0.finetune.corpus.store import EntryHeader
    from node0.finetune.corpus.town.bead_outcomes import Outcomes
    from node0.town import Town

app = typer.Typer(
    help="Collect what a town's sessions left, scrub it, and look at it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

for part in (
    exchange_options,
    hygiene_options,
    operational_options,
    overview_options,
    review_options,
    share_options,
):
    app.add_typer(part.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0-corpus")


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
    """Collect the town's sessions: new ones, and those that have grown."""
    if transcript and session:
        raise typer.BadParameter("--transcript and --session are two sources: give one of them")
    if (transcript or session) and role is None:
        raise typer.BadParameter("--transcript and --session need --role")
    collector, place = _collector(
        town, deny=deny or (), min_tokens=min_tokens, backup=beads, with_beads=session is None
    )
    if session is not None:
        sockets = (place.tmux_socket,)
        entry = collector.collect_from_session(
            session, bead_id, str(role), rig, outcome or "unknown", sockets=sockets
        )
        console.emit([{"id": entry.id, "role": entry.role}] if entry else [], as_json=as_json)
        return
    if transcript is not None:
        report = collector.collect_transcript(
            transcript, str(role), rig=rig, bead_id=bead_id, outcome=outcome
        )
    else:
        report = _collect_town(collector, place, claude_dir or (), since)
    if not report.sessions and not report.entries:
        console.note(f"no session with a transcript; events are read from {place.events_file}")
    reports = {"sessions": report}
    if documents:
        reports["documents"] = collector.collect_documents(place)
    if as_json:
        rows = [{"of": what, **row} for what, report in reports.items() for row in report.rows()]
        console.emit(rows, as_json=True)
        return
    for what, report in reports.items():
        console.emit(report.rows(), as_json=False, title=f"Collected {what}")


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON or JSON lines.")],
    *,
    role: Annotated[str | None, typer.Option(help="For examples that name none.")] = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add curated examples: entries, or objects with a role and messages."""
    from node0.finetune.corpus.exchange.curated import read_curated

    place, store = open_store(town)
    scrubber = make_scrubber(deny or (), town=place)
    # Everything is read before anything is stored, so that a bad file adds nothing.
    entries = [scrubber.scrub_entry(entry) for file in files for entry in read_curated(file, role=role)]
    rows = [
        {"id": scrubbed.entry.id, "role": scrubbed.entry.role, "did": store.add(scrubbed.entry).value}
        for scrubbed in entries
    ]
    console.emit(rows, as_json=as_json)


@app.command("list")
def list_entries(
    *,
    role: RoleOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Newest entries in the table; 0 shows all.")] = 100,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first; --json lists all of them by id."""
    _, store = open_store(town)
    headers = store.headers(role)
    retracted = store.retracted().entries
    if as_json:
        console.emit([header.model_dump() for header in headers], as_json=True)
    elif headers:
        newest = sorted(headers, key=lambda header: header.created_at, reverse=True)
        shown = newest[:limit] if limit else newest
        console.emit([_row(header, retracted=header.id in retracted) for header in shown], as_json=False)
        if len(shown) < len(headers):
            console.note(f"{len(shown)} of {len(headers)} entries; --limit 0 shows all")
    else:
        console.note(f"no entries in {store.root}; see: node0-corpus collect --help")


@app.command()
def show(entry_id: IdArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show one entry, as it will be trained on."""
    from node0.commands.corpus.entry_page import page

    _, store = open_store(town)
    entry = store.get(entry_id)
    if as_json:
        console.write(entry.model_dump_json() + "\n")
        return
    console.write("\n".join(page(entry)) + "\n")


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
    """Show an entry's tokens: trained ones are green, between ⟦ and ⟧ where there is no colour."""
    from node0.finetune.chat.profile import load_profile
    from node0.finetune.chat.render import Renderer
    from node0.finetune.data.preview import preview as preview_rows
    from node0.finetune.data.tokenizer import load_tokenizer

    _, store = open_store(town)
    entry = store.get(entry_id)
    renderer = Renderer(load_tokenizer(tokenizer), load_profile(entry.role, profile))
    rows = preview_rows(entry, renderer, max_length=max_length)
    counts = [
        {"row": number, "tokens": row.n_tokens, "trained": row.n_trained} for number, row in enumerate(rows)
    ]
    if as_json:
        texts = [[asdict(segment) for segment in row.segments] for row in rows]
        console.emit(
            [{**count, "segments": text} for count, text in zip(counts, texts, strict=True)], as_json=True
        )
        return
    for row in rows:
        _print_coloured((segment.text, segment.trained) for segment in row.segments)
    console.emit(counts, as_json=False)


@app.command()
def scrub(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: standard input.")] = None,
    *,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help='Lines {"id", "text"} in, {"id", "text", "findings"} out, in order.'),
    ] = False,
    deny: DenyOption = None,
    town: TownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings instead of the text.")] = False,
) -> None:
    """Scrub a text with the settings of the town, if there is one; nothing is stored."""
    scrubber = make_scrubber(deny or (), town=town_if_any(town))
    if jsonl:
        from node0.commands.corpus.scrub.scrub_lines import scrub_lines

        for line in scrub_lines(scrubber, lines_of(file)):
            console.write(line + "\n")
        return
    text = "".join(lines_of(file))
    if as_json:
        console.emit([finding._asdict() for finding in scrubber.findings(text)], as_json=True)
        return
    scrubbed, found = scrubber.scrub(text)
    console.write(scrubbed)
    for what, count in sorted(Counter(found).items()):
        console.note(f"{what}: {count}")


def _collector(
    town: Path | None, *, deny: Sequence[str], min_tokens: int, backup: Path | None, with_beads: bool
) -> "tuple[CorpusCollector, Town]":
    from node0.finetune.corpus.collector import CorpusCollector

    place, store = open_store(town)
    scrubber = make_scrubber(deny, town=place)
    beads = _beads(place, backup) if with_beads else None
    return CorpusCollector(store, scrubber, min_tokens=min_tokens, beads=beads), place


def _beads(town: "Town", backup: Path | None) -> "Outcomes | None":
    """The town's beads; without, sessions have what events and transcripts tell."""
    from node0.errors import Node0Error

    if backup is None and not town.has_beads:
        return None
    try:
        return read_beads(town, backup, town.dolt_server())
    except Node0Error as error:
        if backup is not None:
            raise
        console.note(f"collecting without beads: {error}")
        return None


def _collect_town(
    collector: "CorpusCollector", town: "Town", claude_dirs: Sequence[Path], since: str | None
) -> "Report":
    from node0.finetune.corpus.town.timestamps import timestamp_of

    moment = timestamp_of(since) if since else None
    if since and moment is None:
        raise typer.BadParameter(f"--since {since!r} is no ISO 8601 date, such as 2026-01-31")
    with console.progress() as bar:
        task = bar.add_task("collect", total=None, detail="")
        return collector.collect_town(
            town,
            claude_dirs=claude_dirs,
            since=moment,
            advance=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _row(header: "EntryHeader", *, retracted: bool) -> dict[str, Any]:
    return {
        "id": header.id,
        "role": header.role,
        "rig": header.rig,
        "task": header.task_type,
        "outcome": header.outcome,
        "bead": header.bead_id,
        "created": header.created_at[:19],
        "tokens": header.tokens,
        "left out": "retracted" if retracted else "quarantine" if header.quarantined else None,
    }


def _print_coloured(parts: Iterable[tuple[str, bool]]) -> None:
    from rich.text import Text

    out = console.stdout()
    coloured = out.is_terminal and out.color_system is not None
    line = Text()
    for text, trained in parts:
        marked = text if coloured or not trained else f"⟦{text}⟧"
        line.append(marked, style="bold green" if trained else "dim")
    out.print(line)
