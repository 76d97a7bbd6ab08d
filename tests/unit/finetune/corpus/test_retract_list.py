# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0 import run_corpus
from node0.errors import BadCorpus
from node0.finetune.corpus.retract_list import RetractList
from node0.finetune.corpus.schema import CorpusEntry, Origin
from node0.finetune.corpus.store import Added, CorpusStore

Printed = pytest.CaptureFixture[str]
FACTS = {"rig": "demo", "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}


def entry(name: str, asked: str, answer: str = "ok") -> CorpusEntry:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return CorpusEntry.model_validate({"id": name, "role": "deacon", **FACTS, "messages": turns})


@pytest.fixture
def town(tmp_path: Path) -> Path:
    store = CorpusStore(tmp_path / ".corpus")
    for name in ("one", "two"):
        store.add(entry(name, name))
    return tmp_path


def store_of(town: Path) -> CorpusStore:
    return CorpusStore(town / ".corpus")


def told(town: Path, capsys: Printed, *argv: str) -> Any:
    assert run_corpus.main(["retract", *argv, "--town", str(town), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_retracted_entry_is_known_by_id_and_by_content(town: Path) -> None:
    store = store_of(town)
    RetractList(store.root).add([store.get("one")])

    known = RetractList(store.root)

    assert known.holds(store.get("one"))
    assert known.holds(entry("one", "grown"))
    assert known.holds(entry("copy", "one"))
    assert not known.holds(store.get("two"))


def test_a_pair_is_retracted_with_each_entry_that_it_was_made_of(town: Path) -> None:
    store = store_of(town)
    origin = Origin(how="mined", entries=["one", "two"], decided_by="me", decided_at="")
    store.add(entry("pair", "both").model_copy(update={"origin": origin}))
    assert not store.retracted().holds(store.get("pair"))

    store.retracted().add([store.get("two")])

    assert store.retracted().holds(store.get("pair"))
    assert store.made_of(["two"]) == store.made_of(["one", "three"]) == {"pair"}
    assert store.made_of(["three"]) == set()


def test_what_was_deleted_is_not_collected_again_until_it_is_undone(town: Path, capsys: Printed) -> None:
    one = store_of(town).get("one")

    (row,) = told(town, capsys, "one", "--delete", "--reason", "asked by its owner")

    assert (row["id"], row["reason"], row["deleted"]) == ("one", "asked by its owner", True)
    assert [header.id for header in store_of(town).headers()] == ["two"]
    assert store_of(town).add(one) is Added.RETRACTED
    assert store_of(town).add(one.model_copy(update={"id": "copy"})) is Added.RETRACTED
    assert told(town, capsys, "one", "--undo") == []
    assert store_of(town).add(one) is Added.NEW


def test_without_delete_the_file_stays_and_may_grow(town: Path, capsys: Printed) -> None:
    told(town, capsys, "one")

    assert store_of(town).add(entry("one", "one", "more")) is Added.UPDATED
    assert [row["id"] for row in told(town, capsys)] == ["one"]
    assert run_corpus.main(["export", "--town", str(town)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "retracted: 1" in printed.err


def test_the_runs_that_saw_it_are_found_by_id_and_by_content(town: Path, capsys: Printed) -> None:
    digest = store_of(town).get("one").digest()
    uses = [
        {"id": "one", "content_digest": "older", "split": "train", "times_seen": 3},
        {"id": "copy", "content_digest": digest, "split": "val", "times_seen": 0},
        {"id": "two", "content_digest": "x", "split": "train", "times_seen": 1},
    ]
    run = town / ".checkpoints" / "deacon" / "first"
    run.mkdir(parents=True)
    (run / "entries.jsonl").write_text("".join(json.dumps(use) + "\n" for use in uses) + "torn")
    told(town, capsys, "one")

    rows = told(town, capsys, "--runs")

    assert [(row["run"], row["split"], row["times_seen"]) for row in rows] == [
        (str(run), "train", 3),
        (str(run), "val", 0),
    ]
    assert [row["id"] for row in told(town, capsys, "two", "--runs")] == ["two"]
    assert [row["id"] for row in told(town, capsys)] == ["one"]


def test_an_unreadable_list_stops_everything(town: Path) -> None:
    (town / ".corpus" / ".retracted.json").write_text("{")

    with pytest.raises(BadCorpus, match="repair it"):
        store_of(town).retracted()


@pytest.mark.parametrize("argv", [["nope"], ["one", "--undo"]])
def test_an_unknown_id_is_one_line_and_changes_nothing(town: Path, argv: list[str], capsys: Printed) -> None:
    assert run_corpus.main(["retract", *argv, "--town", str(town)]) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert told(town, capsys) == []
