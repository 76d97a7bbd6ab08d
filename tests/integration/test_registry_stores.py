# SPDX-License-Identifier: Apache-2.0
"""What the registry promises, on SQLite and on a real Dolt server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from integration.dolt_server import find_dolt

from node0.errors import BadSignature
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.pruning import prunable, prune
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.signatures.signing import Signer
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.store.copy_store import copy_store
from node0.store.dolt_server import OwnDolt
from node0.store.dolt_store import DoltStore
from node0.store.engine import open_store
from node0.store.transactions import Store

pytestmark = pytest.mark.integration

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
needs_dolt = pytest.mark.skipif(find_dolt() is None, reason="no dolt: make town-tools installs it")
SETTINGS = {
    "lr": 2e-05,
    "third": 1 / 3,
    "whole": 1.0,
    "big": 2**53,
    "tiny": 5e-324,
    "text": "ü\\n",
    "none": None,
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDolt]:
    server = OwnDolt(tmp_path_factory.mktemp("dolt"))
    server.start(binary=str(find_dolt()))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("dolt", marks=needs_dolt)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    place = str(tmp_path / "store.sqlite")
    if request.param == "dolt":
        own: OwnDolt = request.getfixturevalue("own")
        database = "".join(one if one.isalnum() else "_" for one in request.node.name)[:40]
        place = own.require().url.set(database=database).render_as_string(hide_password=False)
    found = open_store(place)
    yield found
    found.close()


@pytest.fixture
def registry(store: Store) -> ModelRegistry:
    return ModelRegistry(store, signer=lambda: SIGNER, trusted=[SIGNER.public])


def _entry(place: Path, number: int, **fields: Any) -> ModelRegistryEntry:
    directory = place / f"model-{number}"
    directory.mkdir(exist_ok=True)
    (directory / "adapter_model.safetensors").write_bytes(bytes([number]))
    (directory / "adapter_config.json").write_text("{}")
    facts = {"name": "dm", "role": "deacon", "lora_adapters": ["."], "training_config": SETTINGS}
    return ModelRegistryEntry(
        artifact_path=str(directory), artefacts=artefacts_of(directory), **{**facts, **fields}
    )


def _draft(version: int) -> Deployment:
    agent = f"ft-dm-v{version}"
    return Deployment(name="dm", version=version, role="deacon", agent=agent, rigs=[], endpoint={}, edits=[])


def test_a_version_comes_back_as_it_was_signed_and_the_same_files_are_the_same_version(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    kept, again = (registry.register_once(_entry(tmp_path, 1)) for _ in range(2))
    other = registry.register_once(_entry(tmp_path, 2))

    assert (kept.is_new, again.is_new, other.is_new) == (True, False, True)
    assert registry.require("dm:1") == kept.entry == again.entry
    assert registry.problems(registry.require("dm:1")) == []
    assert [entry.version for entry in registry.list()] == [2, 1]


def test_evaluations_and_aliases_are_kept_and_leave_the_signature_whole(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    registry.register(_entry(tmp_path, 1))
    found = Evaluation(
        suite="held-out", items=9, score=8 / 9, low=0.1 + 0.2, high=1, by_category={"loss": 1 / 3}
    )
    registry.add_evaluation("dm:1", found)
    registry.move_alias("dm:1", Alias.CANDIDATE, reason="good")

    entry = registry.require("dm@candidate")

    assert entry.eval_score == 8 / 9
    assert [one.model_copy(update={"at": ""}) for one in registry.evaluations(entry)] == [found]
    registry.require_whole(entry)
    assert [one.event for one in registry.history("dm")] == ["registered", "evaluated", "alias"]


def test_deployments_roll_back_and_prune_keeps_what_they_need(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        registry.register(_entry(tmp_path, number))
    log = DeploymentLog(registry.store)
    rows = [log.commit(log.begin(_draft(version))) for version in (1, 2)]
    registry.update_deployment_status("dm:3", "archived", [])
    aliases = {alias: version for (_, version), names in registry.aliases().items() for alias in names}
    listed = [entry.spelled for entry in prunable(registry, role=None, keep_last=0)]
    gone = [entry.spelled for entry in prune(registry, role=None, keep_last=0)]
    log.begin_rollback(rows[1])
    log.finish_rollback(rows[1], reason="worse")

    assert aliases == {Alias.ACTIVE: 2, Alias.PREVIOUS: 1}
    assert listed == gone == ["dm:3"]
    assert [row.version for row in log.stack("deacon")] == [1]
    assert registry.require("dm@active").version == 1
    assert "rolled back" in [one.event for one in registry.history("dm:2")]


def test_a_changed_row_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.register(_entry(tmp_path, 1))
    with registry.store.write("change it") as transaction:
        transaction.exec_driver_sql("DELETE FROM model_artefacts WHERE path = 'adapter_config.json'")

    with pytest.raises(BadSignature, match="dm:1"):
        registry.require_whole(registry.require("dm:1"))


def test_a_copy_in_another_store_is_signed_as_well(registry: ModelRegistry, tmp_path: Path) -> None:
    registry.register(_entry(tmp_path, 1))
    target = open_store(tmp_path / "copy.sqlite")

    copy_store(registry.store, target)

    copied = ModelRegistry(target, trusted=[SIGNER.public])
    assert copied.problems(copied.require("dm:1")) == []
    assert copied.require("dm:1") == registry.require("dm:1")
    target.close()


def test_what_was_registered_in_a_file_keeps_its_signature_on_dolt_and_back(
    store: Store, tmp_path: Path
) -> None:
    first = ModelRegistry(
        open_store(tmp_path / "first.sqlite"), signer=lambda: SIGNER, trusted=[SIGNER.public]
    )
    first.register(_entry(tmp_path, 1))

    copy_store(first.store, store)

    copied = ModelRegistry(store, trusted=[SIGNER.public])
    assert copied.problems(copied.require("dm:1")) == []


def test_on_dolt_each_change_is_a_commit_with_its_reason(registry: ModelRegistry, tmp_path: Path) -> None:
    if not isinstance(registry.store, DoltStore):
        pytest.skip("a file has no history")
    registry.register(_entry(tmp_path, 1))
    registry.note("dm:1", "hello")

    messages = [row["message"] for row in registry.store.log(2)]

    assert messages == ["Note on dm:1", "Register dm"]
