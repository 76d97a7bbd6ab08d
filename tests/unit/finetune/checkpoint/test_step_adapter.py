# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import torch
import yaml
from tiny_run import fresh_arguments, make_base

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.checkpoint.shard import save_shard
from node0.finetune.checkpoint.step_adapter import complete_steps, write_step_adapter
from node0.finetune.run_dir import RunDirectory
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import make_trainable
from node0.models.factory import build_stages
from node0.models.llama.layers import LlamaStage
from node0.models.stage_name import stage_names

LORA = LoRAConfig(rank=2, alpha=4, dropout=0.0, target_modules=["wq", "w2"])


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with a base, and settings."""
    found = RunDirectory(tmp_path / "run")
    found.make()
    settings = {"lora": LORA.model_dump(), "base_model": str(make_base(tmp_path)), "role": "deacon"}
    found.config_file.write_text(yaml.safe_dump(settings))
    return found


def keep(run: RunDirectory, step: int, *, count: int = 1) -> list[LlamaStage]:
    """A checkpoint of some random adapter, cut into stages, as a run leaves it."""
    stages = build_stages(fresh_arguments(), count, seed=step)
    for stage in stages:
        make_trainable(stage, LORA, seed=step)
        for name, weight in stage.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(step))
    for stage, name in zip(stages, stage_names(count), strict=True):
        save_shard(stage, run.checkpoints, str(name), step)
    run.state(step).mkdir(parents=True)
    (run.state(step) / "trainer.json").write_text(json.dumps({"fingerprint": {"base_digest": "b" * 64}}))
    return stages


@pytest.mark.parametrize("count", [1, 2])
def test_a_steps_adapter_is_the_one_that_the_end_would_export(
    run: RunDirectory, tmp_path: Path, count: int
) -> None:
    stages = keep(run, 3, count=count)
    base = str(Path(run.settings()["base_model"]).resolve())
    export_peft(stages, tmp_path / "end", base_name=base, base_digest="b" * 64, config=LORA)
    write_step_adapter(run, 3, tmp_path / "step")

    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "step" / name).read_bytes() == (tmp_path / "end" / name).read_bytes()
    assert RunDirectory(tmp_path / "step").settings() == run.settings()


def test_a_step_is_complete_when_its_state_is_written(run: RunDirectory) -> None:
    keep(run, 3)
    keep(run, 12)
    save_shard(keep(run, 6)[0], run.checkpoints, "solo-0", 15)

    assert complete_steps(run) == [3, 6, 12]


def test_a_step_that_is_gone_or_broken_is_told(run: RunDirectory, tmp_path: Path) -> None:
    keep(run, 3)
    with pytest.raises(NotFound, match="keeps no checkpoint of step 6"):
        write_step_adapter(run, 6, tmp_path / "out")
    (run.state(3) / "trainer.json").unlink()
    with pytest.raises(NotFound, match="step 3 was removed meanwhile"):
        write_step_adapter(run, 3, tmp_path / "out")
    (run.checkpoints / "step_3" / "solo-0_lora.safetensors").write_bytes(b"no shard")
    with pytest.raises(BadCheckpoint, match="cannot read checkpoint"):
        write_step_adapter(run, 3, tmp_path / "out")


@pytest.mark.parametrize("gone", ["head-0", "tail-1"])
def test_a_step_that_is_half_removed_gives_no_adapter(run: RunDirectory, tmp_path: Path, gone: str) -> None:
    keep(run, 3, count=2)
    (run.checkpoints / "step_3" / f"{gone}_lora.safetensors").unlink()

    with pytest.raises(NotFound, match="no other stage; take a later one"):
        write_step_adapter(run, 3, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["lora", "base_model"])
def test_a_run_that_trains_no_adapter_is_refused(run: RunDirectory, tmp_path: Path, name: str) -> None:
    keep(run, 3)
    run.config_file.write_text(yaml.safe_dump({**run.settings(), name: None}))

    with pytest.raises(ConfigError, match="trains no adapter of a base"):
        write_step_adapter(run, 3, tmp_path / "out")
