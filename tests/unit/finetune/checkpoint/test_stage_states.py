# SPDX-License-Identifier: Apache-2.0
"""An adapter cut for stages: what they take is what the whole model would."""

from pathlib import Path

import pytest
import torch
from batch_parts import write_adapter
from safetensors.torch import load_file, save_file
from tiny_run import make_base

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.peft import load_peft
from node0.finetune.checkpoint.stage_states import adapter_states
from node0.lora.adapter import lora_state_dict
from node0.lora.trainable import ADAPTER, make_trainable
from node0.model_files import ADAPTER_WEIGHTS
from node0.models.base_model import BaseModelDir, resolve_base
from node0.models.factory import load_stages
from node0.models.llama.layers import LlamaStage
from node0.server.stage.state_file import StateReader
from node0.server.stage.trained_weights import TrainedWeights


@pytest.fixture
def base(tmp_path: Path) -> BaseModelDir:
    return resolve_base(make_base(tmp_path, num_hidden_layers=4))


def _stages(adapter: Path, base: BaseModelDir, num_stages: int) -> list[LlamaStage]:
    """Stages as hosts make them, after they were given their states."""
    lora, states = adapter_states(adapter, base, num_stages)
    stages = load_stages(base, num_stages)
    for index, stage in enumerate(stages):
        make_trainable(stage, lora)
        with StateReader(states[index]) as reader:
            TrainedWeights(stage).load(reader)
    return stages


@pytest.mark.parametrize("num_stages", [1, 2, 3, 4])
def test_stages_have_the_adapters_matrices_whatever_the_split(
    num_stages: int, base: BaseModelDir, tmp_path: Path
) -> None:
    adapter = write_adapter(base.path, tmp_path / "adapter", seed=2)
    (whole,) = load_stages(base)
    load_peft(adapter, [whole], name=ADAPTER, base_digest=base.digest)

    found = {}
    for stage in _stages(adapter, base, num_stages):
        found |= lora_state_dict(stage, ADAPTER)

    expected = lora_state_dict(whole, ADAPTER)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_layer_that_the_adapter_leaves_out_is_the_bases(base: BaseModelDir, tmp_path: Path) -> None:
    adapter = write_adapter(base.path, tmp_path / "adapter", seed=2)
    weights = adapter / ADAPTER_WEIGHTS
    kept = {key: value for key, value in load_file(weights).items() if ".layers.3." not in key}
    save_file(kept, weights, {"format": "pt"})

    matrices = {}
    for stage in _stages(adapter, base, 2):
        matrices |= lora_state_dict(stage, ADAPTER)

    b_matrices = {name: value for name, value in matrices.items() if "lora_B" in name}
    assert {name for name, value in b_matrices.items() if not value.any()} == {
        name for name in b_matrices if name.startswith("layers.3.")
    }


def test_an_adapter_of_a_deeper_model_is_refused(base: BaseModelDir, tmp_path: Path) -> None:
    adapter = write_adapter(base.path, tmp_path / "adapter", seed=2)
    weights = adapter / ADAPTER_WEIGHTS
    deeper = {key.replace(".layers.3.", ".layers.9."): value for key, value in load_file(weights).items()}
    save_file(deeper, weights, {"format": "pt"})

    with pytest.raises(BadCheckpoint, match=r"the model has no layers\.9\."):
        adapter_states(adapter, base, 2)


def test_an_adapter_of_another_base_is_refused(base: BaseModelDir, tmp_path: Path) -> None:
    other = make_base(tmp_path / "other", seed=8, num_hidden_layers=4)

    with pytest.raises(BadCheckpoint):
        adapter_states(write_adapter(other, tmp_path / "adapter", seed=2), base, 2)
