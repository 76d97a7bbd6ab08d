# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a model of one weight; what is left at the end is of a tiny real one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from scripted_trainer import make_trainer
from tiny_run import configure, make_base, make_corpus

from node0.errors import BadCheckpoint, NotFound
from node0.finetune.checkpoint.shard import load_shard
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import Engine, build_engine
from node0.finetune.training.output.checkpoint_writer import CheckpointWriter, NullCheckpointWriter
from node0.finetune.training.output.metrics import Metrics, StepRecord
from node0.finetune.training.output.resume import TrainerState, read_state
from node0.finetune.training.plan.run_plan import make_plan
from node0.lora.trainable import trained_weights
from node0.step_directories import step_numbers


@dataclass(frozen=True, slots=True)
class FarEngine(Engine):
    """What the pipeline learned comes here only when it is asked for; others hear of each checkpoint."""

    spread_to: list[tuple[int, str]] = field(default_factory=list)

    def refresh(self) -> None:
        self.stages[0].lora_A.data.fill_(7.0)

    def spread(self, step: int, progress: str) -> None:
        self.spread_to.append((step, progress))


@pytest.fixture
def writer(tmp_path: Path) -> CheckpointWriter:
    return make_writer(tmp_path)


def make_writer(directory: Path, **changes: Any) -> CheckpointWriter:
    trainer = make_trainer(directory, **changes)
    return CheckpointWriter(trainer.plan, trainer.engine)


def learn(writer: CheckpointWriter, value: float) -> None:
    writer.engine.stages[0].lora_A.data.fill_(value)


def save(writer: CheckpointWriter, *steps: int, best: int | None = None) -> None:
    """A checkpoint at each step, at which the weight is the step's number."""
    for step in steps:
        learn(writer, step)
        writer.save(TrainerState(step=step, best_step=best))


def kept(run: RunDirectory) -> list[int]:
    assert step_numbers(run.checkpoints) == step_numbers(run.training_state)
    return step_numbers(run.checkpoints)


def test_a_checkpoint_is_a_shard_a_state_and_the_entries_so_far(writer: CheckpointWriter) -> None:
    next(writer.plan.data.steps)

    save(writer, 1)

    assert load_shard(writer.run.checkpoints, "solo-0", 1)["lora_A"].item() == 1.0
    assert read_state(writer.run.state(1)) == TrainerState(step=1)
    assert (writer.run.state(1) / "pipeline" / "weight").read_text() == "1.0"
    assert [(row["id"], row["times_seen"]) for row in writer.run.entries()] == [("e1", 1), ("e2", 0)]


def test_a_step_is_written_once(writer: CheckpointWriter) -> None:
    save(writer, 1)
    learn(writer, 9.0)
    writer.save(TrainerState(step=1, tokens=9))

    assert load_shard(writer.run.checkpoints, "solo-0", 1)["lora_A"].item() == 1.0
    assert read_state(writer.run.state(1)).tokens == 0


@pytest.mark.parametrize(
    ("changes", "best", "expected"),
    [
        ({"keep_last": 2}, None, [3, 4]),
        ({"keep_last": 1}, 2, [2, 4]),
        ({"keep_last": 1}, 4, [3, 4]),
        ({"keep_last": 1, "keep_best": False}, 2, [4]),
        ({"keep_last": 9}, 1, [1, 2, 3, 4]),
    ],
)
def test_the_last_ones_are_kept_and_the_best_one_beside_them(
    tmp_path: Path, changes: dict[str, Any], best: int | None, expected: list[int]
) -> None:
    writer = make_writer(tmp_path, **changes)

    save(writer, 1, 2, 3, 4, best=best)

    assert kept(writer.run) == expected


def test_what_stages_elsewhere_learned_is_fetched_and_spread(writer: CheckpointWriter) -> None:
    far = FarEngine(writer.engine.stages, writer.engine.pipeline)

    CheckpointWriter(writer.plan, far).save(TrainerState(step=2, tokens=11))

    assert load_shard(writer.run.checkpoints, "solo-0", 2)["lora_A"].item() == 7.0
    ((step, progress),) = far.spread_to
    assert step == 2
    assert TrainerState.model_validate_json(progress) == TrainerState(step=2, tokens=11)


def test_weights_of_a_kept_step_can_be_put_back(writer: CheckpointWriter) -> None:
    save(writer, 1, 2)

    writer.restore_weights(1)

    assert writer.engine.stages[0].lora_A.item() == 1.0


def test_weights_that_changed_on_the_disk_are_not_put_back(writer: CheckpointWriter) -> None:
    save(writer, 1, 2)
    (writer.run.state(1) / "pipeline" / "weight").write_text("1.5")

    with pytest.raises(BadCheckpoint, match="step_1 is damaged: pipeline/weight is not as it was written"):
        writer.restore_weights(1)

    assert writer.engine.stages[0].lora_A.item() == 2.0


def test_steps_that_will_be_done_again_are_discarded(writer: CheckpointWriter) -> None:
    save(writer, 2, 4)
    with Metrics(writer.run) as metrics:
        for step in range(5):
            metrics.write(StepRecord(step=step, loss=1.0))

    writer.discard_after(2)

    assert kept(writer.run) == [2]
    assert [record["step"] for record in writer.run.metrics()] == [0, 1, 2]


def test_a_new_run_is_not_judged_by_the_one_before(writer: CheckpointWriter) -> None:
    save(writer, 2)
    for name in ("metrics.jsonl", "MANIFEST.json", "README.md"):
        (writer.run.root / name).write_text("{}\n")

    writer.clear()

    assert kept(writer.run) == []
    assert sorted(path.name for path in writer.run.root.iterdir()) == ["README.md", "entries.jsonl"]


def test_a_run_that_stops_leaves_what_it_saw_and_its_curve(writer: CheckpointWriter) -> None:
    with Metrics(writer.run) as metrics:
        metrics.write(StepRecord(step=1, loss=1.0))

    writer.stop()

    assert writer.run.loss_plot.read_bytes().startswith(b"\x89PNG")
    assert [row["split"] for row in writer.run.entries()] == ["train", "val"]
    assert not writer.run.manifest_file.exists()


@pytest.mark.parametrize(("best", "value"), [(1, 0.5), (2, 0.75)])
def test_the_weights_of_the_best_step_are_the_ones_exported(tmp_path: Path, best: int, value: float) -> None:
    make_corpus(tmp_path / "corpus", sessions=4)
    make_base(tmp_path)
    plan = make_plan(configure(tmp_path))
    writer = CheckpointWriter(plan, build_engine(plan))
    writer.run.make()
    for step, learned in ((1, 0.5), (2, 0.75)):
        for weight in trained_weights(writer.engine.stages[0]).values():
            weight.data.fill_(learned)
        writer.save(TrainerState(step=step, best_step=best))

    writer.finish(TrainerState(step=2, best_step=best), best=best, val_loss=1.5)

    exported = load_file(writer.run.root / "adapter_model.safetensors")
    assert {tensor.unique().item() for tensor in exported.values()} == {value}
    assert writer.run.verify()["step"] == best
    assert {row["id"] for row in writer.run.entries()} == {entry.id for entry in plan.data.entries}


def test_a_process_that_does_not_write_leaves_the_directory_alone_and_can_read(
    writer: CheckpointWriter,
) -> None:
    save(writer, 1, 2)
    before = {path: path.stat().st_mtime_ns for path in writer.run.root.rglob("*")}
    other = NullCheckpointWriter(writer.plan, writer.engine)

    other.save(TrainerState(step=3))
    other.discard_after(1)
    other.draw()
    other.stop()
    other.finish(TrainerState(step=3), best=1, val_loss=None)
    other.clear()
    other.restore_weights(1)

    assert {path: path.stat().st_mtime_ns for path in writer.run.root.rglob("*")} == before
    assert writer.engine.stages[0].lora_A.item() == 1.0
    with pytest.raises(NotFound):
        load_shard(writer.run.checkpoints, "solo-0", 3)
