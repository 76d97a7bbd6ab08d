# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
import yaml

import node0.configs
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.training_file import read_training_file
from node0.models.llama.arguments import LlamaArguments
from node0.settings import resolve
from node0.utils.common import build_cls

DIRECTORY = Path(node0.configs.__file__).parent / "finetune"
FILES = sorted(DIRECTORY.glob("*.yaml"))


def test_the_four_configurations_are_shipped():
    names = [path.name for path in FILES]

    assert names == [
        "dpo_polecat.yaml",
        "lora_sft_deacon.yaml",
        "lora_sft_polecat.yaml",
        "lora_sft_witness.yaml",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_section_builds_its_class(path):
    tree = yaml.safe_load(path.read_text())
    model = build_cls(*tree["model_config"].values())
    config = build_cls(*tree["finetune_config"].values())
    make_optimizer = build_cls(*tree["optim_config"].values(), partial_init=True)

    assert isinstance(model, LlamaArguments)
    assert model.vocab_size == 32000
    assert isinstance(config, FineTuneConfig)
    assert make_optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 3e-5
    assert config.lora is not None
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (64, 128.0, 0.05)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_resolves_to_one_run(path):
    config = resolve(FineTuneConfig, yaml=read_training_file(path)).values
    role = path.stem.split("_")[-1]

    assert config.role == role
    assert config.mode == path.stem.split("_")[-2]
    assert (config.lr, config.num_warmup_steps, config.scheduler) == (3e-5, 100, "linear")
    assert str(config.corpus_path) == f"~/gt/.corpus/{role}"
    assert config.fresh_model is not None
    assert config.fresh_model["init_args"]["vocab_size"] == 32000
