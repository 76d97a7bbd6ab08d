# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.hygiene.retract_entries import Retraction, list_runs, retract_entries
from node0.errors import NotFound
from node0.finetune.corpus.schema import Origin
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


def _ids(capsys: Printed) -> list[str]:
    return [row["id"] for row in json.loads(capsys.readouterr().out)]


def test_entries_are_put_on_the_list_and_taken_off_again(town: Path, capsys: Printed) -> None:
    retract_entries(Retraction(("one", "one"), reason="a secret"), town, as_json=True)
    assert _ids(capsys) == ["one"]
    retract_entries(Retraction(), town, as_json=True)
    assert _ids(capsys) == ["one"]

    retract_entries(Retraction(("one",), undo=True), town, as_json=True)

    assert _ids(capsys) == []
    assert [entry.id for entry in CorpusStore(town / ".corpus").list()] == ["one", "two"]


def test_deleting_removes_the_file_and_keeps_the_name_on_the_list(town: Path, capsys: Printed) -> None:
    retract_entries(Retraction(("two",), delete=True), town, as_json=True)

    assert _ids(capsys) == ["two"]
    assert [entry.id for entry in CorpusStore(town / ".corpus").list()] == ["one"]


def test_what_is_not_on_the_list_cannot_be_taken_off(town: Path) -> None:
    with pytest.raises(NotFound, match="'one' is not retracted"):
        retract_entries(Retraction(("one",), undo=True), town, as_json=True)
    with pytest.raises(NotFound):
        retract_entries(Retraction(("nope",)), town, as_json=True)


def test_runs_that_saw_an_entry_are_listed_wherever_they_lie(
    town: Path, tmp_path: Path, capsys: Printed
) -> None:
    digest = CorpusStore(town / ".corpus").headers(None)[0].content_digest
    line = {"id": "one", "content_digest": digest, "scrub_version": "1", "split": "train", "seen": 1}
    for place in (town / ".checkpoints" / "a", tmp_path / "elsewhere" / "b"):
        place.mkdir(parents=True)
        (place / "entries.jsonl").write_text(json.dumps(line) + "\n")

    list_runs(["one"], town, run_dirs=[tmp_path / "elsewhere"], as_json=True)

    text = capsys.readouterr().out
    assert len(json.loads(text)) == 2
    assert "elsewhere" in text


def test_a_run_that_saw_a_pair_of_an_entry_is_listed_for_the_entry(town: Path, capsys: Printed) -> None:
    store = CorpusStore(town / ".corpus")
    origin = Origin(how="mined", entries=["one"], decided_by="me", decided_at="")
    answer = [{"role": "assistant", "content": "other"}]
    pair = store.get("one").model_copy(update={"id": "pair", "origin": origin, "chosen": answer})
    store.add(pair)
    place = town / ".checkpoints" / "a"
    place.mkdir(parents=True)
    (place / "entries.jsonl").write_text(json.dumps({"id": "pair", "split": "train"}) + "\n")

    list_runs(["one"], town, run_dirs=[], as_json=True)

    assert [use["id"] for use in json.loads(capsys.readouterr().out)] == ["pair"]


def test_an_id_that_leads_out_of_the_corpus_deletes_nothing_there(town: Path) -> None:
    outside = CorpusStore(town)
    outside.add(CorpusStore(town / ".corpus").get("one").model_copy(update={"role": "polecat"}))

    with pytest.raises(NotFound, match="is no id of an entry"):
        retract_entries(Retraction(("../../polecat/one",), delete=True), town, as_json=True)

    assert (town / "polecat" / "one.json").is_file()
    assert CorpusStore(town / ".corpus").retracted().entries == {}
