# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.step_directories import keep_newest, newest_step, prune_steps, step_directory, step_numbers


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for step in (2, 10, 9):
        (step_directory(tmp_path, step)).mkdir()
        (step_directory(tmp_path, step) / "state").write_text("s")
    (tmp_path / "step_3").write_text("a file")
    for other in ("step_x", "step_4b", "best"):
        (tmp_path / other).mkdir()
    return tmp_path


def test_steps_are_directories_in_the_order_of_their_numbers(place: Path) -> None:
    assert step_numbers(place) == [2, 9, 10]
    assert newest_step(place) == place / "step_10"


def test_a_missing_directory_holds_no_step(tmp_path: Path) -> None:
    assert step_numbers(tmp_path / "none") == []
    assert newest_step(tmp_path / "none") is None
    prune_steps(tmp_path / "none", keep=[])


def test_pruning_removes_other_steps_and_leaves_strangers(place: Path) -> None:
    prune_steps(place, keep=[9, None])

    assert sorted(path.name for path in place.iterdir()) == ["best", "step_3", "step_4b", "step_9", "step_x"]


def test_pruning_removes_what_a_killed_writer_left(place: Path) -> None:
    (place / ".step_11.abc.part").mkdir()
    (place / ".other").mkdir()

    prune_steps(place, keep=[2, 9, 10])

    assert sorted(path.name for path in place.glob(".*")) == [".other"]


def test_the_last_few_stay_and_an_undone_future_goes(place: Path) -> None:
    keep_newest(place, 1, until=9)

    assert step_numbers(place) == [9]
