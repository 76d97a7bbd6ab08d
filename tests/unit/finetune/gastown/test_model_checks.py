# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.check_result import CheckResult
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.corpus.town.conventions import fingerprints
from node0.finetune.deploy.canary import CanaryKeeper
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.model_checks import model_checks
from node0.finetune.registry.canaries import CanaryLog, CanaryState
from node0.finetune.registry.publish import CONVENTIONS
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]


def checks(town: Town, registry: ModelRegistry, deployer: Deployer) -> dict[str, CheckResult]:
    return {
        one.check: one for one in model_checks(registry, deployer, ConventionStalenessTracker(registry, town))
    }


@pytest.fixture
def empty(town: Town) -> Iterator[ModelRegistry]:
    registry = ModelRegistry(town)
    yield registry
    registry.close()


def test_a_town_without_models_is_told_to_train(town: Town, empty: ModelRegistry) -> None:
    found = checks(town, empty, Deployer(town, empty, probe=lambda *_: None))

    assert {name: one.state for name, one in found.items()} == {"models": "note"}
    assert "node0 finetune" in found["models"].do


def test_models_of_which_none_is_at_work_are_counted(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    found = checks(town, registry, deployer)

    assert found["models"].found == "3 registered, none at work"
    assert found.keys() == {"models"}


def test_a_canary_is_named_while_it_runs_and_one_that_was_left_is_wrong(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    row = CanaryKeeper(town, registry, deployer).start("deacon:2")
    found = checks(town, registry, deployer)["canary"]
    assert (found.state, found.found) == ("ok", "deacon:2 for deacon beside deacon:1: 20% of new sessions")

    CanaryLog(registry.store).change(row, CanaryState.PROMOTING)
    found = checks(town, registry, deployer)["canary"]
    assert found.state == "bad" and "is promoting" in found.found and "canary check" in found.do


def test_what_is_at_work_is_named_with_its_settings_and_its_drift(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    deployer.deploy(deployer.plan("deacon:1", rigs=["demo"], endpoint=Endpoint()))

    found = checks(town, registry, deployer)

    assert found["models"].found == "3 registered; deacon:1 for deacon in demo"
    assert (found["settings"].state, found["drift"].state) == ("ok", "note")


def test_settings_that_somebody_changed_are_bad(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    with town.edit_settings() as settings:
        settings["role_agents"]["deacon"] = "opus"

    found = checks(town, registry, deployer)["settings"]

    assert found.state == "bad" and "role_agents.deacon" in found.found and "--fix" in found.do


def test_a_town_that_moved_on_is_bad(
    town: Town, registry: ModelRegistry, deployer: Deployer, tmp_path: Path
) -> None:
    (town.root / "CLAUDE.md").write_text("one\ntwo\n")
    entry = ModelRegistryEntry(
        name="witness", role="witness", artifact_path=str(tmp_path / "model-1"),
        artefacts=registry.require("deacon:1").artefacts,
        training_config={CONVENTIONS: fingerprints(town, "witness")},
    )  # fmt: skip
    registry.register(entry)
    deployer.deploy(deployer.plan("witness:1", endpoint=Endpoint()), force=True, reason="a test")
    before = checks(town, registry, deployer)["drift"]
    (town.root / "CLAUDE.md").write_text("three\nfour\n")

    after = checks(town, registry, deployer)["drift"]

    assert (before.state, after.state) == ("ok", "bad")
    assert "train" in after.do
