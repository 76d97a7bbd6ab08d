# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import torch
from scripted_trainer import make_trainer

from node0.finetune.training.output.checkpoint_writer import CheckpointWriter, NullCheckpointWriter
from node0.finetune.training.output.resume import TrainerState
from node0.step_directories import step_numbers


def writer(
    directory: Path, kind: type[CheckpointWriter] = CheckpointWriter, **changes: object
) -> CheckpointWriter:
    trainer = make_trainer(directory, **changes)
    return kind(trainer.plan, trainer.engine)


def test_the_last_few_steps_stay_and_the_best_one(tmp_path: Path) -> None:
    checkpoints = writer(tmp_path, keep_last=1)

    for step in (1, 2, 3):
        checkpoints.save(TrainerState(step=step, best_step=1, best_val_loss=1.0))

    assert step_numbers(checkpoints.run.training_state) == [1, 3]
    assert step_numbers(checkpoints.run.checkpoints) == [1, 3]
    assert {row["id"] for row in checkpoints.run.entries()} == {"e1", "e2"}


def test_a_step_is_written_once(tmp_path: Path) -> None:
    checkpoints = writer(tmp_path)
    checkpoints.save(TrainerState(step=1))
    (checkpoints.run.state(1) / "trainer.json").write_text("mine")

    checkpoints.save(TrainerState(step=1))

    assert (checkpoints.run.state(1) / "trainer.json").read_text() == "mine"


def test_the_weights_of_a_kept_step_come_back(tmp_path: Path) -> None:
    checkpoints = writer(tmp_path)
    weight = checkpoints.engine.stages[0].lora_A
    with torch.no_grad():
        weight.fill_(3.0)
    checkpoints.save(TrainerState(step=1))
    with torch.no_grad():
        weight.fill_(9.0)

    checkpoints.restore_weights(1)

    assert weight.item() == 3.0


def test_a_process_that_another_one_writes_for_leaves_nothing(tmp_path: Path) -> None:
    checkpoints = writer(tmp_path, NullCheckpointWriter)
    (checkpoints.run.root / "MANIFEST.json").write_text("{}")

    checkpoints.clear()
    checkpoints.save(TrainerState(step=1))
    checkpoints.discard_after(0)
    checkpoints.draw()
    checkpoints.stop()
    checkpoints.finish(TrainerState(step=1), best=1, val_loss=None)

    assert [path.name for path in checkpoints.run.root.iterdir()] == ["MANIFEST.json"]
