# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

from harness_fixtures import FIXTURES, laid_down

from node0.finetune.corpus.transcript.gemini.gemini_harness import Gemini


def test_sessions_are_found_by_id_and_tell_where_they_began(tmp_path: Path) -> None:
    home = laid_down("gemini", "works", tmp_path)
    (home / "tmp" / "rig" / "chats" / "session-x.jsonl").write_text("{}\n")

    ((name, recording),) = Gemini().recordings([home, tmp_path / "missing"]).items()

    assert (recording.source, recording.session_id) == ("gemini", name)
    assert recording.beginning().cwd == "/srv/gt/demo/witness"


def test_a_session_that_went_on_in_another_file_is_one_recording(tmp_path: Path) -> None:
    chats = tmp_path / "tmp" / "rig" / "chats"
    chats.mkdir(parents=True)
    head = {"sessionId": "s1", "projectHash": "00", "startTime": "2026-01-05T06:00:00Z"}
    for minute in ("00", "01"):
        records = [{"id": kind + minute, "type": kind, "content": "x"} for kind in ("user", "gemini")]
        records.append({"id": "thanks" + minute, "type": "user", "content": "x"})
        lines = "".join(json.dumps(line) + "\n" for line in (head, *records))
        (chats / f"session-2026-01-05T06-{minute}-s1.jsonl").write_text(lines)

    ((_, recording),) = Gemini().recordings([tmp_path]).items()

    calls = [call for reader in recording.readers() for row in reader.trajectories() for call in row.calls]
    assert [call.answer_id for call in calls] == ["gemini00", "gemini01"]


def test_a_session_is_a_recording_and_another_file_is_none() -> None:
    known = Gemini().recording(FIXTURES / "gemini" / "works.jsonl")

    assert known is not None
    assert known.state().size > 1000
    assert Gemini().recording(FIXTURES / "pi" / "works.jsonl") is None
