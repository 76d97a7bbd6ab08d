# SPDX-License-Identifier: Apache-2.0
"""A tiny model in any number of stages, and microbatches whose supervised tokens differ in number."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from node0.lora.adapter import apply_lora
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import IGNORE, Microbatch
from node0.stage_settings import OptimizerConfig

VOCAB = 61

MakePipeline = Callable[..., LocalPipeline]
MakeMicrobatch = Callable[..., Microbatch]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_pipeline() -> MakePipeline:
    """`num_stages`, `lora` dropout or None for all weights, and what LocalPipeline takes."""

    def make(
        num_stages: int = 1,
        *,
        dropout: float | None = 0.0,
        tied: bool = False,
        max_grad_norm: float | None = 1.0,
        graph_budget: int | None = None,
        layers_per_stage: list[int] | None = None,
    ) -> LocalPipeline:
        args = LlamaArguments(
            hidden_dim=32,
            n_heads=4,
            n_kv_heads=2,
            num_hidden_layers=4,
            vocab_size=VOCAB,
            ffn_dim=48,
            max_seq_len=64,
            init_std=0.2,
            tie_embeddings=tied,
        )
        stages = build_stages(args, num_stages, layers_per_stage=layers_per_stage, seed=5)
        if dropout is not None:
            config = LoRAConfig(rank=4, alpha=8, dropout=dropout, target_modules=list(ALL_LINEAR))
            for stage in stages:
                if len(stage.layers) > 0:
                    apply_lora(stage, config, seed=5)
                else:
                    stage.requires_grad_(False)
        optimizer = OptimizerConfig(max_grad_norm=max_grad_norm)
        return LocalPipeline(stages, optimizer=optimizer, graph_budget=graph_budget)

    return make


@pytest.fixture
def make_microbatch() -> MakeMicrobatch:
    """Rows of packed documents; about `share` of their tokens are supervised."""

    def make(
        seed: int, *, rows: int = 2, documents: tuple[int, ...] = (9, 14), share: float = 0.5
    ) -> Microbatch:
        generator = torch.Generator().manual_seed(seed)
        tokens = sum(documents)
        ids = torch.randint(0, VOCAB, (rows, tokens + 1), generator=generator)
        supervised = torch.rand((rows, tokens), generator=generator) < share
        labels = torch.where(supervised, ids[:, 1:], torch.tensor(IGNORE))
        return Microbatch(ids[:, :-1].contiguous(), _positions(documents, rows), labels)

    return make


def _positions(documents: tuple[int, ...], rows: int) -> Tensor:
    return torch.cat([torch.arange(length) for length in documents]).expand(rows, -1).contiguous()
