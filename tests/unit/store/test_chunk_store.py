# SPDX-License-Identifier: Apache-2.0
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound, StoreUnavailable
from node0.store.chunk_store import ChunkStore, NewChunk, NewSource


def source(name: str, *texts: str) -> NewSource:
    return NewSource(name, name, f"digest of {name}", [NewChunk(text, b"terms") for text in texts])


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    return ChunkStore(tmp_path / "rag" / "index.sqlite")


def test_what_is_put_comes_back_by_collection_name_and_part(store: ChunkStore) -> None:
    store.put("beads", [source("gt-b", "third"), source("gt-a", "first", "second")])
    store.put("formulas", [source("f", "fourth")])

    _, _, chunks = store.everything()

    assert [(one.collection, one.name, one.part, one.text) for one in chunks] == [
        ("beads", "gt-a", 0, "first"),
        ("beads", "gt-a", 1, "second"),
        ("beads", "gt-b", 0, "third"),
        ("formulas", "f", 0, "fourth"),
    ]
    assert store.counts() == {"beads": (2, 3), "formulas": (1, 1)}
    assert store.digests("beads") == {"gt-a": "digest of gt-a", "gt-b": "digest of gt-b"}


def test_a_source_that_is_put_again_loses_its_old_chunks_and_vectors(store: ChunkStore) -> None:
    store.put("beads", [source("gt-a", "old one", "old two"), source("gt-b", "other")])
    store.put_vectors({number: b"1234" for number, _ in store.without_vector()})

    store.put("beads", [source("gt-a", "new")])

    assert store.texts() == ["other", "new"]
    assert [text for _, text in store.without_vector()] == ["new"]


def test_what_is_removed_is_not_left_in_the_file(store: ChunkStore) -> None:
    store.put("beads", [source("gt-a", "a word that must go"), source("gt-b", "a word that stays")])

    store.remove("beads", ["gt-a", "gt-unknown"])

    assert store.texts() == ["a word that stays"]
    assert b"must go" not in store.path.read_bytes()


def test_the_state_changes_with_every_change_and_with_a_new_file(store: ChunkStore) -> None:
    states = [store.state()]
    store.put("beads", [source("gt-a", "one")])
    states.append(store.state())
    store.put_facts({"name": b"value"})
    states.append(store.state())
    assert store.fact("name") == b"value"
    assert store.state() == store.everything()[0] == states[-1]
    kept = store.path.rename(store.path.with_name("kept"))
    states.append(ChunkStore(store.path).state())

    assert kept.is_file()
    assert len(set(states)) == 4


def test_a_file_that_is_made_anew_in_its_place_with_as_many_changes_has_another_state(
    store: ChunkStore,
) -> None:
    states = []
    for text in ("one", "two"):
        store = ChunkStore(store.path)
        store.put("beads", [source("gt-a", text)])
        states.append(store.state())
        store.path.unlink()

    assert states[0] != states[1]


def test_dropped_vectors_are_counted_and_wanted_again(store: ChunkStore) -> None:
    store.put("beads", [source("gt-a", "one", "two")])
    store.put_vectors({number: b"1234" for number, text in store.without_vector() if text == "one"})

    assert store.drop_vectors() == 1
    assert len(store.without_vector()) == 2


def test_the_file_and_its_directory_are_for_their_owner_alone(store: ChunkStore) -> None:
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (store.path, store.path.parent)]

    assert modes == [0o600, 0o700]


def test_an_index_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="node0-corpus rag-index"):
        ChunkStore(tmp_path / "index.sqlite", create=False)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_none_or_of_another_version_is_refused_in_one_line(store: ChunkStore) -> None:
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError, match=r"format 9, this version reads 1: remove the file"):
        store.counts()
    store.path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        ChunkStore(store.path).counts()


def test_a_store_that_another_process_writes_says_so(store: ChunkStore) -> None:
    impatient = ChunkStore(store.path, busy_seconds=0.01)
    with sqlite3.connect(store.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreUnavailable, match="locked by another process"):
            impatient.put("beads", [source("gt-a", "one")])
    other.close()


WRITER = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 2")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE chunks SET text = text || ' that nobody finished'")
os._exit(9)
"""


def test_what_a_writer_that_died_left_is_undone_by_a_reader(store: ChunkStore) -> None:
    texts = [f"{number} {'word ' * 400}" for number in range(50)]
    store.put("beads", [source("gt-a", *texts)])
    code = subprocess.run([sys.executable, "-c", WRITER, store.path], check=False, timeout=60).returncode
    assert code == 9
    assert b"nobody finished" in store.path.read_bytes()

    assert ChunkStore(store.path, create=False).texts() == texts


def test_an_index_is_read_where_nothing_may_be_written(store: ChunkStore) -> None:
    store.put("beads", [source("gt-a", "one")])
    store.path.chmod(0o400)
    store.path.parent.chmod(0o500)

    assert ChunkStore(store.path, create=False).texts() == ["one"]
    store.path.parent.chmod(0o700)
