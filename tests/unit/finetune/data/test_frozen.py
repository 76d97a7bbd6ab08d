# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_run import make_corpus

from node0.errors import BadCheckpoint, BadCorpus, NotFound
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.frozen import changes, difference, read_list, thaw, uses_of, write_list
from node0.finetune.run_dir import EntryUse


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    return CorpusStore(make_corpus(tmp_path / "corpus", sessions=8))


def _frozen(store: CorpusStore) -> list[EntryUse]:
    entries = store.list()
    return [*uses_of(entries[:6], "train", {}), *uses_of(entries[6:], "val", {})]


def _change(store: CorpusStore, name: str, **fields: object) -> None:
    store.add(store.get(name).model_copy(update=fields))


def test_a_list_is_read_as_it_was_written_in_any_order(store: CorpusStore, tmp_path: Path) -> None:
    frozen = _frozen(store)
    for order in (frozen, frozen[::-1]):
        write_list(tmp_path / "list.jsonl", order)
        (tmp_path / "first").write_bytes((tmp_path / "list.jsonl").read_bytes())

    assert (tmp_path / "first").read_bytes() == (tmp_path / "list.jsonl").read_bytes()
    assert read_list(tmp_path / "list.jsonl") == sorted(frozen, key=lambda entry: entry.id)


def test_new_entries_of_the_corpus_are_not_thawed(store: CorpusStore) -> None:
    frozen = _frozen(store)
    make_corpus(store.root, sessions=20)

    parted = thaw(store, frozen, of="x", do="y")

    assert [entry.id for entry in parted.train] == [f"e{number:03}" for number in range(6)]
    assert [entry.id for entry in parted.val] == ["e006", "e007"]


def test_whatever_became_of_an_entry_is_named_and_ends_it(store: CorpusStore) -> None:
    frozen = _frozen(store)
    _change(store, "e001", messages=[{"role": "user", "content": "Other."}])
    _change(store, "e002", quarantined=True)
    store.retracted().add([store.get("e003")])
    store.delete("e004")

    with pytest.raises(BadCorpus, match="entries of my run are no longer what they were: e001") as caught:
        thaw(store, frozen, of="my run", do="start over")

    assert changes(store, frozen) == {
        "e001": "changed",
        "e002": "quarantined",
        "e003": "retracted",
        "e004": "gone",
    }
    assert str(caught.value).endswith("e004 (gone); start over")


def test_of_many_entries_some_are_named_and_the_others_counted(store: CorpusStore) -> None:
    frozen = _frozen(store)
    for entry in store.list():
        store.delete(entry.id)

    with pytest.raises(BadCorpus, match=r"e004 \(gone\) and 3 more"):
        thaw(store, frozen, of="x", do="y")


def test_what_a_model_does_not_learn_may_change(store: CorpusStore) -> None:
    frozen = _frozen(store)
    _change(store, "e001", quality=0.5)

    assert changes(store, frozen) == {}


def test_two_lists_differ_in_four_ways(store: CorpusStore) -> None:
    before = _frozen(store)
    after = [
        *before[1:2],
        EntryUse("e002", "other", "1", "train"),
        EntryUse("e003", before[3].content_digest, "1", "val"),
        EntryUse("new", "d", "1", "train"),
        *before[4:],
    ]

    assert difference(before, after) == {
        "e000": "removed",
        "e002": "changed",
        "e003": "moved",
        "new": "added",
    }
    assert difference(before, before[::-1]) == {}


@pytest.mark.parametrize(
    "line", ['{"id": "a"}', '{"id": "a", "content_digest": "d", "scrub_version": "1", "split": "test"}']
)
def test_what_is_no_list_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text(line + "\n")

    with pytest.raises(BadCorpus, match=r"list.jsonl holds a line that is no entry of a list"):
        read_list(tmp_path / "list.jsonl")
    (tmp_path / "list.jsonl").write_text("no JSON\n")
    with pytest.raises((BadCorpus, BadCheckpoint)):
        read_list(tmp_path / "list.jsonl")
    with pytest.raises(NotFound, match="no list of entries"):
        read_list(tmp_path)


def test_a_list_says_nothing_of_what_is_in_an_entry(store: CorpusStore, tmp_path: Path) -> None:
    write_list(tmp_path / "list.jsonl", _frozen(store))

    rows = [json.loads(line) for line in (tmp_path / "list.jsonl").read_text().splitlines()]
    assert {frozenset(row) for row in rows} == {frozenset({"id", "content_digest", "scrub_version", "split"})}


def test_a_list_says_which_answers_are_learnt_in_another_entry(tmp_path: Path, store: CorpusStore) -> None:
    """And says it of later corpora too, whatever was collected since."""
    entries = store.list()
    copied = {"e001": frozenset({3, 1})}
    write_list(tmp_path / "list.jsonl", uses_of(entries, "train", copied))

    frozen = read_list(tmp_path / "list.jsonl")

    assert [(one.id, one.copied) for one in frozen if one.copied] == [("e001", (1, 3))]
    assert thaw(store, frozen, of="x", do="y").copied == copied
    assert difference(uses_of(entries, "train", {}), frozen) == {"e001": "copied"}


@pytest.mark.parametrize("copied", ["1", [1.5], {"1": 1}, [None]])
def test_a_line_whose_copied_answers_are_no_places_is_refused(tmp_path: Path, copied: object) -> None:
    row = {"id": "a", "content_digest": "d", "scrub_version": "1", "split": "train", "copied": copied}
    (tmp_path / "list.jsonl").write_text(json.dumps(row) + "\n")

    with pytest.raises(BadCorpus, match="no entry of a list"):
        read_list(tmp_path / "list.jsonl")
