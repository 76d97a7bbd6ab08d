# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import make_base, make_corpus, settings

from node0.finetune.config import FineTuneConfig
from node0.finetune.training.output.run_result import finished_result, next_run_directory, unused_settings
from node0.finetune.training.run import train
from node0.settings import resolve


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("place")
    make_base(directory)
    make_corpus(directory / "corpus")
    config = resolve(FineTuneConfig, yaml=settings(directory))
    train(config.values, config.sources)
    return directory


def test_what_a_finished_run_left_is_read_from_its_records(place: Path) -> None:
    config = resolve(FineTuneConfig, yaml=settings(place))
    again = train(config.values, config.sources)

    found = finished_result(place / "run", "auto")

    assert found == again
    assert found is not None
    assert (found.steps, found.finished, found.run_dir) == (6, True, place / "run")
    assert found.val_loss is not None


def test_a_run_to_be_started_over_or_branched_off_is_not_finished(place: Path, tmp_path: Path) -> None:
    assert finished_result(place / "run", "never") is None
    assert finished_result(place / "run", place / "run") is None
    assert finished_result(tmp_path, "auto") is None


def test_only_what_was_given_and_differs_is_unused(place: Path) -> None:
    given = settings(place, lr=0.5, lora={**settings(place)["lora"], "rank": 8})
    flags = {
        "base_model": str(place / "tokenizer" / ".." / "base"),
        "checkpoint_dir": str(place / "run" / "."),
    }

    resolved = resolve(FineTuneConfig, yaml=given, flags=flags)

    assert unused_settings(place / "run", resolved) == {"lr": 0.5, "lora.rank": 8}


def test_the_next_directory_is_the_first_that_is_free(tmp_path: Path) -> None:
    (tmp_path / "deacon-2").mkdir()

    assert next_run_directory(tmp_path / "deacon") == tmp_path / "deacon-3"
