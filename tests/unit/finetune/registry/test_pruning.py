# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.errors import IllegalTransition, NotFound
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.pruning import prunable, prune, remove
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


def _spelled(entries: object) -> list[str]:
    assert isinstance(entries, Iterator | list)
    return sorted(entry.spelled for entry in entries)


def _archive(registry: ModelRegistry, *names: str) -> None:
    for name in names:
        registry.update_deployment_status(name, "archived", [])


def _publish(registry: ModelRegistry, town: Town, weights: bytes, name: str = "copied") -> ModelRegistryEntry:
    source = town.root / "source"
    source.mkdir(exist_ok=True)
    (source / "adapter_model.safetensors").write_bytes(weights)
    (source / "adapter_config.json").write_text("{}")
    return publish(registry, source, name=name, role="deacon", models=town.models).entry


def test_only_archived_and_flagged_versions_go_and_the_newest_stay(registry: ModelRegistry) -> None:
    _archive(registry, "deacon:1", "deacon:3")

    assert _spelled(prunable(registry, role=None, keep_last=0)) == ["deacon:1", "deacon:3"]
    assert _spelled(prunable(registry, role=None, keep_last=1)) == ["deacon:1"]
    assert _spelled(prunable(registry, role="witness", keep_last=0)) == []


def test_an_aliased_a_deployed_a_previous_and_a_parent_version_stay(
    registry: ModelRegistry, deployer: Deployer
) -> None:
    for number in (1, 2):
        deployer.deploy(deployer.plan(f"deacon:{number}", endpoint=Endpoint()))
    child = ModelRegistryEntry(name="child", role="deacon", artifact_path="/x", parent="deacon:3")
    registry.register(child)
    _archive(registry, "deacon:3", "child:1")
    registry.move_alias("child:1", Alias.CANDIDATE)

    assert prunable(registry, role=None, keep_last=0) == []
    for name, why in {
        "deacon:1": "@previous",
        "deacon:2": "@active",
        "deacon:3": "child:1 was trained from it",
        "child:1": "@candidate",
    }.items():
        with pytest.raises(IllegalTransition, match=why):
            remove(registry, name, reason="")


def test_the_real_run_removes_exactly_what_the_dry_one_listed(registry: ModelRegistry) -> None:
    _archive(registry, "deacon:1", "deacon:2")
    listed = _spelled(prunable(registry, role="deacon", keep_last=1))

    gone = _spelled(prune(registry, role="deacon", keep_last=1))

    assert gone == listed == ["deacon:1", "deacon:2"]
    assert _spelled(registry.list()) == ["deacon:3"]
    assert registry.history("deacon:1")[-1].event == "removed"
    assert prune(registry, role="deacon", keep_last=1) == []


def test_copies_go_and_files_that_were_registered_in_place_stay(
    town: Town, registry: ModelRegistry, tmp_path: Path
) -> None:
    first, second = (_publish(registry, town, weights) for weights in (b"one", b"two"))
    _archive(registry, first.spelled, "deacon:1")

    prune(registry, role=None, keep_last=0)

    assert not Path(first.artifact_path).exists()
    assert Path(second.artifact_path).is_dir()
    assert (tmp_path / "model-1").is_dir()


def test_a_copy_that_another_version_has_too_stays(town: Town, registry: ModelRegistry) -> None:
    entry = _publish(registry, town, b"one")
    twin = registry.register(entry.model_copy(update={"role": "witness", "version": 0}))
    assert twin.artifact_path == entry.artifact_path

    remove(registry, entry.spelled, reason="two of them")

    assert Path(twin.artifact_path).is_dir()
    assert registry.problems(twin) == []


def test_a_version_that_is_not_there_cannot_be_removed(registry: ModelRegistry) -> None:
    with pytest.raises(NotFound, match="deacon"):
        remove(registry, "deacn", reason="")
