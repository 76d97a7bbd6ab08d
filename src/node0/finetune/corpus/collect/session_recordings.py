# SPDX-License-Identifier: Apache-2.0
"""Find the recordings of a town's sessions, whatever harness wrote them.

A session's event names the harness's own id where a hook told it (Claude Code, Codex, Gemini CLI, and pi
where an agent of ours runs it). Behind opencode, omp and pi by itself gt makes an id up: their recordings are
known by their place, which is their actor's directory, and by their time, which is the session's begin.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.town.harness_homes import harness_homes
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.town.timestamps import timestamp_of
from node0.finetune.corpus.transcript.known_harnesses import CLAUDE_CODE, HARNESSES
from node0.finetune.corpus.transcript.recording import Recording
from node0.town import Town

BEFORE, BEHIND = timedelta(minutes=2), timedelta(minutes=10)
"How long before and behind a session's event its harness may begin to record."


class SessionRecordings:
    """The recordings of the sessions that a town had.

    Args:
        sessions: All of them.
        claude_dirs: Where Claude Code's lie; other harnesses are looked for where the town says.
    """

    def __init__(self, town: Town, sessions: Sequence[Session], claude_dirs: Iterable[Path]) -> None:
        homes: dict[Source, Iterable[Path]] = {name: harness_homes(town, name) for name in HARNESSES}
        homes[CLAUDE_CODE.source] = claude_dirs
        self._by_id: dict[str, Recording] = {}
        for name, harness in HARNESSES.items():
            self._by_id = {**harness.recordings(homes[name]), **self._by_id}
        named = {session.session_id for session in sessions}
        unnamed = (one for name, one in self._by_id.items() if name not in named)
        self._by_place = _by_place(town.root, [one for one in sessions if not self._named(one)], unnamed)

    def of(self, session: Session) -> list[Recording]:
        """Those of one session, oldest first; usually one, none where nothing was found."""
        return self._named(session) or self._by_place.get(session.session_id, [])

    def _named(self, session: Session) -> list[Recording]:
        known = self._by_id.get(session.session_id)
        return [] if known is None else [known]


def _by_place(
    town: Path, sessions: Iterable[Session], recordings: Iterable[Recording]
) -> Mapping[str, list[Recording]]:
    """Recordings by the id of the session that was begun in their directory just before them."""
    of_actor: dict[Path, list[tuple[datetime, Session]]] = {}
    for session in sessions:
        began = timestamp_of(session.started)
        if began is not None and session.actor:
            of_actor.setdefault(town / session.actor, []).append((began, session))
    found: dict[str, list[tuple[datetime, Recording]]] = {}
    for recording in recordings:
        cwd, at = recording.beginning()
        began = timestamp_of(at)
        if cwd and began is not None:
            for session in _begun_in(Path(cwd), began, of_actor):
                found.setdefault(session.session_id, []).append((began, recording))
    return {
        name: [one for _, one in sorted(pairs, key=lambda pair: pair[0])] for name, pairs in found.items()
    }


def _begun_in(
    cwd: Path, at: datetime, of_actor: Mapping[Path, Sequence[tuple[datetime, Session]]]
) -> Iterator[Session]:
    """The last session of the actor in whose directory this is, if it began at about this time."""
    home = next((place for place in (cwd, *cwd.parents) if place in of_actor), None)
    begun = [pair for pair in of_actor.get(home, ()) if pair[0] <= at + BEFORE] if home else []
    if begun:
        began, session = max(begun, key=lambda pair: pair[0])
        if at - began <= BEHIND:
            yield session
