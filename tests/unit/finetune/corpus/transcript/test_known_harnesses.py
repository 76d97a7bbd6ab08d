# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

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
