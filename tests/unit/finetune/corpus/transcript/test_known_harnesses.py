# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import BadCorpus
from node0.finetune.config import SelectConfig
from node0.finetune.corpus.schema import HARNESS_SOURCES
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES, recording_of

FIXTURES = Path(__file__).parents[4] / "fixtures"


def test_every_source_that_is_a_harness_has_a_reader() -> None:
    assert set(HARNESSES) == set(HARNESS_SOURCES)


@pytest.mark.parametrize(
    "path", sorted((FIXTURES / "claude_code").glob("*.jsonl")), ids=lambda path: path.stem
)
def test_a_file_of_claude_code_is_told_as_its_own(path: Path) -> None:
    assert recording_of(path).source == "claude-code"


def test_a_file_that_nobody_knows_is_read_as_claude_codes(tmp_path: Path) -> None:
    (tmp_path / "s1.jsonl").write_text("nothing\n")

    recording = recording_of(tmp_path / "s1.jsonl")

    assert (recording.source, recording.session_id) == ("claude-code", "s1")


@pytest.mark.parametrize("harness", ["codex", "gemini", "pi"])
def test_a_file_of_another_harness_is_told_as_its_own(harness: str) -> None:
    for path in (FIXTURES / "harnesses" / harness).glob("*.jsonl"):
        assert recording_of(path).source == harness


def test_a_database_without_one_session_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "opencode.db").write_bytes(b"torn")

    with pytest.raises(BadCorpus, match="opencode export ID"):
        recording_of(tmp_path / "opencode.db")


def test_sessions_of_every_harness_are_trained_on_by_default() -> None:
    assert set(HARNESS_SOURCES) <= set(SelectConfig().sources)
