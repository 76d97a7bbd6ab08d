# SPDX-License-Identifier: Apache-2.0
"""Pieces of text that can be looked for, in one SQLite file: sources, their chunks, and each chunk's vector.

The file is made of other files and can be made again from them, so it has a version and no migrations.
What is replaced or removed is overwritten with zeros.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from node0.errors import ConfigError, NotFound, StoreUnavailable
from node0.files import PRIVATE_FILE, narrow, private_directory

CHUNK_FORMAT = 1
BUSY_SECONDS = 30.0
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
  id INTEGER PRIMARY KEY,
  collection TEXT NOT NULL,
  name TEXT NOT NULL,
  label TEXT NOT NULL,
  digest TEXT NOT NULL,
  UNIQUE (collection, name)
);
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
  part INTEGER NOT NULL,
  text TEXT NOT NULL,
  terms BLOB NOT NULL,
  vector BLOB
);
CREATE INDEX chunks_of_source ON chunks (source);
"""
MAKE_CHUNK = "INSERT INTO chunks (source, part, text, terms) VALUES (?, ?, ?, ?)"
EVERY_CHUNK = (
    "SELECT chunks.id, collection, name, label, part, text, terms, vector FROM chunks "
    "JOIN sources ON sources.id = chunks.source ORDER BY collection, name, part"
)
CHANGES = "changes"
"Fact that grows with every transaction that changes something, from a number of each file's own."

COUNT_CHANGE = (
    "INSERT INTO facts VALUES (?, abs(random() / 2)) ON CONFLICT (name) DO UPDATE SET value = value + 1"
)


class NewChunk(NamedTuple):
    """A piece of a source."""

    text: str
    terms: bytes
    "What of it is looked for, as the caller codes it."


class NewSource(NamedTuple):
    """A text with its pieces."""

    name: str
    "Unique in its collection."

    label: str
    "How people call it."

    digest: str
    "Of what it was made."

    chunks: Sequence[NewChunk]


class StoredChunk(NamedTuple):
    """A piece as it is stored."""

    id: int
    collection: str
    name: str
    "Of its source."

    label: str
    part: int
    text: str
    terms: bytes
    vector: bytes | None


class ChunkStore:
    """Transactions on one file."""

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open it.

        Raises:
            NotFound: there is none, and `create` is off.
            ConfigError: it is none, was made by another version, or cannot be written.
        """
        self.path = path
        self._busy_seconds = busy_seconds
        if create:
            self._make()
        elif not path.is_file():
            raise NotFound(f"no index {path}: make one with `node0-corpus rag-index`")

    def digests(self, collection: str) -> dict[str, str]:
        """What each source of a collection was made of, by name."""
        with self._open(writes=False) as db:
            rows = db.execute("SELECT name, digest FROM sources WHERE collection = ?", (collection,))
            return dict(rows.fetchall())

    def counts(self) -> dict[str, tuple[int, int]]:
        """Sources and chunks, by collection."""
        query = (
            "SELECT collection, count(DISTINCT sources.id), count(chunks.id) FROM sources "
            "LEFT JOIN chunks ON chunks.source = sources.id GROUP BY collection ORDER BY collection"
        )
        with self._open(writes=False) as db:
            return {name: (sources, chunks) for name, sources, chunks in db.execute(query)}

    def put(self, collection: str, sources: Iterable[NewSource]) -> None:
        """Put these in the place of what there was of them; their chunks have no vector yet."""
        with self._open(writes=True) as db:
            for source in sources:
                db.execute("DELETE FROM sources WHERE collection = ? AND name = ?", (collection, source.name))
                made = db.execute(
                    "INSERT INTO sources (collection, name, label, digest) VALUES (?, ?, ?, ?)",
                    (collection, source.name, source.label, source.digest),
                )
                rows = [(made.lastrowid, part, *chunk) for part, chunk in enumerate(source.chunks)]
                db.executemany(MAKE_CHUNK, rows)

    def remove(self, collection: str, names: Sequence[str]) -> None:
        """Remove sources with their chunks."""
        with self._open(writes=True) as db:
            rows = [(collection, name) for name in names]
            db.executemany("DELETE FROM sources WHERE collection = ? AND name = ?", rows)

    def without_vector(self) -> list[tuple[int, str]]:
        """Id and text of every chunk that has none."""
        with self._open(writes=False) as db:
            return db.execute("SELECT id, text FROM chunks WHERE vector IS NULL ORDER BY id").fetchall()

    def texts(self) -> list[str]:
        """The text of every chunk."""
        with self._open(writes=False) as db:
            return [text for (text,) in db.execute("SELECT text FROM chunks ORDER BY id")]

    def put_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Give chunks their vectors; a chunk that is gone by now is left out."""
        with self._open(writes=True) as db:
            rows = [(vector, number) for number, vector in vectors.items()]
            db.executemany("UPDATE chunks SET vector = ? WHERE id = ?", rows)

    def drop_vectors(self) -> int:
        """Take the vectors of all chunks; how many there were."""
        with self._open(writes=True) as db:
            return db.execute("UPDATE chunks SET vector = NULL WHERE vector IS NOT NULL").rowcount

    def fact(self, name: str) -> bytes | None:
        """What is noted under a name."""
        with self._open(writes=False) as db:
            row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else bytes(row[0])

    def put_facts(self, facts: Mapping[str, bytes]) -> None:
        """Note these, in one transaction."""
        with self._open(writes=True) as db:
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))

    def state(self) -> int:
        """Another one whenever something has changed, also after the file was made anew."""
        with self._open(writes=False) as db:
            row = db.execute("SELECT value FROM facts WHERE name = ?", (CHANGES,)).fetchone()
            return int(row[0]) if row else 0

    def everything(self) -> tuple[int, dict[str, bytes], list[StoredChunk]]:
        """State, facts and all chunks by collection, name and part, as they were at one moment."""
        with self._open(writes=False) as db:
            facts = dict(db.execute("SELECT name, value FROM facts").fetchall())
            chunks = [StoredChunk(*row) for row in db.execute(EVERY_CHUNK)]
            return int(facts.pop(CHANGES, 0)), facts, chunks

    def _make(self) -> None:
        try:
            private_directory(self.path.parent)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            narrow(self.path)
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}; name another place") from error
        with self._open(writes=True, check=False) as db:
            if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in filter(str.strip, SCHEMA.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {CHUNK_FORMAT}")
                db.execute(COUNT_CHANGE, (CHANGES,))

    @contextmanager
    def _open(self, *, writes: bool, check: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction."""
        # Who finds the journal of a process that died undoes its changes, and writes for that.
        may_write = writes or Path(f"{self.path}-journal").exists()
        place = f"file:{quote(str(self.path))}?mode={'rw' if may_write else 'ro'}"
        try:
            with closing(
                sqlite3.connect(place, uri=True, timeout=self._busy_seconds, isolation_level=None)
            ) as db:
                db.executescript("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON")
                db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                if check:
                    self._check(db)
                before = db.total_changes
                yield db
                if db.total_changes > before:
                    db.execute(COUNT_CHANGE, (CHANGES,))
                db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error

    def _check(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != CHUNK_FORMAT:
            raise ConfigError(
                f"index {self.path} has format {version}, this version reads {CHUNK_FORMAT}: remove the file "
                "and run `node0-corpus rag-index` again"
            )

    def _translated(self, error: sqlite3.DatabaseError) -> ConfigError | StoreUnavailable:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreUnavailable(f"index {self.path} is locked by another process; try again")
        return ConfigError(
            f"index {self.path} cannot be used: {error}; remove the file and index again, or check its owner"
        )
