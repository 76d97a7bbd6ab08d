# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import stat
from collections import Counter
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, NotFound
from node0.finetune.run_dir import EntryUse, RunDirectory, find_runs
from node0.step_directories import step_numbers

ENTRIES = [EntryUse("b", "2", "1", "val"), EntryUse("a", "1", "1", "train")]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(b"w")
    (tmp_path / ".lock").write_text("1")
    (tmp_path / "training_state" / "step_1").mkdir(parents=True)
    (tmp_path / "training_state" / "step_1" / "state").write_text("s")
    RunDirectory(tmp_path).write_manifest({"step": 7})
    return tmp_path


@pytest.fixture
def steps(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    for step in (1, 2, 3, 4):
        run.state(step).mkdir(parents=True)
        (run.checkpoints / f"step_{step}").mkdir(parents=True)
    return run


def test_the_manifest_names_every_file_of_the_model(run_dir: Path) -> None:
    manifest = RunDirectory(run_dir).verify()

    assert manifest["step"] == 7
    assert manifest["files"] == {"model.safetensors": {"sha256": hashlib.sha256(b"w").hexdigest(), "size": 1}}


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_changed_or_missing_file_is_found(run_dir: Path, spoil) -> None:  # type: ignore[no-untyped-def]  # a lambda
    spoil(run_dir / "model.safetensors")

    for look in (RunDirectory(run_dir).verify, RunDirectory(run_dir).verify_if_finished):
        with pytest.raises(BadCheckpoint, match=r"model\.safetensors"):
            look()


def test_an_unfinished_run_has_no_manifest(tmp_path: Path) -> None:
    RunDirectory(tmp_path).verify_if_finished()

    assert RunDirectory(tmp_path).read_manifest() == {}
    with pytest.raises(BadCheckpoint, match="not finished"):
        RunDirectory(tmp_path).verify()


def test_held_out_gives_the_ids_that_were_never_trained_on(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_entries(ENTRIES, {"a": 3})

    assert RunDirectory(tmp_path).held_out() == {"b"}
    with pytest.raises(NotFound, match=r"entries\.jsonl"):
        RunDirectory(tmp_path / "other").held_out()


def test_entries_are_sorted_and_say_how_often_each_was_seen(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)

    run.write_entries(ENTRIES, {"a": 3, "b": 9})

    assert run.entries_file.read_text() == (
        '{"id": "a", "content_digest": "1", "scrub_version": "1", "split": "train", "times_seen": 3}\n'
        '{"id": "b", "content_digest": "2", "scrub_version": "1", "split": "val", "times_seen": 0}\n'
    )


def test_damaged_entries_are_counted_by_who_may_go_on_and_refused_to_who_measures(tmp_path: Path) -> None:
    run, skipped = RunDirectory(tmp_path), Counter[str]()
    run.entries_file.write_text('{"id": "a", "split": "val"}\nnonsense\n{"id": "b"}\n{"torn')

    assert [row["id"] for row in run.entries(skipped)] == ["a", "b"]
    assert skipped == {"not JSON": 1, "torn last line": 1}
    with pytest.raises(BadCheckpoint, match="line 2"):
        run.held_out()


def test_settings_are_empty_where_a_base_lies_and_required_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.settings() == {}
    with pytest.raises(NotFound, match="give the directory of a finished run"):
        run.require_settings()

    run.config_file.write_text("role: deacon  # flag\n")

    assert run.settings() == run.require_settings() == {"role": "deacon"}


def test_the_last_few_steps_and_the_best_are_kept(steps: RunDirectory) -> None:
    steps.keep_checkpoints(1, 2)

    assert step_numbers(steps.training_state) == step_numbers(steps.checkpoints) == [1, 3, 4]
    assert steps.newest_state() == steps.state(4)


def test_what_will_be_done_again_is_discarded_with_the_manifest(steps: RunDirectory) -> None:
    steps.metrics_file.write_text("".join(json.dumps({"step": step}) + "\n" for step in range(5)) + '{"st')
    steps.write_manifest({})

    steps.discard_after(2)

    assert [record["step"] for record in steps.metrics()] == [0, 1, 2]
    assert step_numbers(steps.training_state) == step_numbers(steps.checkpoints) == [1, 2]
    assert not steps.manifest_file.exists()


def test_a_run_that_starts_over_is_judged_by_nothing_of_the_last_one(steps: RunDirectory) -> None:
    steps.metrics_file.write_text('{"step": 1}\n')
    steps.events.mkdir()
    steps.write_manifest({})
    (steps.root / "README.md").write_text("card")

    steps.clear()

    assert [path.name for path in steps.root.iterdir()] == ["README.md"]


def test_leftovers_of_killed_writers_are_swept_and_nothing_else(run_dir: Path) -> None:
    (run_dir / ".model.safetensors.abc.part").write_bytes(b"half")
    (run_dir / ".tokenizer.abc.part").mkdir()
    (run_dir / ".tokenizer.abc.part" / "tokenizer.json").write_text("{}")

    RunDirectory(run_dir).sweep()

    assert {path.name for path in run_dir.iterdir()} == {
        ".lock", "MANIFEST.json", "model.safetensors", "training_state",
    }  # fmt: skip


def test_a_run_directory_with_wider_rights_is_narrowed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)

    RunDirectory(tmp_path / "run").make()

    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_runs_and_registered_copies_are_found_by_their_entries(tmp_path: Path) -> None:
    for place in (".checkpoints/deacon/first", ".models/deacon/abc"):
        RunDirectory(tmp_path / place).write_entries(ENTRIES, {})

    found = [
        run.root for run in find_runs([tmp_path / ".checkpoints", tmp_path / ".models", tmp_path / "no"])
    ]

    assert found == [tmp_path / ".checkpoints/deacon/first", tmp_path / ".models/deacon/abc"]


def test_a_run_that_starts_over_is_another_one_to_its_trackers_and_what_they_keep_stays(tmp_path):
    run = RunDirectory(tmp_path)
    (run.trackers / "wandb" / "offline-run-1").mkdir(parents=True)
    (run.trackers / "wandb.id").write_text("abc\n")

    run.clear()

    assert [path.name for path in run.trackers.iterdir()] == ["wandb"]
    assert (run.trackers / "wandb" / "offline-run-1").is_dir()
