# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from replayed_sessions import session

from node0.commands.eval.model_answerer import loaded_answerer
from node0.commands.eval.replay_sessions import held_out_sessions, replay_sessions
from node0.errors import ConfigError, NotFound
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory

TRYING = Trying(epochs=5, seed=7, max_tokens=6)


def test_sessions_are_replayed_once_and_greedily_whatever_a_suite_is_tried(
    base: str, run: Path, tmp_path: Path
) -> None:
    entries = held_out_sessions(run, spelled=None, town=None)
    with loaded_answerer(base, town=None, device="cpu", dtype="float32") as answerer:
        found = replay_sessions(answerer, entries, TRYING, limit=None, output=tmp_path / "out", town=None)

    plan = found.tried.plan
    assert (plan.suite, plan.epochs, plan.seed, plan.temperature, plan.max_tokens) == ("replay", 1, 0, 0.0, 6)
    assert [row["turns"] for row in found.rows] == [1, 1]
    assert found.tried.chosen.is_whole


def test_without_a_sandbox_calls_are_compared_as_texts_alone_and_that_is_told(
    base: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = held_out_sessions(run, spelled=None, town=None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with loaded_answerer(base, town=None, device="cpu", dtype="float32") as answerer:
        found = replay_sessions(answerer, entries, TRYING, limit=None, output=tmp_path / "out", town=None)

    assert [row["same_effect"] for row in found.rows] == [0, 0]
    assert (
        "compared as texts alone: what a model proposes is run in a sandbox only" in capsys.readouterr().err
    )


def test_sessions_without_a_call_are_refused(base: str, tmp_path: Path) -> None:
    silent = session("gt-a")
    silent.messages = silent.messages[:1] + silent.messages[-1:]
    with (
        loaded_answerer(base, town=None, device="cpu", dtype="float32") as answerer,
        pytest.raises(NotFound, match="hold no call; train with a larger val_split"),
    ):
        replay_sessions(answerer, [silent], TRYING, limit=None, output=tmp_path / "out", town=None)


def test_a_version_is_not_measured_on_what_it_was_trained_on(
    registry: ModelRegistry, run: Path, town_root: Path
) -> None:
    assert len(held_out_sessions(run, spelled="dm:1", town=town_root)) == 1
    learned = RunDirectory(Path(registry.require("dm:1").artifact_path))
    learned.write_entries([EntryUse("a", "d", "1", "train")], {"a": 1})

    with pytest.raises(ConfigError, match="dm:1 was trained on 1 of these 1 held-out entries, such as a"):
        held_out_sessions(run, spelled="dm:1", town=town_root)
