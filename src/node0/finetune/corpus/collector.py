# SPDX-License-Identifier: Apache-2.0
"""Collect a town's sessions, named by its events, and its documents into the corpus.

A pull: nothing in the town has to signal an end. Each `session_start` is a session, whose recording is found
by its id or its place (`session_recordings`). Collecting twice adds nothing; a transcript that grew, an
outcome that became known or new scrub rules update the entries; an entry that a session no longer makes (its
windows were cut anew) goes. What was seen is remembered (`collector_state`), because gt drops old events.
Outcomes: see `window_outcomes`, and `bead_windows` where the town's beads are known.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.collect.collection_report import CollectionReport
from node0.finetune.corpus.collect.collector_state import CollectorState, fingerprint
from node0.finetune.corpus.collect.session_recordings import SessionRecordings
from node0.finetune.corpus.collect.stored_entries import StoredEntries
from node0.finetune.corpus.formatter import CorpusFormatter
from node0.finetune.corpus.schema import CorpusEntry, Source, estimated_tokens
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore
from node0.finetune.corpus.town.actors import TOWN_RIG, task_of
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_windows import settled, sling_events, with_beads
from node0.finetune.corpus.town.documents import document_entry, documents_of, rig_of
from node0.finetune.corpus.town.events import Event, read_events
from node0.finetune.corpus.town.sessions import Session, sessions_of
from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of
from node0.finetune.corpus.town.windows import Window
from node0.finetune.corpus.transcript.capture import capture_session
from node0.finetune.corpus.transcript.known_harnesses import recording_of
from node0.finetune.corpus.transcript.recording import Recording
from node0.finetune.corpus.transcript.trajectory import Trajectory
from node0.town import Town

logger = logging.getLogger(__name__)

MIN_TOKENS = 100
STATE = ".collector.json"


class CorpusCollector:
    """Collects into one store.

    Args:
        store: Where entries go.
        scrubber: Made before anything is read, so that nothing is stored when it cannot run.
        min_tokens: Shorter conversations are counted and left out.
        beads: How the town's beads ended, where that is known.
    """

    def __init__(
        self,
        store: CorpusStore,
        scrubber: CorpusScrubber | None = None,
        *,
        min_tokens: int = MIN_TOKENS,
        beads: Outcomes | None = None,
    ) -> None:
        self._store = store
        self._beads = beads
        self._scrubber = scrubber or CorpusScrubber()
        self._formatter = CorpusFormatter(self._scrubber)
        self._min_tokens = min_tokens

    def collect_town(
        self,
        town: Town,
        *,
        claude_dirs: Sequence[Path] = (),
        since: datetime | None = None,
        again: bool = False,
        advance: Callable[[int, int], None] = lambda done, total: None,
    ) -> CollectionReport:
        """Every session that the town's events name or that an earlier collection remembers.

        Args:
            since: Leave out sessions that started earlier.
            again: Also sessions that have not changed.
            advance: Called with how many sessions are done, and of how many.
        """
        report = CollectionReport()
        self._store.sweep()
        state = CollectorState(self._store.root / STATE, self._scrubber.cleaned)
        sessions = self._sessions(state.events(read_events(town.events_file, report.skipped)), state)
        wanted = [session for session in sessions if not since or _started(session) >= since]
        report.skipped["session before --since"] += len(sessions) - len(wanted)
        recordings = SessionRecordings(town, sessions, town.claude_dirs(claude_dirs))
        stored = StoredEntries(self._store)
        for number, session in enumerate(wanted):
            found = recordings.of(session)
            if not found:
                report.skipped["session without a transcript"] += 1
            else:
                self._collect(session, found, state, stored, report, again=again)
            advance(number + 1, len(wanted))
        state.save()
        report.entries, report.skipped = +report.entries, +report.skipped
        return report

    def collect_transcript(
        self,
        path: Path,
        role: str,
        *,
        rig: str = TOWN_RIG,
        bead_id: str | None = None,
        outcome: str = "",
    ) -> CollectionReport:
        """One session file, as one window; an empty outcome is derived from the transcript.

        Raises:
            NotFound: there is no such file.
        """
        if not path.is_file():
            raise NotFound(f"no transcript at {path}: name a .jsonl file of a session")
        report = CollectionReport()
        window = Window(EARLIEST, bead_id, task_of(role))
        recording = recording_of(path)
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
        if self._beads:
            window = settled(window, "", self._beads)
        window = dataclasses.replace(window, outcome=outcome or window.outcome)
        session = Session(recording.session_id, role, rig, changed, (window,))
        self._session(session, [recording], report)
        report.entries, report.skipped = +report.entries, +report.skipped
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

    def collect_documents(self, town: Town) -> CollectionReport:
        """The town's instructions, formulas, directives and documents, each as one system turn."""
        report = CollectionReport()
        for document in documents_of(town):
            name = document.path.relative_to(town.root).as_posix()
            entry = document_entry(document, name, rig_of(town, name))
            if entry is None:
                report.skipped["empty document"] += 1
            else:
                self.store_scrubbed(entry, report)
        return report

    def _sessions(self, events: Sequence[Event], state: CollectorState) -> list[Session]:
        """The sessions that events tell of, with what beads tell of them, or told when they were there."""
        beads = state.beads(self._beads)
        if beads is None:
            return list(sessions_of(events))
        every = sorted([*events, *sling_events(beads)], key=lambda event: event.at)
        sessions = [with_beads(session, beads) for session in sessions_of(every)]
        state.keep_beads(beads, {window.bead_id for session in sessions for window in session.windows})
        return sessions

    def _collect(
        self,
        session: Session,
        recordings: Sequence[Recording],
        state: CollectorState,
        stored: StoredEntries,
        report: CollectionReport,
        *,
        again: bool,
    ) -> None:
        """One session, unless exactly this was collected already and its entries are there."""
        try:
            states = [recording.state() for recording in recordings]
        except OSError as error:
            _pass_over(session, error, report)
            return
        mark, size = fingerprint(session, states, self._scrubber.version), sum(one.size for one in states)
        if not again and state.seen(session, mark) and stored.hold(state.entries(session)):
            report.sessions += 1
            report.skipped["session that has not changed"] += 1
            return
        try:
            made = self._session(session, recordings, report)
        except OSError as error:
            _pass_over(session, error, report)
            return
        gone = stored.of(session) - made
        if state.shrank(session, size):
            report.skipped["session whose files have shrunk: older entries kept"] += 1
        elif gone and not made:
            report.skipped["session of which nothing can be read any more: older entries kept"] += 1
        else:
            for name in gone:
                self._store.delete(name)
            report.entries["removed"] += len(gone)
        state.remember(session, mark, size, self._store.sizes(made))

    def _session(
        self, session: Session, recordings: Sequence[Recording], report: CollectionReport
    ) -> set[str]:
        """The ids of its entries, also of those that are too short to be stored."""
        report.sessions += 1
        made = set()
        for recording in recordings:
            for transcript in recording.readers():
                for trajectory in transcript.trajectories():
                    made |= self._trajectory(trajectory, session, recording.source, report)
                report.skipped.update(transcript.skipped)
        return made

    def _trajectory(
        self, trajectory: Trajectory, session: Session, source: Source, report: CollectionReport
    ) -> set[str]:
        """The ids of its entries; those that are long enough are stored."""
        made = set()
        for entry in self._formatter.format_trajectory(trajectory, session, report.skipped, source=source):
            made.add(entry.id)
            if estimated_tokens(entry.messages) < self._min_tokens:
                logger.warning("entry of session %s left out: too short", session.session_id)
                report.skipped[f"entry under {self._min_tokens} tokens"] += 1
                continue
            report.exact_calls += sum(call.exact for call in entry.requests)
            report.reconstructed_calls += sum(not call.exact for call in entry.requests)
            self.store_scrubbed(entry, report)
        return made

    def store_scrubbed(self, entry: CorpusEntry, report: CollectionReport) -> Added:
        """Scrub an entry and store it, as what a person has decided about it by then says."""
        scrubbed = self._scrubber.scrub_entry(entry)
        added = self._store.add(scrubbed.entry)
        while scrubbed.entry.quarantined:
            # Somebody may have decided about it in a review that goes on beside.
            again = self._scrubber.scrub_entry(entry)
            if again.entry == scrubbed.entry:
                break
            scrubbed = again
            self._store.add(scrubbed.entry)
        report.entries[added.value] += 1
        report.outcomes[entry.outcome] += 1
        report.redacted += scrubbed.redacted
        report.uncertain += scrubbed.quarantined
        return added


def _pass_over(session: Session, error: OSError, report: CollectionReport) -> None:
    logger.warning("session %s cannot be read: %s", session.session_id, error)
    report.skipped["session whose files cannot be read"] += 1


def _started(session: Session) -> datetime:
    return timestamp_of(session.started) or EARLIEST
