# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.lora.adapter import apply_lora
from node0.lora.linear import DropoutKey
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.server.module_collab import ModuleCollab

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
TOKENS = 8


class Feeder:
    def __init__(self, count: int) -> None:
        self.left = count

    def get_batch(self) -> Mapping[str, Tensor] | None:
        self.left -= 1
        if self.left < 0:
            return None
        return {"input_ids": torch.arange(TOKENS)[None] + self.left, "positions": torch.arange(TOKENS)[None]}


def _stage(index: int) -> LlamaStage:
    stage = build_stages(ARGS, 2, seed=1)[index]
    return apply_lora(stage, LoRAConfig(rank=2, dropout=0.0), seed=1)


def test_a_head_stage_can_feed_itself() -> None:
    head = ModuleCollab(_stage(0), data_feeder=Feeder(2))

    outputs = [head.forward_next(DropoutKey(0, 0, index)) for index in range(3)]

    assert [None if out is None else tuple(out.shape) for out in outputs] == [(1, TOKENS, 16)] * 2 + [None]
    assert outputs[0] is not None and outputs[1] is not None and not torch.equal(outputs[0], outputs[1])
    head.backward(0, torch.ones(1, TOKENS, 16))
    assert head.trained.prepare().microbatches == 1


def test_no_other_stage_has_a_feeder() -> None:
    assert ModuleCollab(_stage(0), data_feeder=None).forward_next(DropoutKey(0, 0, 0)) is None
    with pytest.raises(ConfigError, match="only a head stage can feed itself"):
        ModuleCollab(_stage(1), data_feeder=Feeder(1))
