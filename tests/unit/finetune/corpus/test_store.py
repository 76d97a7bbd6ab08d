# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path

import pytest
from thread_time import least_seconds

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import Added, CorpusStore, hash_of


def an_entry(**changes: object) -> CorpusEntry:
    values = {
        "id": "a1",
        "role": "polecat",
        "rig": "demo",
        "task_type": "bead_work",
        "outcome": "success",
        "created_at": "2026-01-05T06:00:00Z",
        "messages": [{"role": "user", "content": "größer"}, {"role": "assistant", "content": "ok"}],
    }
    return CorpusEntry.model_validate({**values, **changes})


def test_an_entry_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)

    assert store.add(an_entry()) is Added.NEW
    stored = store.get("a1")

    assert stored.messages == an_entry().messages
    assert stored.content_digest == stored.digest()
    assert (tmp_path / "polecat" / "a1.json").is_file()
    assert json.loads((tmp_path / "polecat" / "a1.json").read_text())["id"] == "a1"


def test_what_answered_is_in_the_header_and_a_file_that_does_not_tell_stays_as_it_was(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    store.add(an_entry(id="b2", answered_by="deacon:2"))

    assert [header.answered_by for header in store.headers()] == [None, "deacon:2"]
    assert store.get("b2").answered_by == "deacon:2"
    assert "answered_by" not in (tmp_path / "polecat" / "a1.json").read_text()


def test_adding_twice_changes_nothing_and_a_change_updates(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    before = (tmp_path / "polecat" / "a1.json").stat().st_mtime_ns

    assert store.add(an_entry()) is Added.UNCHANGED
    assert (tmp_path / "polecat" / "a1.json").stat().st_mtime_ns == before
    assert store.add(an_entry(outcome="failure")) is Added.UPDATED
    assert store.get("a1").outcome == "failure"


def test_an_entry_that_changes_its_role_lies_in_one_place(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())

    assert store.add(an_entry(role="crew")) is Added.UPDATED
    assert [header.role for header in store.headers()] == ["crew"]


def test_entries_are_listed_by_role_and_sorted(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    for entry_id, role in (("b", "polecat"), ("a", "polecat"), ("c", "deacon")):
        store.add(an_entry(id=entry_id, role=role))

    assert [entry.id for entry in store.list(role="polecat")] == ["a", "b"]
    assert [entry.id for entry in store.list()] == ["a", "b", "c"]
    assert store.list(role="witness") == []
    assert store.roles() == ["deacon", "polecat"]


def test_headers_equal_the_entries_scalar_fields(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry(bead_id="gt-abc12", quarantined=True, quality=0.5))

    header, entry = store.headers()[0], store.get("a1")

    assert header.model_dump(exclude={"bytes"}) == entry.model_dump(
        include=set(header.model_dump()) - {"bytes"}
    )
    assert header.bytes == (tmp_path / "polecat" / "a1.json").stat().st_size


def test_a_file_that_another_tool_laid_out_is_listed_too(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    path = tmp_path / "polecat" / "a1.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))

    assert [header.id for header in store.headers()] == ["a1"]


def test_the_corpus_hash_knows_ids_and_contents_only(tmp_path: Path) -> None:
    first, second = CorpusStore(tmp_path / "1"), CorpusStore(tmp_path / "2")
    for store, order in ((first, ("a", "b")), (second, ("b", "a"))):
        for entry_id in order:
            store.add(an_entry(id=entry_id, created_at=f"2026-01-0{1 + len(store.list())}"))
    same = first.corpus_hash("polecat")

    assert second.corpus_hash("polecat") == same
    second.add(an_entry(id="a", messages=[{"role": "user", "content": "other"}]))
    assert second.corpus_hash("polecat") != same
    second.delete("a")
    assert second.corpus_hash("polecat") != same
    assert first.corpus_hash("deacon") != same


def test_a_file_that_was_edited_by_hand_is_refused_with_the_way_out(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    path = tmp_path / "polecat" / "a1.json"
    path.write_text(path.read_text().replace('"ok"', '"no"'))

    with pytest.raises(BadCorpus, match="node0-corpus add"):
        store.get("a1")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "a1"}', "\x00\x01"])
def test_a_broken_file_is_one_clear_error_and_stops_no_other(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry(id="whole"))
    (tmp_path / "polecat" / "a1.json").write_text(content)

    with pytest.raises(BadCorpus, match=r"a1\.json"):
        store.get("a1")
    assert [header.id for header in store.headers()] == ["whole"]
    assert [entry.id for entry in store.list("polecat")] == ["whole"]
    assert store.corpus_hash() == hash_of(store.list())
    assert "a1.json" in caplog.text


def test_what_is_no_file_is_no_entry(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry(id="whole"))
    os.mkfifo(tmp_path / "polecat" / "pipe.json")
    (tmp_path / "polecat" / "directory.json").mkdir()

    assert [header.id for header in store.headers()] == ["whole"]


def test_an_unknown_id_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nope"):
        CorpusStore(tmp_path).get("nope")
    with pytest.raises(NotFound, match="nope"):
        CorpusStore(tmp_path).delete("nope")


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())

    def full(_: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("node0.town.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.add(an_entry(outcome="failure"))

    assert store.get("a1").outcome == "success"
    assert [path.name for path in (tmp_path / "polecat").iterdir()] == ["a1.json"]


def test_what_a_killed_writer_left_is_no_entry_and_is_swept(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    (tmp_path / "polecat" / ".a2.json.xyz.part").write_text('{"id": "a2"')

    assert [header.id for header in store.headers()] == ["a1"]
    assert store.sweep() == 0
    assert store.sweep(older_than=-1) == 1
    assert [path.name for path in (tmp_path / "polecat").iterdir()] == ["a1.json"]


def test_listing_reads_one_line_of_each_file(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry(id="big", messages=[{"role": "user", "content": "x" * 20_000_000}]))

    assert least_seconds(store.headers, below=0.05) < 0.05


def test_a_file_that_is_no_entry_is_named_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())
    for number, content in enumerate((b"", b"{", b"\xff\xfe", b"[1]", b'{"id": "x"}\n')):
        (tmp_path / "polecat" / f"b{number}.json").write_bytes(content)

    assert [entry.id for entry in store.entries()] == ["a1"]
    assert [header.id for header in store.headers()] == ["a1"]
    assert all(f"b{number}.json" in caplog.text for number in range(5))


def test_sizes_are_those_of_the_files_that_are_there(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(an_entry())

    assert store.sizes(["a1", "gone"]) == {"a1": (tmp_path / "polecat" / "a1.json").stat().st_size}


@pytest.mark.parametrize(
    "name", ["../a1", "../../outside/a1", "/a1", ".", "..", "", "a/b", "a\x00", "a\n", "a" * 500]
)
def test_an_id_that_leads_out_of_the_corpus_reads_and_deletes_nothing(tmp_path: Path, name: str) -> None:
    store, outside = CorpusStore(tmp_path / "corpus"), CorpusStore(tmp_path)
    store.add(an_entry())
    for role in ("outside", "polecat"):
        outside.add(an_entry(role=role))
    before = sorted(tmp_path.rglob("*"))

    for use in (store.get, store.delete):
        with pytest.raises(NotFound, match=r"id of an entry|no entry"):
            use(name)

    assert sorted(tmp_path.rglob("*")) == before
