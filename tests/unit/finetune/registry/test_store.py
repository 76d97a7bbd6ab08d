# SPDX-License-Identifier: Apache-2.0
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from node0.errors import ConfigError, IllegalTransition, NotFound
from node0.finetune.manifest import Artefact
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.pruning import remove
from node0.finetune.registry.schema import ModelName, ModelRegistryEntry
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.store.engine import open_store
from node0.store.transactions import Store, Transaction


def _entry(name: str = "deacon", **fields: Any) -> ModelRegistryEntry:
    return ModelRegistryEntry(**{"name": name, "role": "deacon", "artifact_path": "/models/x", **fields})


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(open_store(tmp_path / "registry.sqlite"))


def test_registering_the_same_name_makes_the_next_version(registry: ModelRegistry) -> None:
    first, second = registry.register(_entry()), registry.register(_entry(corpus_hash="b" * 64))

    assert [first.version, second.version] == [1, 2]
    assert registry.get("deacon:1") == first
    assert registry.get("deacon") == second


def test_an_entry_comes_back_as_it_was_kept(registry: ModelRegistry) -> None:
    kept = registry.register(
        _entry(
            base_model="org/base",
            base_digest="c" * 64,
            corpus_hash="a" * 64,
            entries_sha256="e" * 64,
            lora_adapters=["."],
            training_config={"lr": 1e-3, "lora": {"rank": 8}, "role": "deacon"},
            artefacts=[Artefact(path="sub/b.json", sha256="b" * 64, size=2**40)],
        )
    )

    assert registry.get("deacon:1") == kept
    assert kept.created_at.endswith("+00:00")


def test_list_filters_by_role_and_puts_the_newest_first(registry: ModelRegistry) -> None:
    for name, role in [("witness", "witness"), ("deacon", "deacon"), ("deacon", "deacon")]:
        registry.register(_entry(name, role=role))

    assert [entry.spelled for entry in registry.list()] == ["deacon:2", "deacon:1", "witness:1"]
    assert [entry.spelled for entry in registry.list(role="witness")] == ["witness:1"]


def test_evaluation_and_deployment_change_one_version_only(registry: ModelRegistry) -> None:
    first, second = registry.register(_entry()), registry.register(_entry())

    registry.update_eval_score("deacon:1", 0.75, {"tools": 0.5})
    registry.update_deployment_status("deacon:1", "active", ["gastown"])

    changed = registry.get("deacon:1")
    expected = {
        "eval_score": 0.75,
        "eval_scores_by_category": {"tools": 0.5},
        "deployment_status": DeploymentStatus.ACTIVE,
        "deployed_to": ["gastown"],
    }
    assert changed == first.model_copy(update=expected)
    assert registry.get("deacon:2") == second


class Overtaken:
    """A store in which another process writes between a look and the write that follows it."""

    def __init__(self, store: Store, meanwhile: Callable[[], object]) -> None:
        self.store, self.meanwhile, self.where = store, meanwhile, store.where
        self.read, self.close = store.read, store.close

    def write(self, why: str) -> AbstractContextManager[Transaction]:
        self.meanwhile()
        return self.store.write(why)


def _overtaken(registry: ModelRegistry, meanwhile: Callable[[], object]) -> ModelRegistry:
    return ModelRegistry(Overtaken(registry.store, meanwhile))


def test_a_version_that_goes_to_work_while_it_is_measured_stays_at_work(registry: ModelRegistry) -> None:
    registry.register(_entry())
    late = _overtaken(registry, lambda: registry.update_deployment_status("deacon", "active", ["gastown"]))

    late.add_evaluation("deacon", Evaluation(suite="held-out", items=3, score=1))

    kept = registry.require("deacon")
    assert (kept.eval_score, kept.deployment_status) == (1, DeploymentStatus.ACTIVE)


def test_a_move_is_judged_by_the_state_at_its_time(registry: ModelRegistry) -> None:
    registry.register(_entry())
    late = _overtaken(registry, lambda: registry.update_deployment_status("deacon", "archived", []))

    with pytest.raises(IllegalTransition, match="deacon:1 is archived and cannot become evaluated"):
        late.update_deployment_status("deacon", "evaluated", [])


@pytest.mark.parametrize("change", ["evaluate", "move", "alias"])
def test_a_version_that_was_removed_meanwhile_is_said_to_be(registry: ModelRegistry, change: str) -> None:
    registry.register(_entry())
    late = _overtaken(registry, lambda: remove(registry, "deacon:1", reason="meanwhile"))
    changes: dict[str, Callable[[], object]] = {
        "evaluate": lambda: late.update_eval_score("deacon", 1, {}),
        "move": lambda: late.update_deployment_status("deacon", "active", []),
        "alias": lambda: late.move_alias("deacon", Alias.CANDIDATE),
    }

    with pytest.raises(NotFound, match="deacon:1 was removed meanwhile"):
        changes[change]()
    assert registry.aliases() == {}


def test_an_unknown_name_is_answered_with_the_nearest(registry: ModelRegistry) -> None:
    for name in ("deacon-small", "witness", "polecat"):
        registry.register(_entry(name))

    assert registry.get("decon-small") is None
    with pytest.raises(NotFound, match="no model 'decon-small'; nearest: deacon-small"):
        registry.require("decon-small")
    with pytest.raises(NotFound, match="no version 7 of model 'witness'; newest is 1"):
        registry.require("witness:7")
    with pytest.raises(NotFound, match="no model 'nobody'"):
        registry.update_eval_score("nobody", 0.1, {})


def test_an_empty_registry_says_how_to_register(tmp_path: Path) -> None:
    registry = ModelRegistry(open_store(tmp_path / "none" / "registry.sqlite", create=False))

    with pytest.raises(NotFound, match="none is registered; see: node0 model register --help"):
        registry.require("deacon")
    assert not (tmp_path / "none").exists()


def test_an_unknown_status_changes_nothing(registry: ModelRegistry) -> None:
    kept = registry.register(_entry())

    with pytest.raises(ConfigError, match="no deployment status 'retired'; one of: registered, "):
        registry.update_deployment_status("deacon", "retired", [])
    assert registry.get("deacon") == kept


@pytest.mark.parametrize("text", ["deacon:", "deacon:0", "deacon:x", "deacon:-1", "deacon:1:2"])
def test_a_bad_version_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not 1, 2, \.\.\."):
        ModelName.parse(text)


def test_the_content_digest_depends_on_paths_and_digests_but_not_on_order() -> None:
    one, two = (Artefact(path=path, sha256=letter * 64, size=1) for path, letter in [("x", "a"), ("y", "b")])
    digest = _entry(artefacts=[one, two]).content_digest

    assert _entry(artefacts=[two, one]).content_digest == digest
    assert _entry(artefacts=[one]).content_digest != digest
    assert _entry(artefacts=[one, two.model_copy(update={"path": "z"})]).content_digest != digest


def test_artefacts_need_their_version(registry: ModelRegistry, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "registry.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO model_artefacts VALUES ('ghost', 1, 'x', 'y', 1)")


WRITER = """
import sys
from node0.finetune.manifest import Artefact
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.store.engine import open_store

registry = ModelRegistry(open_store(sys.argv[1]))
for number in range(20):
    digest = f"{int(sys.argv[2]) * 100 + number:064x}"
    artefact = Artefact(path="adapter.safetensors", sha256=digest, size=1)
    entry = ModelRegistryEntry(name="deacon", role="deacon", artifact_path="x", artefacts=[artefact])
    registry.register(entry)
"""


def test_processes_that_register_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"

    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(number)]) for number in range(3)]
    codes = [writer.wait(60) for writer in writers]

    assert codes == [0, 0, 0]
    entries = ModelRegistry(open_store(path)).list()
    assert sorted(entry.version for entry in entries) == list(range(1, 61))
    assert all(len(entry.artefacts) == 1 for entry in entries)
