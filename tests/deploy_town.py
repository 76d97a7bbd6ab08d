# SPDX-License-Identifier: Apache-2.0
"""A town with settings, and a registry with three evaluated versions of a deacon."""

import json
from pathlib import Path

import pytest

from node0.finetune.deploy.deployer import Deployer
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

SETTINGS = """{
  "type": "town-settings", "version": 1,
  "scheduler": {"max_polecats": 3.0, "note": "caf\\u00e9"},
  "agents": {"opus": {"provider": "claude"}},
  "role_agents": {"deacon": "opus", "witness": "haiku"}
}
"""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path / "town")
    for name, text in {"mayor/town.json": "{}", "settings/config.json": SETTINGS}.items():
        (town.root / name).parent.mkdir(parents=True, exist_ok=True)
        (town.root / name).write_text(text)
    rigs = {"rigs": {"demo": {}, "other": {}}}
    town.rigs_file.write_text(json.dumps(rigs))
    for rig in rigs["rigs"]:
        (town.root / rig).mkdir()
        (town.root / rig / "config.json").write_text("{}")
    return town


@pytest.fixture
def registry(town: Town, tmp_path: Path) -> ModelRegistry:
    registry = ModelRegistry(town)
    for number in (1, 2, 3):
        directory = tmp_path / f"model-{number}"
        directory.mkdir()
        (directory / "adapter_model.safetensors").write_bytes(bytes([number]))
        (directory / "adapter_config.json").write_text("{}")
        entry = ModelRegistryEntry(
            name="deacon",
            role="deacon",
            artifact_path=str(directory),
            artefacts=artefacts_of(directory),
            lora_adapters=["."],
        )
        kept = registry.register(entry)
        registry.add_evaluation(kept.spelled, Evaluation(suite="held-out", items=100, score=0.95, low=0.9))
    return registry


@pytest.fixture
def deployer(town: Town, registry: ModelRegistry) -> Deployer:
    return Deployer(town, registry, probe=lambda *_: None)


def register(registry: ModelRegistry, name: str, evaluation: Evaluation) -> None:
    """The next version of a model with this name, with the files of deacon:1."""
    like = registry.require("deacon:1").model_copy(update={"name": name})
    registry.add_evaluation(registry.register(like).spelled, evaluation)
