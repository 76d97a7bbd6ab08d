# SPDX-License-Identifier: Apache-2.0
"""Readers of what other harnesses recorded: Codex, Gemini CLI, pi, and opencode in each of its three forms.

A recording is looked for in the harness's home, as `node0-corpus collect` does, and read as a file that was
named; what a good session left in the corpus stays.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from attack.fuzz import Reader
from attack.mutations import Tree, as_json, as_lines, mutated_bytes, mutated_tree
from attack.readers.kept_entries import require_whole
from attack.readers.sqlite_values import stored
from node0.errors import BadCorpus
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES

AT = "2026-01-05T06:00:00Z"
_CALL = {"command": "ls"}
_CODEX: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("session_meta", {"id": "s1", "timestamp": AT, "cwd": "/srv", "base_instructions": {"text": "Card."}}),
    ("response_item", {"type": "message", "role": "user",
                       "content": [{"type": "input_text", "text": "Go."}]}),
    ("response_item", {"type": "function_call", "name": "shell", "arguments": '{"a": 1}', "call_id": "c"}),
    ("response_item", {"type": "function_call_output", "call_id": "c", "output": "pier"}),
    ("token_usage_record", {}),
    ("event_msg", {"type": "thread_rolled_back", "num_turns": 1}),
    ("response_item", {"type": "local_shell_call", "call_id": "d", "action": _CALL}),
    ("response_item", {"type": "custom_tool_call", "name": "p", "input": "x", "call_id": "e"}),
    ("compacted", {"replacement_history": [{"type": "message", "role": "user", "content": "On."}]}),
    ("response_item", {"type": "message", "role": "assistant",
                       "content": [{"type": "output_text", "text": "Done."}]}),
    ("event_msg", {"type": "turn_aborted"}),
)  # fmt: skip
_GEMINI_HEAD: Mapping[str, Any] = {"sessionId": "s1", "projectHash": "00", "startTime": AT, "kind": "main"}
_GEMINI = [
    {"id": "u", "type": "user", "content": "Go.", "timestamp": AT},
    {"id": "g", "type": "gemini", "content": [{"text": "So."}], "timestamp": AT,
     "toolCalls": [{"id": "c", "name": "ls", "args": _CALL, "result": [
         {"functionResponse": {"id": "c", "name": "ls", "response": {"output": "pier"}}}]}]},
    {"id": "v", "type": "user", "content": [{"inlineData": {"mimeType": "image/png"}}, {"text": "On."}]},
    {"id": "h", "type": "gemini", "content": "Done.", "timestamp": AT},
]  # fmt: skip
_PI = [
    {"type": "session", "version": 3, "id": "s1", "timestamp": AT, "cwd": "/srv"},
    {"type": "message", "id": "a", "parentId": None, "timestamp": AT,
     "message": {"role": "user", "content": [{"type": "text", "text": "Go."}]}},
    {"type": "message", "id": "b", "parentId": "a", "message": {"role": "assistant", "stopReason": "toolUse",
     "content": [{"type": "toolCall", "id": "c", "name": "ls", "arguments": _CALL}]}},
    {"type": "message", "id": "d", "parentId": "b", "message": {"role": "toolResult", "toolCallId": "c",
     "content": [{"type": "text", "text": "pier"}], "isError": False}},
    {"type": "compaction", "id": "x", "parentId": "d", "summary": "All.", "firstKeptEntryId": "b"},
    {"type": "branch_summary", "id": "y", "parentId": "x", "summary": "Less."},
    {"type": "message", "id": "e", "parentId": "y",
     "message": {"role": "bashExecution", "command": "ls", "output": "pier"}},
    {"type": "message", "id": "f", "parentId": "e", "message": {"role": "assistant", "stopReason": "stop",
     "content": [{"type": "text", "text": "Done."}]}},
]  # fmt: skip
_INFO = {
    "id": "s1",
    "parentID": "",
    "directory": "/srv",
    "time": {"created": 5},
    "revert": {"messageID": "m9"},
}
_MESSAGES: Mapping[str, Mapping[str, Any]] = {
    "m1": {"role": "user", "time": {"created": 1000}},
    "m2": {"role": "assistant", "time": {"created": 2000}, "error": {"name": "x"}, "summary": False},
}
_PARTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "m1": [{"type": "text", "text": "Go."}, {"type": "file", "mime": "image/png"}],
    "m2": [
        {"type": "step-start"}, {"type": "text", "text": "So."},
        {"type": "tool", "tool": "ls", "callID": "c", "state": {
            "status": "completed", "input": _CALL, "output": "pier", "attachments": [{"mime": "image/png"}]}},
        {"type": "step-finish", "reason": "stop"},
    ],
}  # fmt: skip
_TABLES = ("session", "message", "part")
_ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "session": [
        {
            "id": "s1",
            "parent_id": None,
            "directory": "/srv",
            "revert": '{"messageID": "m9"}',
            "time_created": 5,
        },
        {"id": "s2", "parent_id": "s1", "directory": "/srv", "revert": None, "time_created": 6},
    ],
    "message": [
        {"id": name, "session_id": "s1", "time_created": 1, "data": data} for name, data in _MESSAGES.items()
    ],
    "part": [
        {"id": f"{name}-{number}", "message_id": name, "session_id": "s1", "time_updated": 1, "data": part}
        for name, parts in _PARTS.items()
        for number, part in enumerate(parts)
    ],
}
_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
_SESSIONS, _PART = (
    "CREATE TABLE session (id, parent_id, directory, revert, time_created);"
    "CREATE TABLE message (id, session_id, time_created, data);"
    "INSERT INTO session VALUES ('s1', '', '/srv', '', 1); INSERT INTO message VALUES ('m', 's1', 1, '{}');",
    "CREATE TABLE part (id, message_id, session_id, time_updated, data);",
)
_SCHEMAS: Sequence[bytes] = tuple(
    statements.encode()
    for statements in (
        f"CREATE VIEW session AS {_ENDLESS} SELECT x AS id, x AS parent_id, '' AS directory, '' AS revert, "
        f"0 AS time_created FROM n; CREATE TABLE message (id, session_id, time_created, data); {_PART}",
        f"{_SESSIONS} CREATE VIEW part AS {_ENDLESS} SELECT x AS id, 'm' AS message_id, 's1' AS session_id, "
        "1 AS time_updated, '{}' AS data FROM n;",
        f"{_SESSIONS} CREATE TABLE part (id, message_id, session_id, time_updated, "
        "data AS (zeroblob(900000000))); INSERT INTO part VALUES ('p', 'm', 's1', 1);",
        f"{_SESSIONS} CREATE VIRTUAL TABLE part USING fts5(id, message_id, session_id, data);",
    )
)
"What a hand may have put in the place of opencode's tables."


def codex(place: Path) -> Reader:
    """A rollout of Codex."""
    lines = [{"timestamp": AT, "type": kind, "payload": payload} for kind, payload in _CODEX]
    bare = [{"id": "s1", "timestamp": AT, "instructions": "Card."}, *(payload for _, payload in _CODEX[1:4])]
    read = _collected(place, "codex", "sessions/2026/01/05/rollout-2026-s1.jsonl")
    return Reader(mutated_tree([lines, bare], as_lines), read)


def gemini(place: Path) -> Reader:
    """A session of Gemini CLI, of lines or whole."""
    lines = [_GEMINI_HEAD, *_GEMINI, {"$rewindTo": "v"}, {"$set": {"messages": _GEMINI[:2]}}, *_GEMINI[2:]]
    of_lines = _collected(place, "gemini", "tmp/p/chats/session-1.jsonl")
    whole = _collected(place / "whole", "gemini", "tmp/p/chats/session-1.json")

    def read(data: bytes) -> None:
        of_lines(data)
        whole(data)

    seeds = mutated_tree([lines], as_lines) | mutated_tree([{**_GEMINI_HEAD, "messages": _GEMINI}], as_json)
    return Reader(seeds, read)


def pi(place: Path) -> Reader:
    """A session of pi or omp."""
    return Reader(mutated_tree([_PI], as_lines), _collected(place, "pi", "sessions/--srv--/1_s1.jsonl"))


def opencode_database(place: Path) -> Reader:
    """opencode's database: values of other kinds, changed bytes, and other things in place of its tables."""
    collect = _collected(place, "opencode", "opencode.db")
    made = place / "made.db"
    whole = _database(made, _ROWS)

    def read(data: bytes) -> None:
        is_file = data.startswith(b"SQLite format 3")
        collect(data if is_file else _database(made, data))

    rows = mutated_tree([_ROWS], as_json)
    return Reader(st.one_of(rows, rows, mutated_bytes([whole]), st.sampled_from(_SCHEMAS)), read)


def opencode_files(place: Path) -> Reader:
    """The files that opencode kept before it had a database: session, message and part as one document."""
    storage = place / "opencode" / "storage"
    files = ["session/p/s1.json", "message/s1/m2.json", "part/m2/0.json", "part/m2/1.json"]
    for name in files:
        (storage / name).parent.mkdir(parents=True, exist_ok=True)

    def read(data: bytes) -> None:
        pieces: Iterable[Any] = ()
        with suppress(ValueError, RecursionError):
            pieces = json.loads(data)
        contents = [as_json(piece) for piece in pieces] if isinstance(pieces, list) else [data]
        for name, content in zip(files, [*contents, *[data] * len(files)], strict=False):
            (storage / name).write_bytes(content)
        _read_home("opencode", place / "opencode")

    return Reader(mutated_tree([[_INFO, _MESSAGES["m2"], *_PARTS["m2"][1:3]]], as_json), read)


def opencode_export(place: Path) -> Reader:
    """What `opencode export` printed."""
    messages: list[Any] = [
        {"info": {**info, "id": name}, "parts": _PARTS[name]} for name, info in _MESSAGES.items()
    ]
    read = _collected(place, "opencode", "export.json")
    return Reader(mutated_tree([{"info": _INFO, "messages": messages}], as_json), read)


def _collected(place: Path, source: str, name: str) -> Any:
    """Reads bytes as the file `name` of a harness's home."""
    file = place / source / name
    file.parent.mkdir(parents=True)
    store = CorpusStore(place / "corpus")
    collector = CorpusCollector(store, CorpusScrubber(voters=()), min_tokens=1)
    good = place / "good.jsonl"
    good.write_bytes(as_lines(_PI))
    collector.collect_transcript(good, "deacon")
    kept = {entry.id for entry in store.list()}
    assert kept, "the good session left nothing"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            _read_home(source, place / source)
            collector.collect_transcript(file, "deacon")
        except OSError as error:
            if not error.strerror:  # a person would be told of something unexpected
                raise AssertionError(f"an OSError without a reason: {error}") from error
            raise BadCorpus(error.strerror) from error
        finally:
            require_whole(store, kept)

    return read


def _read_home(source: str, home: Path) -> None:
    """Find and read every recording of a home; what is told of one is a domain error or of the disk."""
    for recording in HARNESSES[source].recordings([home]).values():  # type: ignore[index]  # one of them
        with suppress(OSError):
            recording.beginning()
            recording.state()
            for reader in recording.readers():
                list(reader.trajectories())


def _database(path: Path, content: bytes | Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """A database of rows, or of statements; columns without types take every value."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db, suppress(sqlite3.Error, UnicodeError):
        if isinstance(content, bytes) and content.startswith(b"CREATE"):
            db.executescript(content.decode())
        else:
            _fill(db, content)
        db.commit()
    return path.read_bytes()


def _fill(db: sqlite3.Connection, content: bytes | Tree) -> None:
    rows = content
    if isinstance(content, bytes):
        try:
            rows = json.loads(content)
        except (ValueError, RecursionError):
            rows = {}
    for table in _TABLES:
        columns = list(_ROWS[table][0])
        db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        found = rows.get(table) if isinstance(rows, dict) else None
        for row in found if isinstance(found, list) else ():
            values = [stored(row.get(column)) for column in columns] if isinstance(row, dict) else []
            with suppress(sqlite3.Error, UnicodeError):
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
