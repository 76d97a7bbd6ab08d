# SPDX-License-Identifier: Apache-2.0
from node0.finetune.training.trackers.tracker import TrackedRun


def test_each_tracker_has_an_id_of_its_own_that_only_the_owner_reads(tmp_path):
    told = TrackedRun(name="deacon", project=None, settings={}, directory=tmp_path / "trackers")

    unknown = told.known_as("wandb")
    told.remember("wandb", "abc")
    told.remember("mlflow", "def")

    assert unknown is None
    assert (told.known_as("wandb"), told.known_as("mlflow")) == ("abc", "def")
    assert (tmp_path / "trackers" / "wandb.id").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "trackers").stat().st_mode & 0o777 == 0o700
