# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

from node0.finetune.corpus.collect.stored_entries import StoredEntries
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.sessions import Session


def an_entry(name: str, session: str | None, source: Any = "claude-code") -> CorpusEntry:
    return CorpusEntry(
        id=name,
        role="mayor",
        rig="hq",
        task_type="coordination",
        outcome="success",
        created_at="2026-01-05T06:00:00+00:00",
        messages=[{"role": "user", "content": name}, {"role": "assistant", "content": "Yes."}],
        source=source,
        session_id=session,
    )


def test_a_sessions_entries_are_those_that_were_made_of_its_transcript(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add_all(
        [
            an_entry("a", "s1"),
            an_entry("b", "s1"),
            an_entry("c", "s2"),
            an_entry("d", "s1", "import"),
            an_entry("e", None),
        ]
    )

    stored = StoredEntries(store)

    assert stored.of(Session("s1", "mayor", "hq", "", ())) == {"a", "b"}
    assert stored.of(Session("s3", "mayor", "hq", "", ())) == set()
