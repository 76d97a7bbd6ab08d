# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

from tiny_chat import entry, says, system, user

from node0.finetune.config import SelectConfig
from node0.finetune.data.select import select, split_by_session

TALK = [user("a"), says("b")]


def kept(entries: list[Any], **values: Any) -> tuple[list[str], dict[str, int]]:
    mode = values.pop("mode", "sft")
    selection = select(entries, SelectConfig(**values), mode=mode)
    return [item.id for item in selection.kept], dict(selection.dropped)


def test_each_left_out_entry_is_counted_with_its_reason() -> None:
    entries = [
        entry(TALK, id="good"),
        entry(TALK, id="q", quarantined=True),
        entry(TALK, id="tmux", source="tmux"),
        entry(TALK, id="failed", outcome="failed"),
        entry(TALK, id="poor", quality=0.2),
        entry(TALK, id="unrated", quality=None),
        entry(TALK, id="other", task_type="chat"),
        entry(TALK, id="rig", rig="far"),
        entry(TALK, id="old", created_at="2025-01-01T00:00:00Z"),
        entry([system("words")], id="doc", source="document", outcome="collected"),
    ]

    ids, dropped = kept(entries, min_quality=0.5, task_types=["patrol"], rigs=["town"], since="2026-01-01")

    assert ids == ["good", "unrated"]
    reasons = ("quarantined", "source", "outcome", "quality", "task_type", "rig", "since", "document")
    assert dropped == dict.fromkeys(reasons, 1)


def test_retracted_entries_are_left_out_whatever_else_they_are() -> None:
    entries = [entry(TALK, id="one", quarantined=True), entry(TALK, id="two"), entry(TALK, id="three")]

    selection = select(entries, SelectConfig(), retracted=lambda item: item.id != "three")

    assert [item.id for item in selection.kept] == ["three"]
    assert selection.dropped == {"retracted": 2}


def test_duplicates_and_contaminated_entries_are_left_out_where_asked_for(tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(200))
    entries = [
        entry([user("a"), says(long)], id="first"),
        entry([user("a"), says(long)], id="same", created_at="2027-02-01"),
        entry([user("a"), says(long.replace("word50 ", "x "))], id="near", created_at="2027-02-02"),
        entry([user("a"), says(long)], id="waits", created_at="2025-02-02", quarantined=True),
        entry([user("a"), says(" ".join(f"p{number}" for number in range(20)))], id="seen"),
    ]
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"text": "' + " ".join(f"p{number}" for number in range(20)) + '"}\n')

    assert kept(entries)[0] == ["first", "seen", "same", "near"]
    assert kept(entries, drop_duplicates="exact")[0] == ["first", "seen", "near"]
    assert kept(entries, drop_duplicates="near", against=prompts) == (
        ["first"],
        {"quarantined": 1, "duplicate": 1, "near duplicate": 1, "contaminated": 1},
    )


def test_curated_entries_are_taken_whatever_their_outcome() -> None:
    assert kept([entry(TALK, source="curated", outcome="failed")])[0] == ["e1"]


def test_operational_entries_need_their_task_type_named() -> None:
    lifecycle = entry(TALK, source="operational", task_type="bead_lifecycle", outcome="done")

    assert kept([lifecycle], sources=["operational"]) == ([], {"source": 1})
    assert kept([lifecycle], task_types=["bead_lifecycle"])[0] == ["e1"]
    assert kept([lifecycle], task_types=["patrol"]) == ([], {"task_type": 1})


def test_documents_are_for_pretraining_and_pairs_for_dpo() -> None:
    document = entry([system("words")], id="doc", source="document", outcome="collected")
    pair = entry([], id="pair", source="curated", chosen=TALK, rejected=[user("a"), says("c")])

    assert kept([document], mode="pretrain")[0] == ["doc"]
    assert kept([document, pair], mode="dpo") == (["pair"], {"no pair": 1})
    assert kept([document, pair], mode="sft") == ([], {"document": 2})


def test_a_session_gives_at_most_so_many_entries_oldest_first() -> None:
    entries = [
        entry(TALK, id=f"e{day}", session_id="s", created_at=f"2026-02-0{day}T00:00:00Z") for day in (3, 1, 2)
    ]

    assert kept(entries, max_per_session=2) == (["e1", "e2"], {"max_per_session": 1})


def test_a_sessions_entries_stay_together_and_new_ones_move_nothing() -> None:
    entries = [entry(TALK, id=f"e{n}", session_id=f"s{n // 2}") for n in range(400)]

    train, val = split_by_session(entries, 0.1)
    _, val_of_fewer = split_by_session(entries[:200], 0.1)

    assert {item.session_id for item in train}.isdisjoint(item.session_id for item in val)
    assert 20 <= len(val) <= 60
    assert [item.id for item in val if item in entries[:200]] == [item.id for item in val_of_fewer]
    assert split_by_session(entries, 0.0)[1] == []
