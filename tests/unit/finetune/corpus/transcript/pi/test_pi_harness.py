# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from harness_fixtures import FIXTURES, laid_down

from node0.finetune.corpus.transcript.pi.pi_harness import Pi


def test_sessions_are_found_by_id_and_tell_where_they_began(tmp_path: Path) -> None:
    home = laid_down("pi", "works", tmp_path)
    (home / "sessions" / "--srv--" / "notes.jsonl").write_text("{}\n")

    found = Pi().recordings([home, tmp_path / "missing"])

    ((name, recording),) = found.items()
    assert (recording.source, recording.session_id) == ("pi", name)
    assert recording.beginning().cwd == "/srv/gt/demo/witness"
    assert [reader.session_id for reader in recording.readers()] == [name]


def test_a_session_is_a_recording_and_another_file_is_none() -> None:
    known = Pi().recording(FIXTURES / "pi" / "works.jsonl")

    assert known is not None
    assert known.state().size > 1000
    assert Pi().recording(FIXTURES / "codex" / "works.jsonl") is None
