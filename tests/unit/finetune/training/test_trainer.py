# SPDX-License-Identifier: Apache-2.0
"""The step loop over a pipeline that answers from a script; everything else is real."""

import json
import logging
import math

import pytest
from scripted_trainer import Listener, make_trainer, microbatch, run

from node0.errors import NonFiniteGradients, StageLost, SwarmTimeout
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.hooks import report_end
from node0.finetune.training.output.resume import read_state
from node0.finetune.training.trainer import real_tokens
from node0.loglines import CHECKPOINT_SAVED, RESUME_TRIGGERED, TRAINING_LOSS
from node0.step_directories import step_numbers


def test_each_step_gets_its_rate_and_its_number(tmp_path):
    trainer = make_trainer(tmp_path, lr=1.0, num_warmup_steps=2, max_steps=4)
    run(trainer)

    steps = trainer.engine.pipeline.steps

    assert [step.step for step in steps] == [0, 1, 2, 3]
    assert [step.lr for step in steps] == [0.0, 0.5, 1.0, 0.5]


def test_the_metrics_hold_the_model_before_and_every_step_after(tmp_path):
    trainer = make_trainer(tmp_path, val_losses=[9.0, 8.0, 7.0], eval_every_n_steps=3)
    run(trainer)

    records = trainer.run.metrics()

    assert [record["step"] for record in records] == [0, 1, 2, 3, 4, 5, 6]
    assert {record["step"]: record["val_loss"] for record in records if "val_loss" in record} == {
        0: 9,
        3: 8,
        6: 7,
    }


def test_the_best_step_is_kept_beside_the_last_ones(tmp_path):
    trainer = make_trainer(
        tmp_path,
        val_losses=[9, 5, 3, 4, 6],
        eval_every_n_steps=2,
        checkpoint_every_n_steps=2,
        max_steps=8,
        keep_last=1,
    )
    run(trainer)

    assert (trainer.state.best_step, trainer.state.best_val_loss) == (4, 3.0)
    assert step_numbers(trainer.run.root / "checkpoints") == [4, 8]
    assert step_numbers(trainer.run.root / "training_state") == [4, 8]


def test_the_best_steps_weights_can_be_put_back(tmp_path):
    trainer = make_trainer(tmp_path, val_losses=[9, 5, 3, 4], eval_every_n_steps=2)
    run(trainer)

    trainer.checkpoints.restore_weights(trainer.state.best_step)

    assert trainer.engine.stages[0].lora_A.item() == 4.0


def test_early_stopping_ends_after_patience_runs_out(tmp_path):
    trainer = make_trainer(
        tmp_path, val_losses=[9, 5, 6, 7, 1], eval_every_n_steps=1, early_stopping_patience=2, max_steps=50
    )
    finished = run(trainer)

    assert finished
    assert trainer.state.step == 3
    assert trainer.state.best_step == 1
    assert step_numbers(trainer.run.root / "training_state") == [1, 3]


def test_a_skipped_step_is_recorded_and_the_run_goes_on(tmp_path):
    trainer = make_trainer(tmp_path, losses=[1.0, math.nan, 1.0], max_steps=3)
    run(trainer)

    records = [record for record in trainer.run.metrics() if record["step"]]

    assert [record["skipped"] for record in records] == [False, True, False]
    assert "loss" not in records[1]
    assert trainer.state.skipped_in_a_row == 0


def test_too_many_skipped_steps_end_the_run_with_the_good_weights_saved(tmp_path):
    trainer = make_trainer(tmp_path, losses=[1.0, math.nan, math.inf], max_skipped_steps=2, max_steps=9)

    with pytest.raises(NonFiniteGradients, match="2 steps in a row") as caught:
        run(trainer)

    state = trainer.run.newest_state()
    assert caught.value.exit_code == 75
    assert read_state(state).step == 3
    assert (state / "pipeline" / "weight").read_text() == "1.0"


def test_a_run_tells_what_it_does(tmp_path):
    changes = {"max_steps": 2, "eval_every_n_steps": 9, "checkpoint_every_n_steps": 1, "keep_best": False}
    first = Listener()
    run(make_trainer(tmp_path, hook=first, held_out=False, **changes))
    again = Listener()
    run(make_trainer(tmp_path, hook=again, held_out=False, **{**changes, "max_steps": 3}))

    assert first.phases == ["training", "checkpointing", "training", "checkpointing", "training"]
    assert again.phases == ["syncing", "training", "checkpointing", "training"]
    assert again.reasons[0] == "resuming at step 2"
    assert first.reasons[1] == "step 1"


def test_validation_is_a_phase_of_its_own(tmp_path):
    listener = Listener()
    run(make_trainer(tmp_path, hook=listener, max_steps=1, eval_every_n_steps=1))

    assert listener.phases == [
        "training",
        "evaluating",
        "training",
        "evaluating",
        "training",
        "checkpointing",
        "training",
    ]


def test_a_skipped_step_degrades_the_run_until_one_is_made(tmp_path):
    listener = Listener()
    losses = [1.0, math.nan, math.nan, 1.0]
    run(
        make_trainer(
            tmp_path, hook=listener, losses=losses, held_out=False, max_steps=5, checkpoint_every_n_steps=9
        )
    )

    assert listener.phases == ["training", "degraded", "training", "checkpointing", "training"]
    assert listener.reasons[1] == "step 2 was skipped: its loss or gradients are not finite"


def test_too_many_skipped_steps_are_told_with_the_checkpoint_kept(tmp_path, caplog):
    listener = Listener()
    trainer = make_trainer(tmp_path, hook=listener, losses=[math.nan] * 3, held_out=False, max_steps=9)

    with pytest.raises(NonFiniteGradients), report_end(listener, lambda: trainer.state.step):
        run(trainer)

    assert listener.phases == ["training", "degraded", "checkpointing", "training", "failed"]
    assert "3 steps in a row were not finite" in listener.reasons[-1]
    assert "Training job failed: step 3" in caplog.messages
    assert step_numbers(trainer.run.root / "training_state") == [3]


def test_an_interruption_is_told_as_a_run_that_may_go_on(tmp_path, caplog):
    listener = Listener()
    trainer = make_trainer(tmp_path, hook=listener, held_out=False)

    with pytest.raises(KeyboardInterrupt), report_end(listener, lambda: trainer.state.step):
        run(trainer, interrupted=True)

    assert listener.phases == ["training", "checkpointing", "training", "interrupted"]
    assert listener.reasons[-1] == "interrupted at step 1"
    assert "Training job failed" not in caplog.text


def test_the_lines_of_a_run_can_be_followed(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run(make_trainer(tmp_path, losses=[2.5, math.nan, 1.5], held_out=False, stop_after=3))
        run(make_trainer(tmp_path, held_out=False, max_steps=4))

    losses, resumed, saved = (
        [found for line in caplog.messages if (found := kind.read(line))]
        for kind in (TRAINING_LOSS, RESUME_TRIGGERED, CHECKPOINT_SAVED)
    )
    assert [str(loss) for (loss,) in losses] == ["2.5", "nan", "1.5", "1.0"]
    assert resumed == [(3,)]
    assert saved[-1] == (4, "solo-0")


def test_an_interrupted_run_saves_its_step_and_goes_on_there(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=6)
    with pytest.raises(KeyboardInterrupt):
        run(trainer, interrupted=True)

    again = make_trainer(tmp_path, max_steps=6)
    finished = run(again)

    assert finished
    assert [step.step for step in again.engine.pipeline.steps] == [1, 2, 3, 4, 5]
    assert again.plan.data.steps.position == 6
    assert again.engine.stages[0].lora_A.item() == 6.0


class LosingStages(Engine):
    """Stages that are lost after some steps; what was fetched two steps before is kept."""

    def __init__(self, engine, fault, *, after):
        super().__init__(engine.stages, engine.pipeline)
        made = engine.pipeline.train_step

        def train_step(microbatches, step):
            if step.step == after:
                raise fault
            return made(microbatches, step)

        engine.pipeline.train_step = train_step

    @property
    def steps_since_backup(self):
        return 2

    def save_kept(self, directory):
        (directory / "weight").write_text("3.0")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(StageLost("a stage is lost"), KeyboardInterrupt), (SwarmTimeout("it stayed away"), SwarmTimeout)],
)
def test_a_run_whose_stages_are_lost_keeps_what_was_last_fetched(fault, raised, tmp_path, caplog):
    trainer = make_trainer(tmp_path, max_steps=8, checkpoint_every_n_steps=8)
    trainer.engine = trainer.checkpoints.engine = LosingStages(trainer.engine, fault, after=5)
    with pytest.raises(raised):
        run(trainer)

    assert f"left after step 5: {fault}; step 3 is kept" in caplog.text
    again = make_trainer(tmp_path, max_steps=8)
    run(again)
    assert [step.step for step in again.engine.pipeline.steps] == [3, 4, 5, 6, 7]
    assert (again.plan.data.steps.position, again.engine.stages[0].lora_A.item()) == (8, 8.0)


def test_far_from_a_checkpoint_only_steps_to_which_the_run_can_go_back_are_remembered(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=300, checkpoint_every_n_steps=300)
    fault = SwarmTimeout("it stayed away")
    trainer.engine = trainer.checkpoints.engine = LosingStages(trainer.engine, fault, after=250)
    with pytest.raises(SwarmTimeout):
        run(trainer)

    assert [step for step in range(300) if trainer._past.at(step) is not None] == [248, 249, 250]


def test_a_run_that_stops_early_on_request_is_not_finished(tmp_path):
    trainer = make_trainer(tmp_path, stop_after=2)

    assert run(trainer) is False
    assert step_numbers(trainer.run.root / "training_state") == [2]


def test_going_on_takes_the_manifest_of_the_finished_run_away(tmp_path):
    run(make_trainer(tmp_path, stop_after=2))
    (tmp_path / "run" / "MANIFEST.json").write_text("{}")

    run(make_trainer(tmp_path))

    assert not (tmp_path / "run" / "MANIFEST.json").exists()


def test_resumed_metrics_have_each_step_once(tmp_path):
    run(make_trainer(tmp_path, stop_after=4, checkpoint_every_n_steps=2))
    (tmp_path / "run" / "training_state" / "step_4").rename(tmp_path / "lost")

    run(make_trainer(tmp_path))

    assert [record["step"] for record in RunDirectory(tmp_path / "run").metrics()] == [0, 1, 2, 3, 4, 5, 6]


def test_a_run_whose_newest_state_was_torn_ends_as_one_that_was_not(tmp_path):
    run(make_trainer(tmp_path, stop_after=4, checkpoint_every_n_steps=2))
    weight = tmp_path / "run" / "training_state" / "step_4" / "pipeline" / "weight"
    weight.write_text(weight.read_text()[:1])

    again = make_trainer(tmp_path)
    run(again)

    assert [step.step for step in again.engine.pipeline.steps] == [3, 4, 5]
    assert again.engine.stages[0].lora_A.item() == 6.0
    assert step_numbers(tmp_path / "run" / "training_state")[-1] == 6
    assert [record["step"] for record in RunDirectory(tmp_path / "run").metrics()] == [0, 1, 2, 3, 4, 5, 6]


def test_a_best_step_that_was_damaged_during_the_run_is_not_exported(tmp_path):
    trainer = make_trainer(tmp_path, val_losses=[9, 3, 5, 6], eval_every_n_steps=2)
    run(trainer)
    (trainer.run.state(2) / "pipeline" / "weight").write_text("7.5")
    exported = []
    trainer.checkpoints.finish = lambda state, *, best, val_loss: exported.append((best, val_loss))

    result = trainer.end(finished=True)

    assert exported == [(6, 6.0)]
    assert (result.best_step, result.val_loss) == (6, 6.0)


def test_a_run_may_go_back_to_an_older_state_and_forgets_the_later_ones(tmp_path):
    run(make_trainer(tmp_path, stop_after=4, checkpoint_every_n_steps=2))
    older = tmp_path / "run" / "training_state" / "step_2"
    run(make_trainer(tmp_path, stop_after=3), resume=older)

    assert step_numbers(tmp_path / "run" / "training_state") == [2, 3]
    assert [record["step"] for record in RunDirectory(tmp_path / "run").metrics()] == [0, 1, 2, 3]


def test_a_run_may_branch_off_another_one(tmp_path):
    run(make_trainer(tmp_path, val_losses=[9, 1], eval_every_n_steps=2, stop_after=3))
    other = {"checkpoint_dir": str(tmp_path / "branch"), "max_steps": 5, "eval_every_n_steps": 2}
    branch = make_trainer(tmp_path, val_losses=[7, 8], **other)
    run(branch, resume=tmp_path / "run")

    assert [step.step for step in branch.engine.pipeline.steps] == [3, 4]
    assert branch.state.best_step == 4
    assert step_numbers(tmp_path / "branch" / "checkpoints") == [4, 5]
    assert step_numbers(tmp_path / "run" / "training_state") == [2, 3]


def test_without_held_out_sessions_the_last_step_is_the_one(tmp_path):
    trainer = make_trainer(tmp_path, held_out=False)
    run(trainer)

    assert trainer.state.best_step is None
    assert all("val_loss" not in record for record in trainer.run.metrics())


def test_entries_are_listed_with_their_split_and_how_often_they_were_seen(tmp_path):
    trainer = make_trainer(tmp_path)
    run(trainer)

    lines = [json.loads(line) for line in (trainer.run.root / "entries.jsonl").read_text().splitlines()]

    assert [(line["id"], line["split"], line["times_seen"]) for line in lines] == [
        ("e1", "train", 6),
        ("e2", "val", 0),
    ]


def test_real_tokens_leave_padding_out():
    assert real_tokens(microbatch()) == 3


def test_a_checkpoint_is_due_after_so_many_minutes_too(tmp_path):
    every_step = make_trainer(
        tmp_path, checkpoint_every_n_steps=100, checkpoint_every_minutes=1e-9, keep_last=9
    )
    run(every_step)
    by_steps_only = tmp_path / "other"
    by_steps_only.mkdir()
    never = make_trainer(
        by_steps_only, checkpoint_every_n_steps=100, checkpoint_every_minutes=None, keep_last=9
    )
    run(never)

    assert step_numbers(every_step.run.training_state) == [1, 2, 3, 4, 5, 6]
    assert len(step_numbers(never.run.training_state)) < 6
