# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile
from node0.finetune.corpus.transcript.recording import Beginning, FileRecording


def recording(*paths: Path) -> FileRecording:
    return FileRecording("claude-code", "s1", paths, SessionFile, Beginning("/srv"))


def test_a_recording_changes_its_state_with_each_of_its_files(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("main.jsonl", "agent.jsonl")]
    for path in paths:
        path.write_text("{}\n")
    before = recording(*paths).state()

    paths[1].write_text("{}\n{}\n")

    after = recording(*paths).state()
    assert (before.size, after.size) == (6, 9)
    assert [mark[:2] for mark in after.marks] == [("main.jsonl", 3), ("agent.jsonl", 6)]
    assert after != before


def test_a_file_is_read_when_its_reader_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "main.jsonl").write_text("")

    readers = recording(tmp_path / "main.jsonl", tmp_path / "gone.jsonl").readers()

    assert list(next(readers).trajectories()) == []
    with pytest.raises(FileNotFoundError):
        next(readers)


def test_a_recording_tells_where_it_begins(tmp_path: Path) -> None:
    assert recording(tmp_path / "a", tmp_path / "b").beginning() == Beginning("/srv")


def test_a_file_that_is_gone_has_no_state(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        recording(tmp_path / "gone.jsonl").state()
