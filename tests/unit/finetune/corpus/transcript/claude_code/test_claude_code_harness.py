# SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

from node0.finetune.corpus.transcript.claude_code.claude_code_harness import ClaudeCode

FIXTURES = Path(__file__).parents[5] / "fixtures" / "claude_code"


def test_a_session_is_found_by_its_id_with_its_subagents(tmp_path: Path) -> None:
    project = tmp_path / "projects" / "-srv"
    agents = project / "s1" / "subagents"
    agents.mkdir(parents=True)
    shutil.copy(FIXTURES / "subagent.1.jsonl", project / "s1.jsonl")
    shutil.copy(FIXTURES / "subagent.0.jsonl", agents / "agent-a.jsonl")

    found = ClaudeCode().recordings([tmp_path])

    assert list(found) == ["s1"]
    rows = [row for reader in found["s1"].readers() for row in reader.trajectories()]
    assert [bool(row.agent) for row in rows] == [False, True]


def test_a_file_is_named_by_what_it_says_or_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text("{}\n")

    assert ClaudeCode().recording(tmp_path / "other.jsonl").session_id == "other"
    told = ClaudeCode().recording(FIXTURES / "one_tool.0.jsonl").session_id
    assert told and told != "one_tool.0"
