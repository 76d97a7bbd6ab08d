# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from desk_town import desk_town

from node0.commands.desk.pages.desk_page import Asked, Desk
from node0.commands.desk.pages.run_pages import run, runs
from node0.errors import NotFound
from node0.finetune.run_dir import RunDirectory
from node0.town import Town


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(desk_town(tmp_path / "gt"))


def test_a_run_shows_its_states_and_its_curve(desk: Desk) -> None:
    (row,) = runs(desk, Asked()).content["rows"]
    page = run(desk, Asked(path={"job": row["JOB"]})).content

    assert row["STATE"] == "done"
    assert [one["state"] for one in page["states"]] == ["corpus-validating", "ready", "training", "done"]
    assert [(line.name, line.last) for line in page["curve"].lines] == [
        ("training", 3 / 41),
        ("validation", 0.25),
    ]
    assert page["newest"]["step"] == 40


def test_a_bead_names_its_run_and_an_unknown_name_is_told(desk: Desk) -> None:
    assert run(desk, Asked(path={"job": "gt-abc12"})).content["job"].bead_id == "gt-abc12"
    with pytest.raises(NotFound, match="nothing"):
        run(desk, Asked(path={"job": "nothing"}))


def test_metrics_that_cannot_be_read_are_told_and_the_run_is_shown(desk: Desk) -> None:
    run_dir = RunDirectory(desk.town.checkpoints / "mayor-1")
    run_dir.metrics_file.write_text("no json\n" + run_dir.metrics_file.read_text())

    page = run(desk, Asked(path={"job": "gt-abc12"})).content

    assert "line 1 is no JSON object" in page["problem"]
    assert page["curve"] is None
    assert page["states"]


def test_a_town_without_runs_has_an_empty_list(town_root: Path) -> None:
    assert runs(Desk(Town(town_root)), Asked()).content["rows"] == []
