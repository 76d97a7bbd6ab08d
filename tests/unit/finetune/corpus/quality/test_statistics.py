# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.quality.statistics import groups, histogram
from node0.finetune.corpus.store import EntryHeader


def header(name: str, **facts: object) -> EntryHeader:
    known = {
        "id": name, "role": "polecat", "rig": "demo", "task_type": "work", "outcome": "success",
        "created_at": "", "bead_id": None, "source": "claude-code", "session_id": None, "quality": None,
        "quarantined": False, "scrub_version": "", "content_digest": "", "tokens": 10, "bytes": 100,
    }  # fmt: skip
    return EntryHeader.model_validate({**known, **facts})


def test_entries_are_counted_by_role_source_task_and_outcome() -> None:
    headers = [
        header("a", quarantined=True),
        header("b", tokens=5),
        header("c", role="deacon"),
        header("d", outcome="failed"),
    ]

    rows = groups(headers, retracted={"b", "gone"})

    assert [(row["role"], row["outcome"], row["entries"]) for row in rows] == [
        ("deacon", "success", 1),
        ("polecat", "failed", 1),
        ("polecat", "success", 2),
    ]
    assert {name: rows[2][name] for name in ("quarantined", "retracted", "tokens", "bytes")} == {
        "quarantined": 1,
        "retracted": 1,
        "tokens": 15,
        "bytes": 200,
    }


def test_a_histogram_has_bins_that_double_and_keeps_empty_ones_between() -> None:
    rows = histogram([header("a", tokens=1), header("b", tokens=4), header("c", tokens=7)])

    assert rows == [
        {"from": 1, "below": 2, "entries": 1},
        {"from": 2, "below": 4, "entries": 0},
        {"from": 4, "below": 8, "entries": 2},
    ]


def test_an_empty_corpus_has_no_rows() -> None:
    assert groups([]) == histogram([]) == []
