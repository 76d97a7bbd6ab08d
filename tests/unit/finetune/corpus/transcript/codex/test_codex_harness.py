# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

from harness_fixtures import FIXTURES, laid_down

from node0.finetune.corpus.transcript.codex.codex_harness import Codex
from node0.finetune.corpus.transcript.recording import Beginning


def write(home: Path, name: str, *, archived: bool = False, **meta: Any) -> Path:
    path = home / ("archived_sessions" if archived else "sessions/2026/01/05") / f"rollout-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = [
        {"type": "message", "role": role, "content": [{"type": "text", "text": "x"}]}
        for role in ("user", "assistant")
    ]
    lines: list[Any] = [{"type": "session_meta", "payload": {"id": name, **meta}}]
    lines += [{"type": "response_item", "payload": item} for item in said]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_sessions_are_found_with_their_subagents_and_archived_ones_too(tmp_path: Path) -> None:
    write(tmp_path, "s1")
    write(tmp_path, "a1", source={"subagent": {"thread_spawn": {"parent_thread_id": "s1"}}})
    write(tmp_path, "lost", source={"subagent": {"thread_spawn": {"parent_thread_id": "gone"}}})
    write(tmp_path, "s2", archived=True)
    (tmp_path / "sessions/2026/01/05/rollout-x.jsonl").write_text("torn")

    found = Codex().recordings([tmp_path, tmp_path / "missing"])

    assert sorted(found) == ["lost", "s1", "s2"]
    agents = [row.agent for reader in found["s1"].readers() for row in reader.trajectories()]
    assert agents == ["", "a1"]


def test_a_rollout_tells_where_and_when_it_began(tmp_path: Path) -> None:
    (found,) = Codex().recordings([laid_down("codex", "works", tmp_path)]).values()

    assert found.beginning() == Beginning("/srv/gt/demo/witness", found.beginning().at)
    assert found.beginning().at.endswith("Z")


def test_a_rollout_is_a_recording_and_another_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    known = Codex().recording(FIXTURES / "codex" / "works.jsonl")

    assert known is not None
    assert (known.source, len(known.session_id)) == ("codex", 36)
    assert Codex().recording(tmp_path / "x.jsonl") is None


def test_links_are_no_rollouts(tmp_path: Path) -> None:
    real = write(tmp_path, "s1")
    real.with_name("rollout-link.jsonl").symlink_to(real)

    assert len(Codex().recordings([tmp_path])) == 1
