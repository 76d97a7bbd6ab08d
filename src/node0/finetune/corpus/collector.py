# SPDX-License-Identifier: Apache-2.0
"""Fill the corpus from a town: session transcripts, named by its events, and its documents.

A pull: nothing in the town has to signal an end. Each `session_start` names a transcript, found by its
uuid under every Claude configuration directory. Collecting twice adds nothing; a transcript that grew, an
outcome that became known or new scrub rules update the entries. What was collected is remembered in
`<corpus>/.collector.json`, because gt drops old events. Outcomes: see `sessions`.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.capture import capture_session
from node0.finetune.corpus.collector_state import CollectorState, fingerprint
from node0.finetune.corpus.documents import document_entry, documents_of, rig_of
from node0.finetune.corpus.formatter import CorpusFormatter
from node0.finetune.corpus.schema import CorpusEntry, estimated_tokens
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.sessions import (
    TOWN_RIG,
    Session,
    Window,
    moment_of,
    read_events,
    sessions_of,
    task_of,
)
from node0.finetune.corpus.store import Added, CorpusStore
from node0.finetune.corpus.transcript import Transcript
from node0.town import Town

logger = logging.getLogger(__name__)

MIN_TOKENS = 100
STATE = ".collector.json"


@dataclass
class Report:
    """What one collection did."""

    sessions: int = 0
    "Sessions with a transcript."

    exact_calls: int = 0
    reconstructed_calls: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    "Entries by what happened to them: new, updated, unchanged."

    outcomes: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    uncertain: Counter[str] = field(default_factory=Counter)
    "Findings that put an entry into quarantine."

    skipped: Counter[str] = field(default_factory=Counter)

    def rows(self) -> list[dict[str, Any]]:
        """The report as a table: what, which, how many."""
        rows: list[dict[str, Any]] = [
            {"what": "sessions", "which": "read", "count": self.sessions},
            {"what": "requests", "which": "exact", "count": self.exact_calls},
            {"what": "requests", "which": "reconstructed", "count": self.reconstructed_calls},
        ]
        parts = {
            "entries": self.entries,
            "outcome": self.outcomes,
            "redacted": self.redacted,
            "quarantined": self.uncertain,
            "skipped": self.skipped,
        }
        for what, counts in parts.items():
            rows += [{"what": what, "which": which, "count": counts[which]} for which in sorted(counts)]
        return rows


class CorpusCollector:
    """Collects into one store.

    Args:
        store: Where entries go.
        scrubber: Made before anything is read, so that nothing is stored when it cannot run.
        min_tokens: Shorter conversations are counted and left out.
    """

    def __init__(
        self, store: CorpusStore, scrubber: CorpusScrubber | None = None, *, min_tokens: int = MIN_TOKENS
    ) -> None:
        self._store = store
        self._scrubber = scrubber or CorpusScrubber()
        self._formatter = CorpusFormatter(self._scrubber)
        self._min_tokens = min_tokens

    def collect_town(
        self,
        town: Town,
        *,
        claude_dirs: Sequence[Path] = (),
        since: datetime | None = None,
        advance: Callable[[int, int], None] = lambda done, total: None,
    ) -> Report:
        """Every session that the town's events name or that an earlier collection remembers.

        Args:
            since: Leave out sessions that started earlier.
            advance: Called with how many sessions are done, and of how many.
        """
        report = Report()
        self._store.sweep()
        state = CollectorState(self._store.root / STATE)
        named = {
            session.session_id: session
            for session in sessions_of(read_events(town.events_file, report.skipped))
        }
        sessions = {**state.sessions(), **named}
        wanted = [session for session in sessions.values() if not since or _started(session) >= since]
        report.skipped["session before --since"] += len(sessions) - len(wanted)
        files = _transcripts(town.claude_dirs(claude_dirs))
        for number, session in enumerate(wanted):
            paths = files.get(session.session_id, [])
            if not paths:
                report.skipped["session without a transcript"] += 1
            elif state.seen(session, paths, self._scrubber.version):
                report.sessions += 1
                report.skipped["session that has not changed"] += 1
            else:
                mark = fingerprint(session, paths, self._scrubber.version)
                self._session(session, paths, report)
                state.remember(session, mark)
            advance(number + 1, len(wanted))
        state.save()
        report.skipped = +report.skipped
        return report

    def collect_transcript(
        self,
        path: Path,
        role: str,
        *,
        rig: str = TOWN_RIG,
        bead_id: str | None = None,
        outcome: str = "",
    ) -> Report:
        """One session file, as one window; an empty outcome is derived from the transcript.

        Raises:
            NotFound: there is no such file.
        """
        if not path.is_file():
            raise NotFound(f"no transcript at {path}: name a .jsonl file of a session")
        report = Report()
        window = Window(datetime.min.replace(tzinfo=UTC), bead_id, task_of(role), outcome)
        name = Transcript(path).session_id or path.stem
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
        beside = sorted((path.with_suffix("") / "subagents").glob("agent-*.jsonl"))
        self._session(Session(name, role, rig, changed, (window,)), [path, *beside], report)
        report.skipped = +report.skipped
        return report

    def collect_from_session(
        self,
        session_name: str,
        bead_id: str | None,
        role: str,
        rig: str,
        outcome: str,
        *,
        sockets: Sequence[str] = (),
    ) -> CorpusEntry | None:
        """What a live tmux session shows; None, with a warning, when it is too short or has no complete turn.

        Args:
            sockets: Names of tmux servers to ask before the default one.

        Raises:
            NotFound: there is no such session.
        """
        text = capture_session(session_name, sockets)
        if len(text) // 4 < self._min_tokens:
            logger.warning(
                "session %s shows fewer than %d tokens: nothing stored", session_name, self._min_tokens
            )
            return None
        try:
            entry = self._formatter.format_session(text, role, rig, bead_id, outcome, task_of(role))
        except BadCorpus:
            logger.warning("session %s shows no complete turn: nothing stored", session_name)
            return None
        if self._store.add(entry) is Added.RETRACTED:
            logger.warning("session %s was retracted: nothing stored", session_name)
            return None
        return entry

    def collect_documents(self, town: Town) -> Report:
        """The town's instructions, formulas, directives and documents, each as one system turn."""
        report = Report()
        for document in documents_of(town):
            name = document.path.relative_to(town.root).as_posix()
            entry = document_entry(document, name, rig_of(town, name))
            if entry is None:
                report.skipped["empty document"] += 1
            else:
                self._add(entry, report)
        return report

    def _session(self, session: Session, paths: Sequence[Path], report: Report) -> None:
        report.sessions += 1
        for path in paths:
            transcript = Transcript(path)
            for row in transcript.rows():
                for entry in self._formatter.format_row(row, session, report.skipped):
                    if estimated_tokens(entry.messages) < self._min_tokens:
                        logger.warning("entry of session %s left out: too short", session.session_id)
                        report.skipped[f"entry under {self._min_tokens} tokens"] += 1
                        continue
                    report.exact_calls += sum(call.exact for call in entry.requests)
                    report.reconstructed_calls += sum(not call.exact for call in entry.requests)
                    self._add(entry, report)
            report.skipped.update(transcript.skipped)

    def _add(self, entry: CorpusEntry, report: Report) -> Added:
        scrubbed = self._scrubber.scrub_entry(entry)
        added = self._store.add(scrubbed.entry)
        report.entries[added.value] += 1
        report.outcomes[entry.outcome] += 1
        report.redacted += scrubbed.redacted
        report.uncertain += scrubbed.quarantined
        return added


def _transcripts(claude_dirs: Iterable[Path]) -> dict[str, list[Path]]:
    """Session files by session uuid, the main file before its subagents."""
    found: dict[str, list[Path]] = {}
    for directory in claude_dirs:
        for path in sorted((directory / "projects").glob("*/*.jsonl")):
            beside = sorted((path.with_suffix("") / "subagents").glob("agent-*.jsonl"))
            # The same session may lie under two accounts: the longer file holds the shorter one.
            known = found.get(path.stem)
            if known is None or known[0].stat().st_size < path.stat().st_size:
                found[path.stem] = [path, *beside]
    return found


def _started(session: Session) -> datetime:
    return moment_of(session.started) or datetime.min.replace(tzinfo=UTC)
