# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest

from node0 import run_corpus
from node0.finetune.corpus.retracted_turns import marks_of, own_marks, telling_marks
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall
from node0.finetune.corpus.store import Added, CorpusStore

FACTS = {"rig": "demo", "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
OPENING = "Begin your patrol of the harbor now, and look at every agent that you can find there."


def turns(*said: str) -> list[dict[str, Any]]:
    """A conversation that opens as all do; every answer repeats what was asked."""
    asked = [
        OPENING,
        *(f"The keeper of the {one} tells us what he saw on the water last night." for one in said),
    ]
    return [
        turn
        for words in asked
        for turn in (
            {"role": "user", "content": words},
            {"role": "assistant", "content": [{"type": "text", "text": f"I see: {words}"}]},
        )
    ]


def entry(name: str, *said: str, own: int = 0, session: str = "", **more: Any) -> CorpusEntry:
    """The last `own` answers are its own; 0 makes all of them."""
    messages = turns(*said)
    calls = [
        RecordedCall(n_messages=at, system="s", tools="t")
        for at in range(len(messages) - 2 * own + 1, len(messages), 2)
    ]
    return CorpusEntry.model_validate(
        {"id": name, "role": "deacon", **FACTS, "messages": messages, "requests": calls if own else [],
         "session_id": session or name, **more}
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    """A session of two entries, a fork of it, and others that only begin alike."""
    store = CorpusStore(tmp_path / ".corpus")
    store.add(entry("first", "light", "mast", own=2, session="a"))
    store.add(entry("second", "light", "mast", "rope", own=1, session="a"))
    store.add(entry("fork", "light", "oar", own=2, session="b"))
    for name in ("gull", "heron", "otter", "seal", "tern"):
        store.add(entry(name, name))
    return store


def test_what_was_retracted_stays_out_in_a_context_and_in_a_fork(store: CorpusStore) -> None:
    held = store.retract([store.get("first")])

    assert held == {"first": ["fork", "second"]}
    retracted = store.retracted()
    assert [one.id for one in store.entries() if not retracted.holds(one)] == [
        "gull",
        "heron",
        "otter",
        "seal",
        "tern",
    ]
    assert retracted.holds(entry("resumed", "light", "mast", "anchor", "buoy", own=1, session="c"))


def test_what_is_deleted_is_stored_in_no_other_session(store: CorpusStore) -> None:
    store.retract([store.get("first")], delete=True)

    assert store.add(entry("resumed", "light", "buoy", own=1, session="c")) is Added.RETRACTED
    assert store.add(entry("other", "buoy", session="d")) is Added.NEW
    store.retracted().undo(["first"])
    assert store.add(entry("resumed", "light", "buoy", own=1, session="c")) is Added.NEW


def scrubbed(call: str, *values: str) -> CorpusEntry:
    """The same question and call, with what a scrubber wrote into them."""
    words = "The keeper asked {} at {} for the way to the old light, and went home with {} afterwards."
    block = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": "go"}}
    turns = [{"role": "user", "content": words.format(*values)}, {"role": "assistant", "content": [block]}]
    return CorpusEntry.model_validate({"id": "x", "role": "deacon", **FACTS, "messages": turns})


def test_another_scrubbing_makes_no_other_mark() -> None:
    first = scrubbed("t1", "[EMAIL_1]", "/home/USER_1", "ghp_Zk3vQ8xW2")
    second = scrubbed("t2", "[EMAIL_7]", "/home/USER_2", "[REDACTED:token]")

    assert marks_of(first) == marks_of(second) != frozenset()


def test_short_turns_and_how_all_sessions_begin_tell_nothing(store: CorpusStore) -> None:
    short = CorpusEntry.model_validate(
        {
            "id": "x",
            "role": "deacon",
            **FACTS,
            "messages": [{"role": "user", "content": "go on"}, {"role": "assistant", "content": "ok"}],
        }
    )
    gull = store.get("gull")

    telling, held = telling_marks([gull], store.entries())

    assert marks_of(short) == frozenset()
    assert len(own_marks(gull)) == 2
    assert (len(telling["gull"]), held["gull"]) == (1, [])


def test_the_command_names_what_else_held_it(store: CorpusStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_corpus.main(["retract", "first", "--town", str(store.root.parent), "--json"]) == 0

    assert "what first says stands in fork, second too" in capsys.readouterr().err
