# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_run import configure

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.data.frozen import write_list
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.finetune.training.output.resume import (
    TrainerState,
    entries_begun_with,
    find_state,
    read_state,
    refuse_other_run,
    save_state,
    without_damaged_best,
)
from node0.settings import Resolved


def no_weights(directory):
    (directory / "weights").write_text("w")


def broken(directory):
    (directory / "half").write_text("h")
    raise OSError("disk full")


def test_the_newest_state_is_found_by_number_not_by_name(tmp_path):
    for step in (9, 10):
        save_state(RunDirectory(tmp_path), TrainerState(step=step), no_weights)

    assert find_state(RunDirectory(tmp_path), "auto") == tmp_path / "training_state" / "step_10"
    assert find_state(RunDirectory(tmp_path), "never") is None
    assert find_state(RunDirectory(tmp_path / "other"), "auto") is None


def test_a_path_names_a_run_or_one_of_its_states(tmp_path):
    state = save_state(RunDirectory(tmp_path), TrainerState(step=3), no_weights)

    assert find_state(RunDirectory(tmp_path / "elsewhere"), tmp_path) == state
    assert find_state(RunDirectory(tmp_path / "elsewhere"), state) == state
    with pytest.raises(NotFound, match="no training state"):
        find_state(RunDirectory(tmp_path), tmp_path / "gone")


def test_a_state_is_whole_or_absent(tmp_path):
    save_state(RunDirectory(tmp_path), TrainerState(step=1), no_weights)
    with pytest.raises(OSError, match="disk full"):
        save_state(RunDirectory(tmp_path), TrainerState(step=2), broken)

    found = find_state(RunDirectory(tmp_path), "auto")

    assert found is not None
    assert read_state(found).step == 1


def torn(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def emptied(file):
    file.write_bytes(b"")


FAULTS = [torn, flipped, emptied, lambda file: file.unlink()]
FILES = ["pipeline/weights", "trainer.json", "digests.json"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FILES)
def test_a_newest_state_with_a_fault_gives_way_to_the_one_before_and_is_told(tmp_path, caplog, name, fault):
    run = RunDirectory(tmp_path)
    for step in (3, 6, 9):
        save_state(run, TrainerState(step=step), no_weights)
    fault(run.state(9) / name)

    assert find_state(run, "auto") == find_state(RunDirectory("elsewhere"), tmp_path) == run.state(6)

    told = f"passes over the training state of step 9: {name}"
    assert caplog.messages[0].startswith(told) or name == "digests.json"


def test_a_run_whose_states_are_all_damaged_is_refused_and_not_begun_anew(tmp_path):
    run = RunDirectory(tmp_path)
    for step in (3, 6):
        flipped(save_state(run, TrainerState(step=step), no_weights) / "pipeline" / "weights")

    with pytest.raises(BadCheckpoint, match=r"is whole \(step 6: pipeline/weights") as caught:
        find_state(run, "auto")

    assert "--resume never" in str(caught.value)
    assert find_state(run, "never") is None
    assert run.state(3).is_dir()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_state_that_is_named_is_refused(tmp_path, name, fault):
    state = save_state(RunDirectory(tmp_path), TrainerState(step=1), no_weights)
    fault(state / name)

    with pytest.raises(BadCheckpoint, match=r"step_1 is damaged: .*; name another step, or its run"):
        find_state(RunDirectory("elsewhere"), state)


def test_a_best_step_whose_weights_are_damaged_is_forgotten_and_told(tmp_path, caplog):
    run = RunDirectory(tmp_path)
    for step in (2, 4):
        save_state(run, TrainerState(step=step), no_weights)
    state = TrainerState(step=4, best_step=2, best_val_loss=1.0, last_val_loss=2.0)
    assert without_damaged_best(run, state) == state

    flipped(run.state(2) / "pipeline" / "weights")
    found = without_damaged_best(run, state)

    assert (found.best_step, found.best_val_loss, found.last_val_loss) == (None, None, 2.0)
    assert "the best step, 2, are damaged" in caplog.messages[-1]


def test_a_damaged_state_is_one_line(tmp_path):
    state = save_state(RunDirectory(tmp_path), TrainerState(step=1), no_weights)
    (state / "trainer.json").write_text('{"step": 1')

    with pytest.raises(BadCheckpoint, match="use an older step"):
        read_state(state)


def test_another_setting_is_named_with_both_values():
    with pytest.raises(ConfigError, match="seed was 0 and is 1"):
        refuse_other_run({"seed": 0, "mode": "sft"}, {"mode": "sft", "seed": 1})


@pytest.mark.parametrize(
    "change", [{"dataset": "other.jsonl"}, {"select": {"rigs": ["iron"]}}, {"val_split": 0.5}]
)
def test_a_run_goes_on_with_its_entries_only_by_the_settings_that_chose_them(tmp_path, change):
    mine = configure(tmp_path)
    run, entries = RunDirectory(mine.checkpoint_dir), [EntryUse("e1", "digest", "1", "train")]
    write_list(run.entries_file, entries)
    run.config_file.write_text(Resolved(mine, {}).to_yaml())
    changed = configure(tmp_path, **change)

    assert entries_begun_with(mine, "auto") == entries
    assert (entries_begun_with(mine, "never"), entries_begun_with(changed, "auto")) == (None, None)

    save_state(run, TrainerState(step=1), no_weights)
    assert entries_begun_with(mine, "auto") == entries
    with pytest.raises(ConfigError, match=f"cannot resume: {next(iter(change))} was"):
        entries_begun_with(changed, "auto")
