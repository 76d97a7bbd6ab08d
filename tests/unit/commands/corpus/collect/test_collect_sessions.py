# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from pathlib import Path

import pytest

from node0.commands.common_options import command_app
from node0.commands.corpus.collect.collect_sessions import CollectRequest, collect
from node0.console import USAGE, run
from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.store import CorpusStore


@pytest.fixture
def request_of(town_root: Path) -> CollectRequest:
    """Everything of a town that has no session."""
    return CollectRequest(
        town=town_root,
        claude_dirs=(),
        since=None,
        documents=False,
        transcript=None,
        session=None,
        role=None,
        rig="hq",
        bead_id=None,
        outcome="",
        beads=None,
        min_tokens=1,
        deny=(),
    )


def test_a_town_without_sessions_says_where_it_looked(
    request_of: CollectRequest, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collect(request_of, as_json=True)

    out, err = capsys.readouterr()
    assert all(row["of"] == "sessions" for row in json.loads(out))
    assert f"no session with a transcript; events are read from {town_root}" in err


def test_one_session_file_is_collected_for_the_role_that_is_named(
    request_of: CollectRequest, town_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [("user", "Merge the convoy."), ("assistant", "Merged it, and told the refinery so.")]
    lines = [
        {
            "type": kind,
            "uuid": f"u{number}",
            "parentUuid": f"u{number - 1}" if number else None,
            "sessionId": "s1",
            "timestamp": f"2026-01-05T06:00:0{number}Z",
            "message": {"role": kind, "content": [{"type": "text", "text": text}]},
        }
        for number, (kind, text) in enumerate(turns)
    ]
    (tmp_path / "s1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    collect(replace(request_of, transcript=tmp_path / "s1.jsonl", role="refinery", rig="demo"), as_json=False)

    (entry,) = CorpusStore(town_root / ".corpus").list()
    assert (entry.role, entry.rig) == ("refinery", "demo")
    assert "Collected sessions" in capsys.readouterr().out


def test_a_date_that_is_none_is_a_usage_error(
    request_of: CollectRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    app = command_app()
    app.command()(lambda: collect(replace(request_of, since="soon"), as_json=False))

    assert run(app, [], name="collect") == USAGE
    assert "--since 'soon' is no ISO 8601 date, such as 2026-01-31" in capsys.readouterr().err


def test_documents_are_reported_beside_the_sessions(
    request_of: CollectRequest, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (town_root / "CLAUDE.md").write_text("# The town\n\nSling work and merge what comes back.\n")

    collect(replace(request_of, documents=True), as_json=True)

    rows = json.loads(capsys.readouterr().out)
    assert {row["of"] for row in rows} >= {"documents"}
    assert CorpusStore(town_root / ".corpus").list()


@pytest.mark.parametrize(
    "text",
    ["", "hello\n", "[1, 2]\n", '{"a": "b"}\n', "\0\xff" * 40],
    ids=["empty", "prose", "list", "object", "bytes"],
)
def test_a_file_that_is_no_session_is_an_error(request_of: CollectRequest, tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.jsonl").write_text(text)

    with pytest.raises(BadCorpus, match="holds no session: name a file that a harness wrote"):
        collect(replace(request_of, transcript=tmp_path / "notes.jsonl", role="mayor"), as_json=True)


def test_a_session_of_which_nothing_can_be_learnt_is_counted_and_no_error(
    request_of: CollectRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [("user", "u1", "gone", "Sum it up."), ("assistant", "u2", "u1", "It was so.")]
    lines = [
        {
            "type": role,
            "uuid": uuid,
            "parentUuid": parent,
            "sessionId": "s",
            "timestamp": "2026-01-05T06:00:00Z",
        }
        | {"message": {"id": uuid, "role": role, "content": [{"type": "text", "text": text}]}}
        for role, uuid, parent, text in turns
    ]
    (tmp_path / "fork.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    collect(replace(request_of, transcript=tmp_path / "fork.jsonl", role="mayor"), as_json=True)

    rows = json.loads(capsys.readouterr().out)
    assert "answer whose beginning is not in the file" in json.dumps(rows)


@pytest.mark.parametrize("made", [None, "else"])
def test_a_configuration_directory_of_nothing_is_an_error(
    request_of: CollectRequest, tmp_path: Path, made: str | None
) -> None:
    place = tmp_path / "claude"
    if made:
        (place / made).mkdir(parents=True)

    with pytest.raises(NotFound, match=f"no sessions below {place}"):
        collect(replace(request_of, claude_dirs=(place,)), as_json=True)
