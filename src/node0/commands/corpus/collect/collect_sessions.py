# SPDX-License-Identifier: Apache-2.0
"""Collect the sessions of a town, one session file, or one live session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_beads import read_beads
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.errors import BadCorpus, Node0Error, NotFound
from node0.finetune.corpus.collect.collection_report import CollectionReport
from node0.finetune.corpus.collect.look_again import look_again
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.timestamps import timestamp_of
from node0.finetune.role import EVERY_ROLE
from node0.town import Town

_LEFT_OUT = ("entry under ", "answer ")
"How reasons begin for which something of a session is left out."


@dataclass(frozen=True, slots=True)
class CollectRequest:
    """Which sessions are collected, and what is known of them."""

    town: Path | None
    claude_dirs: tuple[Path, ...]
    since: str | None
    documents: bool
    transcript: Path | None
    "Only this session file, of the role, rig, bead and outcome below."

    session: str | None
    "Only this live tmux session, likewise."

    role: str | None
    rig: str
    bead_id: str | None
    outcome: str
    beads: Path | None
    "Backup of the town's beads; None asks its server."

    min_tokens: int
    deny: tuple[str, ...]
    again: bool = False
    "Also sessions that have not changed."


def collect(request: CollectRequest, *, as_json: bool) -> None:
    """Collect what is asked for, and print what came of it."""
    town, store = open_store(request.town, request.role)
    scrubber = make_scrubber(request.deny, town=town)
    beads = _beads(town, request.beads) if request.session is None else None
    collector = CorpusCollector(store, scrubber, min_tokens=request.min_tokens, beads=beads)
    if request.session is not None:
        _collect_live(collector, request, request.session, town, as_json=as_json)
        look_again(store, scrubber)
        return
    reports = {"sessions": _collect_files(collector, request, town)}
    if request.documents:
        reports["documents"] = collector.collect_documents(town)
    _count_again(reports["sessions"], look_again(store, scrubber))
    _show(reports, as_json=as_json)
    if not as_json:
        _say_next(store)


def _count_again(report: CollectionReport, changed: int) -> None:
    if changed:
        report.entries["scrubbed again, of what has become known"] += changed


def _say_next(store: CorpusStore) -> None:
    """What to do with the role that has most entries."""
    counts = {role: len(store.paths(role)) for role in store.roles() if role != EVERY_ROLE}
    if counts:
        role = max(counts, key=lambda name: counts[name])
        console.note(
            f"next: node0 corpus stats, then node0 finetune --role {role} --base-model DIR --dry-run"
        )


def _beads(town: Town, backup: Path | None) -> Outcomes | None:
    """The town's beads; without, sessions have what events and transcripts tell."""
    if backup is None and not town.has_beads:
        return None
    try:
        return read_beads(town, backup, town.dolt_server())
    except Node0Error as error:
        if backup is not None:
            raise
        console.note(f"collecting without beads: {error}")
        return None


def _collect_live(
    collector: CorpusCollector, request: CollectRequest, session: str, town: Town, *, as_json: bool
) -> None:
    entry = collector.collect_from_session(
        session,
        request.bead_id,
        str(request.role),
        request.rig,
        request.outcome or "unknown",
        sockets=(town.tmux_socket,),
    )
    console.emit([{"id": entry.id, "role": entry.role}] if entry else [], as_json=as_json)


def _collect_files(collector: CorpusCollector, request: CollectRequest, town: Town) -> CollectionReport:
    if request.transcript is not None:
        report = collector.collect_transcript(
            request.transcript,
            str(request.role),
            rig=request.rig,
            bead_id=request.bead_id,
            outcome=request.outcome,
        )
        if not report.entries and not report.exact_calls + report.reconstructed_calls + _left_out(report):
            raise BadCorpus(
                f"{request.transcript} holds no session: name a file that a harness wrote, "
                "such as ~/.claude/projects/*/*.jsonl"
            )
    else:
        report = _collect_town(collector, request, town)
    if not report.sessions and not report.entries:
        console.note(f"no session with a transcript; events are read from {town.events_file}")
    return report


def _left_out(report: CollectionReport) -> int:
    """Entries that are too short, and answers that nobody should learn."""
    return sum(count for reason, count in report.skipped.items() if reason.startswith(_LEFT_OUT))


def _collect_town(collector: CorpusCollector, request: CollectRequest, town: Town) -> CollectionReport:
    _require_projects(town, request.claude_dirs)
    since = timestamp_of(request.since) if request.since else None
    if request.since and since is None:
        console.misused(f"--since {request.since!r} is no ISO 8601 date, such as 2026-01-31")
    with console.progress() as bar:
        task = bar.add_task("collect", total=None, detail="")
        return collector.collect_town(
            town,
            claude_dirs=request.claude_dirs,
            since=since,
            again=request.again,
            advance=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _require_projects(town: Town, claude_dirs: Sequence[Path]) -> None:
    """Nothing where every directory that was named holds sessions.

    Raises:
        NotFound: one does not.
    """
    for directory in claude_dirs:
        if not (town.expand(directory) / "projects").is_dir():
            raise NotFound(
                f"no sessions below {directory}: name a configuration directory of Claude Code with "
                "--claude-dir, in which `projects` lies"
            )


def _show(reports: Mapping[str, CollectionReport], *, as_json: bool) -> None:
    if as_json:
        rows = [{"of": what, **row} for what, report in reports.items() for row in report.rows()]
        console.emit(rows, as_json=True)
        return
    for what, report in reports.items():
        console.emit(report.rows(), as_json=False, title=f"Collected {what}")
