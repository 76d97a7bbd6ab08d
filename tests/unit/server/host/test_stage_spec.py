# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict
from pathlib import Path

import msgpack
import pytest
import torch

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import export_base, fresh_digest, resolve_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.host.stage_spec import StagePlace, StageTraining, make_executor, training_of

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=4, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
PLACE = StagePlace(1, 3)


def _config(lora: LoRAConfig | None) -> FineTuneConfig:
    return FineTuneConfig(
        role="deacon", corpus_path=Path("corpus"), checkpoint_dir=Path("run"), lora=lora, seed=3, lr=0.01
    )


def _training(lora: LoRAConfig | None) -> StageTraining:
    return training_of(_config(lora), base_digest=fresh_digest(ARGS, 3), dtype=torch.float32, fresh=ARGS)


def test_with_an_adapter_only_its_matrices_train() -> None:
    executor = make_executor(PLACE, _training(LoRAConfig(rank=2)), None, device="cpu")

    assert executor.trained.names
    assert all("lora_" in name for name in executor.trained.names)


def test_without_an_adapter_every_weight_trains() -> None:
    executor = make_executor(PLACE, _training(None), None, device="cpu")

    assert set(executor.trained.names) == {name for name, _ in executor.stage.named_parameters()}


def test_without_settings_every_weight_trains() -> None:
    training = training_of(None, base_digest=fresh_digest(ARGS, 0), dtype=torch.float32, fresh=ARGS)

    executor = make_executor(PLACE, training, None, device="cpu")

    assert set(executor.trained.names) == {name for name, _ in executor.stage.named_parameters()}


def test_what_a_stage_is_told_survives_the_wire() -> None:
    training = _training(LoRAConfig(rank=2))

    there = StageTraining(**msgpack.unpackb(msgpack.packb(asdict(training))))

    assert there == training


def test_a_stage_of_another_base_is_refused() -> None:
    training = training_of(_config(None), base_digest="0" * 64, dtype=torch.float32, fresh=ARGS)

    with pytest.raises(ConfigError, match="use the same weights on all"):
        make_executor(PLACE, training, None, device="cpu")


def test_a_stage_without_a_base_says_how_to_give_one() -> None:
    training = training_of(_config(None), base_digest="0" * 64, dtype=torch.float32)

    with pytest.raises(ConfigError, match="--base-model"):
        make_executor(PLACE, training, None, device="cpu")


def test_a_stage_reads_its_part_of_a_base(tmp_path: Path) -> None:
    stages = build_stages(ARGS, 1, seed=1)
    export_base(stages, tmp_path)
    base = resolve_base(tmp_path)
    training = training_of(_config(LoRAConfig(rank=2)), base_digest=base.digest, dtype=torch.float32)

    executor = make_executor(PLACE, training, base, device="cpu")

    weights = dict(stages[0].named_parameters())
    name = next(name for name, _ in executor.stage.named_parameters() if name.endswith("wq.weight"))
    torch.testing.assert_close(dict(executor.stage.named_parameters())[name], weights[name])
