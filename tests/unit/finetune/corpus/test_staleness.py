# SPDX-License-Identifier: Apache-2.0
import json
import logging
from pathlib import Path

import pytest

from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.corpus.town.conventions import fingerprints
from node0.finetune.registry.publish import CONVENTIONS
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path)
    (tmp_path / "CLAUDE.md").write_text("one\ntwo\n")
    formulas = tmp_path / ".beads" / "formulas"
    formulas.mkdir(parents=True)
    (formulas / "patrol.formula.toml").write_text("version = 1\n")
    town.settings_file.parent.mkdir()
    town.settings_file.write_text(json.dumps({"a": 1}))
    return town


@pytest.fixture
def tracker(town: Town) -> ConventionStalenessTracker:
    registry = ModelRegistry(town)
    config = {CONVENTIONS: fingerprints(town, "deacon")}
    for name, settings in {"deacon": config, "unknown": {}}.items():
        registry.register(
            ModelRegistryEntry(name=name, role="deacon", artifact_path="/x", training_config=settings)
        )
    return ConventionStalenessTracker(registry, town)


def test_an_unchanged_town_is_not_stale(tracker: ConventionStalenessTracker) -> None:
    assert tracker.composite_staleness("deacon") == 0
    assert not tracker.should_retrain("deacon", threshold=0)


def test_each_signal_moves_by_itself_and_the_composite_weighs_them(
    tracker: ConventionStalenessTracker, town: Town
) -> None:
    (town.root / "CLAUDE.md").write_text("three\n")
    first = (tracker.check_drift("deacon"), tracker.check_formula_drift("deacon"))
    composite = tracker.composite_staleness("deacon")
    (town.root / ".beads" / "formulas" / "new.formula.toml").write_text("version = 2\n")
    town.settings_file.write_text(json.dumps({"a": 2}))

    assert first == (1, 0)
    assert composite == 0.5
    assert tracker.check_formula_drift("deacon") == 0.5
    assert tracker.check_config_drift("deacon") == 1
    assert tracker.composite_staleness("deacon") == pytest.approx(0.5 + 0.3 * 0.5 + 0.2)


def test_a_stale_version_is_named_in_the_log(
    tracker: ConventionStalenessTracker, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    (town.root / "CLAUDE.md").write_text("three\n")
    with caplog.at_level(logging.WARNING):
        stale = tracker.should_retrain("deacon:1")

    assert stale
    assert "Model deacon:1 may be stale: composite_staleness=0.50 (CLAUDE.md=1.00," in caplog.text


def test_a_version_without_a_record_is_of_unknown_staleness(
    tracker: ConventionStalenessTracker, town: Town
) -> None:
    (town.root / "CLAUDE.md").write_text("three\n")
    registry = ModelRegistry(town)

    assert tracker.of(registry.require("unknown")) is None
    assert not tracker.should_retrain("unknown")
