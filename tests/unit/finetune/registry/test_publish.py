# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.registry.publish import find_parent, publish
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.town import Town

LEFT_BEHIND = (
    ".lock", "training_state/step_6/trainer.json", "checkpoints/step_6/solo-0_lora.safetensors",
    "runs/events.out.tfevents.1", "gathered/shards/a.safetensors", "whole/step_6/adapter/adapter_config.json",
    "swarm/run.json", "swarm/identities/trainer.key", "swarm/identities/head-0.key", "swarm/logs/head-0.log",
    "id_rsa", "deploy.pem", ".env", "run.secret", "train.log", "polecat/adapter_model.safetensors",
    ".git/config", "__pycache__/x.pyc", "banner.png", "notes.txt", "optimizer.safetensors", "store.sqlite",
)  # fmt: skip
MODEL = [
    "MANIFEST.json", "README.md", "adapter_config.json", "adapter_model.safetensors", "config.resolved.yaml",
    "entries.jsonl", "tokenizer.json",
]  # fmt: skip


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    before = os.umask(0o022)
    (tmp_path / "town").mkdir()
    yield Town(tmp_path / "town")
    os.umask(before)


@pytest.fixture
def registry(town: Town) -> Iterator[ModelRegistry]:
    found = ModelRegistry(town)
    yield found
    found.close()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A finished run with a little of everything that may lie in its directory."""
    run = RunDirectory(tmp_path / "run")
    run.root.mkdir()
    adapter = {"base_model_name_or_path": "org/base", "node0_base_digest": "d" * 64}
    for name, text in (
        ("adapter_config.json", json.dumps(adapter)),
        ("adapter_model.safetensors", "weights"),
        ("config.resolved.yaml", "role: deacon\n"),
        ("tokenizer.json", "{}"),
        ("README.md", "card"),
    ):
        (run.root / name).write_text(text)
    run.write_entries([EntryUse("a", "1", "1", "train")], {"a": 1})
    run.write_manifest({"corpus_hash": "c" * 64, "code_version": "1.2.3"})
    for name in LEFT_BEHIND:
        (run.root / name).parent.mkdir(parents=True, exist_ok=True)
        (run.root / name).write_text(name)
    return run


def test_a_registered_run_is_its_model_and_no_key_socket_log_or_state(
    town: Town, registry: ModelRegistry, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.root)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("tokenizer.model")
        entry = publish(registry, run.root, models=town.models).entry

    copied = list(Path(entry.artifact_path).rglob("*"))
    assert sorted(path.name for path in copied) == MODEL
    assert [file.path for file in entry.artefacts] == MODEL
    assert {stat.S_IMODE(path.stat().st_mode) for path in copied} == {0o600}
    assert stat.S_IMODE(Path(entry.artifact_path).stat().st_mode) == 0o700


def test_a_version_in_place_records_the_model_alone(registry: ModelRegistry, run: RunDirectory) -> None:
    entry = publish(registry, run.root).entry

    assert entry.artifact_path == str(run.root)
    assert [file.path for file in entry.artefacts] == MODEL


def test_what_the_files_say_becomes_the_lineage(registry: ModelRegistry, run: RunDirectory) -> None:
    entry = publish(registry, run.root, name="dm").entry

    assert (entry.spelled, entry.role, entry.base_model) == ("dm:1", "deacon", "org/base")
    assert (entry.base_digest, entry.corpus_hash) == ("d" * 64, "c" * 64)
    assert entry.lora_adapters == ["."]
    assert entry.training_config == {"role": "deacon"}
    assert len(entry.entries_sha256) == 64


def test_a_hugging_face_directory_has_no_adapter_and_needs_a_role(
    town: Town, registry: ModelRegistry, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        (base / name).write_text("{}")
    (base / "model.safetensors.index.json").write_text("{}")
    (base / "original").mkdir()
    (base / "original" / "consolidated.00.pth").write_text("pickle")

    with pytest.raises(ConfigError, match="give --role"):
        publish(registry, base)
    entry = publish(registry, base, role="deacon", models=town.models).entry

    assert entry.lora_adapters == []
    assert len(list(Path(entry.artifact_path).iterdir())) == 4


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.pt", "x.pth", "x.pkl", "x.ckpt"])
def test_a_pickle_beside_the_weights_is_refused(
    registry: ModelRegistry, run: RunDirectory, name: str
) -> None:
    (run.root / name).write_bytes(b"")

    with pytest.raises(BadCheckpoint, match=f"{name} may be a pickle"):
        publish(registry, run.root)


def test_a_finished_run_whose_files_changed_is_refused(registry: ModelRegistry, run: RunDirectory) -> None:
    (run.root / "README.md").write_text("another card")

    with pytest.raises(BadCheckpoint, match=r"README\.md"):
        publish(registry, run.root)


def test_the_same_files_are_one_version_however_often_they_are_registered(
    town: Town, registry: ModelRegistry, run: RunDirectory
) -> None:
    first, second = (publish(registry, run.root, name="dm", models=town.models) for _ in range(2))

    assert (first.is_new, second.is_new) == (True, False)
    assert first.entry.spelled == second.entry.spelled == "dm:1"


def test_the_same_files_lie_once_under_one_name_for_two_roles(
    town: Town, registry: ModelRegistry, run: RunDirectory
) -> None:
    roles = ("deacon", "witness")
    first, second = (publish(registry, run.root, name="dm", role=role, models=town.models) for role in roles)

    assert (first.entry.version, second.entry.version) == (1, 2)
    assert first.entry.artifact_path == second.entry.artifact_path
    assert len(list((town.models / "dm").iterdir())) == 1


def test_program_and_scrub_rules_of_the_training_are_kept(
    town: Town, registry: ModelRegistry, run: RunDirectory
) -> None:
    entry = publish(registry, run.root, models=town.models).entry

    assert (entry.code_version, entry.scrub_version, entry.parent) == ("1.2.3", "1", "")


def test_entries_of_two_sets_of_scrub_rules_are_mixed(registry: ModelRegistry, run: RunDirectory) -> None:
    uses = [EntryUse(name, name, rules, "train") for name, rules in (("a", "1"), ("b", "2"))]
    run.write_entries(uses, {})
    run.write_manifest({})

    assert publish(registry, run.root).entry.scrub_version == "mixed"


@pytest.mark.parametrize("start", ["the copy", "the run"])
def test_a_run_that_began_from_a_registered_adapter_names_it_as_its_parent(
    town: Town, registry: ModelRegistry, run: RunDirectory, tmp_path: Path, start: str
) -> None:
    first = publish(registry, run.root, models=town.models).entry
    begun = first.artifact_path if start == "the copy" else str(run.root)
    child = tmp_path / "child"
    child.mkdir()
    (child / "adapter_config.json").write_text("{}")
    (child / "adapter_model.safetensors").write_text("trained on")
    (child / "config.resolved.yaml").write_text(f"role: deacon\ninit_adapter: {begun}\n")

    assert publish(registry, child, models=town.models).entry.parent == first.spelled


def test_an_adapter_that_nobody_registered_is_no_parent(
    registry: ModelRegistry, run: RunDirectory, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "adapter_model.safetensors").write_text("other")

    for start in (tmp_path / "other", tmp_path / "gone"):
        assert find_parent(registry, {"init_adapter": str(start)}) == ""
    assert find_parent(registry, {}) == ""
