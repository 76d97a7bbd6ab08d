# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import make_base, make_corpus, settings

from node0.errors import ConfigError, RunInUse
from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.metrics import StepRecord
from node0.finetune.training.output.run_lock import hold
from node0.finetune.training.run import train
from node0.settings import Resolved, resolve


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("place")
    make_base(directory)
    make_corpus(directory / "corpus")
    return directory


def config(place: Path, run: Path) -> Resolved[FineTuneConfig]:
    return resolve(FineTuneConfig, yaml=settings(place, checkpoint_dir=str(run)))


def written(run: Path) -> dict[Path, int]:
    """When each file was last written, but for the lock."""
    return {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}


def test_a_run_that_was_stopped_goes_on_to_the_bytes_of_one_that_was_not(place: Path, tmp_path: Path) -> None:
    whole, parts = config(place, tmp_path / "whole"), config(place, tmp_path / "parts")

    train(whole.values, whole.sources)
    stopped = train(parts.values, parts.sources, stop_after=2)
    ended = train(parts.values, parts.sources)

    assert (stopped.steps, stopped.finished, ended.finished) == (2, False, True)
    adapter = "adapter_model.safetensors"
    assert (tmp_path / "parts" / adapter).read_bytes() == (tmp_path / "whole" / adapter).read_bytes()


def test_who_watches_is_told_each_step_and_how_many_there_are(place: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def watch(record: StepRecord, steps: int) -> None:
        told.append((record.step, steps))

    run = config(place, tmp_path / "run")
    train(run.values, run.sources, progress=watch)

    assert told == [(step, 6) for step in range(7)]


def test_a_finished_run_stays_as_it_is(place: Path, tmp_path: Path) -> None:
    run = config(place, tmp_path / "run")
    train(run.values, run.sources)
    before = written(run.values.checkpoint_dir)

    assert train(run.values, run.sources).steps == 6
    assert written(run.values.checkpoint_dir) == before


def test_one_process_at_a_time_trains_in_a_directory(place: Path, tmp_path: Path) -> None:
    run = config(place, tmp_path / "run")

    with hold(run.values.checkpoint_dir), pytest.raises(RunInUse):
        train(run.values, run.sources)


def test_a_directory_of_something_else_is_refused_with_its_files_untouched(
    place: Path, tmp_path: Path
) -> None:
    run = config(place, tmp_path / "run")
    run.values.checkpoint_dir.mkdir()
    (run.values.checkpoint_dir / "README.md").write_text("mine")

    with pytest.raises(ConfigError, match="run"):
        train(run.values, run.sources)

    assert (run.values.checkpoint_dir / "README.md").read_text() == "mine"
    assert not RunDirectory(run.values.checkpoint_dir).config_file.exists()
