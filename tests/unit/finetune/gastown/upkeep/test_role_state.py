# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.gastown.upkeep.night_decision import RoleState
from node0.finetune.gastown.upkeep.role_state import new_run, role_state
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.pruning import remove
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

DETAIL = EvaluationDetail(suite_digest="a", outcomes={"patrol": {"one": (1, 1)}}, nulls={})


@pytest.fixture
def registry(town: Town) -> Iterator[ModelRegistry]:
    registry = ModelRegistry(town)
    yield registry
    registry.close()


def collect(
    town: Town,
    *names: str,
    outcome: str = "success",
    quarantined: bool = False,
    source: Literal["claude-code", "tmux"] = "claude-code",
    answer: str = "done",
) -> None:
    """Two entries for each session."""
    for name in names:
        for part in "ab":
            CorpusStore(town).add(
                CorpusEntry(
                    id=f"{name}{part}",
                    role="deacon",
                    rig="demo",
                    task_type="patrol",
                    outcome=outcome,
                    created_at="2026-03-01T12:00:00+00:00",
                    messages=[
                        {"role": "user", "content": name},
                        *([{"role": "assistant", "content": answer}] if answer else []),
                    ],
                    source=source,
                    session_id=name,
                    quarantined=quarantined,
                )
            )


def register(registry: ModelRegistry, place: Path, *seen: str) -> ModelRegistryEntry:
    """A version that was trained on both entries of these sessions."""
    place.mkdir()
    (place / "adapter_model.safetensors").write_bytes(place.name.encode())
    rows = [
        {"id": f"{name}{part}", "content_digest": "x", "split": "train"} for name in seen for part in "ab"
    ]
    (place / "entries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entry = ModelRegistryEntry(
        name="deacon", role="deacon", artifact_path=str(place), artefacts=artefacts_of(place)
    )
    return registry.register(entry)


def begin_run(town: Town, place: str) -> Path:
    """A run that has begun and not ended."""
    run = Path(place)
    run.mkdir(parents=True)
    (run / "config.resolved.yaml").write_text("{}")
    (run / ".lock").write_text("1")
    return run


def test_sessions_that_no_training_takes_do_not_count(town: Town, registry: ModelRegistry) -> None:
    collect(town, "one", "two")
    collect(town, "three", outcome="failure")
    collect(town, "four", quarantined=True)
    collect(town, "five", source="tmux")
    collect(town, "six", answer="")

    assert role_state(town, registry, "deacon") == RoleState("deacon", sessions=2)


def test_what_the_newest_version_has_seen_is_not_new(
    town: Town, registry: ModelRegistry, tmp_path: Path
) -> None:
    collect(town, "one", "two", "three")
    register(registry, tmp_path / "v1", "one", "two", "three")
    register(registry, tmp_path / "v2", "one")

    found = role_state(town, registry, "deacon")
    assert (found.newest, found.sessions, found.new_sessions) == ("deacon:2", 3, 2)


def test_suites_are_left_until_they_are_done(town: Town, registry: ModelRegistry, tmp_path: Path) -> None:
    register(registry, tmp_path / "v1")
    registry.add_evaluation("deacon:1", Evaluation(suite="held-out", items=10, score=1.0))
    assert role_state(town, registry, "deacon").to_do == ("roles",)

    registry.add_evaluation("deacon:1", Evaluation(suite="roles", items=1, score=1.0, detail=DETAIL))
    assert role_state(town, registry, "deacon").to_do == ()

    town.model_settings_file.write_text("gate: {suites: {deacon: {replay: 0.9, roles: 0.5}}}")
    assert role_state(town, registry, "deacon").to_do == ("replay",)


def test_a_refusal_counts_until_the_next_evaluation(
    town: Town, registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(registry, tmp_path / "v1")
    registry.add_refusal("deacon:1", "too low")
    assert role_state(town, registry, "deacon").refused == "too low"

    monkeypatch.setattr("node0.finetune.registry.evaluations.now", lambda: "2999-01-01T00:00:00+00:00")
    registry.add_evaluation("deacon:1", Evaluation(suite="roles", items=1, score=1.0, detail=DETAIL))
    assert role_state(town, registry, "deacon").refused == ""


def test_a_run_that_did_not_end_is_found_with_whether_it_is_at_work(
    town: Town, registry: ModelRegistry
) -> None:
    assert role_state(town, registry, "deacon").unfinished == ""
    run = begin_run(town, new_run(town, "deacon", datetime(2026, 3, 1, tzinfo=UTC)))
    begin_run(town, new_run(town, "deacon-2", datetime(2026, 3, 2, tzinfo=UTC)))

    found = role_state(town, registry, "deacon")
    assert (found.unfinished, found.is_training) == (str(run), False)
    with (run / ".lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert role_state(town, registry, "deacon").is_training


def test_a_run_that_ended_is_unfinished_until_it_was_registered(
    town: Town, registry: ModelRegistry, tmp_path: Path
) -> None:
    register(registry, tmp_path / "v1")
    run = begin_run(town, new_run(town, "deacon", datetime(2999, 3, 1, tzinfo=UTC)))
    (run / "MANIFEST.json").write_text("{}")
    assert role_state(town, registry, "deacon").unfinished == str(run)

    run.rename(earlier := new_run(town, "deacon", datetime(2026, 3, 1, tzinfo=UTC)))
    assert Path(earlier).is_dir() and role_state(town, registry, "deacon").unfinished == ""
    remove(registry, "deacon:1", reason="of no use")
    assert role_state(town, registry, "deacon").unfinished == ""
