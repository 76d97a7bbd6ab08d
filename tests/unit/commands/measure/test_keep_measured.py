# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.measure.keep_measured import evaluation_of, keep_measured, registered_as
from node0.finetune.eval.held_out import Measured
from node0.finetune.eval.tool_calls import CallScore
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Printed = pytest.CaptureFixture[str]


def _measured(exact: int, turns: int) -> Measured:
    return Measured("dm", 3, 1.25, 100, CallScore(turns, exact, commonest=1, commonest_call="{}"))


@pytest.fixture
def registry(town_root: Path) -> ModelRegistry:
    registry = ModelRegistry(Town(town_root))
    registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    return registry


def test_exact_calls_are_the_score_within_their_bounds_and_the_loss_stands_beside() -> None:
    found = evaluation_of(_measured(9, 10))

    assert (found.suite, found.items, found.score) == ("held-out", 10, 0.9)
    assert found.low == pytest.approx(0.5958, abs=1e-3)
    assert found.high == pytest.approx(0.9821, abs=1e-3)
    assert found.by_category == {"exact_calls": 0.9, "loss": 1.25}


def test_what_was_measured_is_the_versions_score(registry: ModelRegistry, town_root: Path) -> None:
    keep_measured("dm:1", _measured(3, 4), town_root)

    entry = registry.require("dm")
    assert entry.eval_score == 0.75
    assert entry.deployment_status is DeploymentStatus.EVALUATED
    assert [one.items for one in registry.evaluations(entry)] == [4]


def test_no_turn_is_no_measurement(registry: ModelRegistry, town_root: Path, capsys: Printed) -> None:
    keep_measured("dm:1", _measured(0, 0), town_root)

    assert registry.require("dm").eval_score is None
    assert "not kept with dm:1: no turn was measured" in capsys.readouterr().err


def test_what_cannot_be_kept_is_told_in_one_line(
    registry: ModelRegistry, town_root: Path, capsys: Printed
) -> None:
    Town(town_root).model_settings_file.write_text("store: {url: dolt}\n")

    keep_measured("dm:1", _measured(3, 4), town_root)

    told = capsys.readouterr().err
    assert told.startswith("warning: not kept with dm:1:") and told.count("\n") == 1


@pytest.mark.parametrize("name", ["org/base", "./dm", "nobody", "dm:7", "dm:x"])
def test_what_is_not_registered_is_no_version(registry: ModelRegistry, town_root: Path, name: str) -> None:
    assert registered_as(name, town_root) is None


def test_a_registered_name_is_its_newest_version(registry: ModelRegistry, town_root: Path) -> None:
    assert registered_as("dm", town_root) == "dm:1"


def test_without_a_town_nothing_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GT_TOWN_ROOT", "GT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    assert registered_as("dm", None) is None
