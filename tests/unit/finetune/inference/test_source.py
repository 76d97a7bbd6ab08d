# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import torch
from any_base import make_any_base, write_any_adapter
from tiny_chat import tiny_tokenizer

from node0.errors import BadCheckpoint, ConfigError, NotFound, UnsupportedArchitecture
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.inference.source import find_adapter, find_model
from node0.finetune.manifest import write_manifest
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import base_digest, export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.town import Town

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=1, vocab_size=48, ffn_dim=40)
CONFIG = LoRAConfig(rank=2, alpha=2.0, dropout=0.0, target_modules=["wq"])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    export_base(build_stages(ARGS, seed=1), tmp_path / "base")
    return tmp_path / "base"


def _run(base: Path, directory: Path, *, base_name: str | None = None) -> Path:
    """A run directory with an adapter; its base is named as asked for, else by its path."""
    stages = build_stages(ARGS, seed=1)
    apply_lora(stages[0], CONFIG)
    with torch.no_grad():
        export_peft(stages, directory, base_name=base_name or str(base), base_digest=base_digest(base))
    return directory


def test_a_base_is_found_by_its_directory(base: Path) -> None:
    found = find_model(str(base))

    assert (found.name, found.base.digest) == (str(base), base_digest(base))
    assert (found.adapters, found.tokenizer, found.role, found.profile) == ((), None, None, None)


def test_a_run_leads_to_its_base_role_profile_and_tokenizer(base: Path, tmp_path: Path) -> None:
    run = _run(base, tmp_path / "run")
    (run / "config.resolved.yaml").write_text("role: witness\n")
    (run / "profile.yaml").write_text("role: witness\n")
    tiny_tokenizer().save_pretrained(run)

    found = find_model(str(run))

    assert found.base.digest == base_digest(base)
    assert (found.adapters, found.tokenizer) == ((run,), run)
    assert (found.role, found.profile) == ("witness", run / "profile.yaml")


def test_a_base_that_is_named_beside_its_adapter_is_found_from_anywhere(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(base, tmp_path / "run", base_name="../base")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert find_model(str(run)).base.digest == base_digest(base)


def test_a_directory_whose_file_is_not_the_one_of_its_manifest_is_refused(base: Path, tmp_path: Path) -> None:
    run = _run(base, tmp_path / "run")
    config = (run / "adapter_config.json").read_bytes()
    (run / "adapter_config.json").write_bytes(b"{} ")
    write_manifest(run, {})
    (run / "adapter_config.json").write_bytes(config)

    for find in (find_model, find_adapter):
        with pytest.raises(BadCheckpoint, match=r"adapter_config\.json has \d+ bytes, not 3"):
            find(str(run))


def test_a_registered_name_is_found_with_and_without_its_version(base: Path, tmp_path: Path) -> None:
    town, run = Town(tmp_path), _run(base, tmp_path / "run")
    publish(ModelRegistry(town), run, name="deacon", role="deacon", models=town.models)

    newest, first = find_model("deacon", town=tmp_path), find_model("deacon:1", town=tmp_path)

    assert newest == first
    assert (newest.name, newest.role) == ("deacon:1", "deacon")
    assert newest.adapters == (find_adapter("deacon", town=tmp_path),)


def test_a_registered_name_comes_before_a_directory_of_that_name(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town, run = Town(tmp_path), _run(base, tmp_path / "run")
    publish(ModelRegistry(town), run, name="deacon", role="deacon", models=town.models)
    export_base(build_stages(ARGS, seed=3), tmp_path / "deacon")
    monkeypatch.chdir(tmp_path)

    assert find_model("deacon", town=tmp_path).name == "deacon:1"
    assert find_model("./deacon", town=tmp_path).adapters == ()


def test_a_registered_adapter_whose_base_has_changed_is_refused(base: Path, tmp_path: Path) -> None:
    town, run = Town(tmp_path), _run(base, tmp_path / "run")
    publish(ModelRegistry(town), run, name="deacon", role="deacon", models=town.models)
    export_base(build_stages(ARGS, seed=7), base)

    with pytest.raises(BadCheckpoint, match="deacon:1 needs base"):
        find_model("deacon", town=tmp_path)


def test_a_registered_base_is_no_adapter(base: Path, tmp_path: Path) -> None:
    town = Town(tmp_path)
    publish(ModelRegistry(town), base, name="whole", role="deacon", models=town.models)

    assert find_model("whole", town=tmp_path).adapters == ()
    with pytest.raises(NotFound, match="whole:1 is no adapter"):
        find_adapter("whole", town=tmp_path)


@pytest.mark.parametrize("name", ["./none", "/none/such", "nobody"])
def test_an_unknown_name_is_not_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model"):
        find_model(name, town=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_a_model_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"holds neither adapter_config\.json nor config\.json"):
        find_model(str(tmp_path))


def test_an_adapter_that_names_no_base_is_refused(base: Path, tmp_path: Path) -> None:
    run = _run(base, tmp_path / "run")
    config = json.loads((run / "adapter_config.json").read_text())
    (run / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": ""}))

    with pytest.raises(BadCheckpoint, match="names no base"):
        find_model(str(run))


def test_a_base_of_another_family_is_found_with_its_adapter(tmp_path: Path) -> None:
    base = make_any_base(tmp_path, "olmo2")
    adapter = write_any_adapter(base, tmp_path / "deacon")

    found = find_model(str(adapter))

    assert found.base.path == base and found.adapters == (adapter,)
    with pytest.raises(ConfigError, match="a olmo2, whole and in one process; do without"):
        found.own_base("do without")
    assert found.line_for_vllm() == (
        f"vllm serve {base} --enable-lora --max-lora-rank 2 --lora-modules deacon={adapter}"
    )
    assert find_model(str(base)).line_for_vllm() == f"vllm serve {base} --served-model-name base"


def test_a_base_that_nothing_here_computes_is_named_with_who_may(base: Path) -> None:
    config = base / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "quillwork"}))

    with pytest.raises(UnsupportedArchitecture, match="'quillwork' is not known to transformers") as caught:
        find_model(str(base))
    assert f"vllm serve {base} --served-model-name base" in str(caught.value)
