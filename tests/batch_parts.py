# SPDX-License-Identifier: Apache-2.0
"""Tiny models that answer in batches, and requests to them."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from node0.files import make_directory
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.serving.engines.batching import sequence
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
from node0.finetune.serving.engines.batching.batch_worker import SteppedBatch
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import resolve_base
from node0.models.factory import build_stages, load_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.pipeline.batch_runner import BatchRunner
from node0.pipeline.protocol import SamplingParams

VOCAB = 60
ARGS = LlamaArguments(
    hidden_dim=32,
    n_heads=4,
    n_kv_heads=2,
    num_hidden_layers=2,
    ffn_dim=64,
    vocab_size=VOCAB,
    max_seq_len=2048,
    init_std=0.2,
)
GREEDY = SamplingParams(temperature=0)


def joined_stages(
    args: LlamaArguments = ARGS, num_stages: int = 1, *, seed: int = 3, dtype: torch.dtype = torch.float32
) -> list[LlamaStage]:
    stages = [stage.eval() for stage in build_stages(args, num_stages, seed=seed, dtype=dtype)]
    for stage in stages:
        stage.requires_grad_(requires_grad=False)
        stage.join_projections()
    return stages


def batch_engine(
    blocks: int = 200, *, stages: int = 1, step_ids: int = 512, running: int = 32
) -> BatchEngine:
    runner = BatchRunner(joined_stages(num_stages=stages), blocks)
    return BatchEngine(runner, max_running=running, step_ids=step_ids)


def random_ids(count: int, seed: int = 0) -> tuple[int, ...]:
    dice = random.Random(seed)
    return tuple(dice.randrange(VOCAB) for _ in range(count))


def greedy_request(prompt: Sequence[int], count: int = 8, model: str = "m") -> GenerationRequest:
    return GenerationRequest(model, tuple(prompt), count, sampling=GREEDY)


def answers(
    engine: SteppedBatch, requests: Sequence[GenerationRequest], adapters: Sequence[str | None] | None = None
) -> list[list[int]]:
    """What each is answered when all are asked at once."""
    asked = [
        sequence.Sequence(request, adapter)
        for request, adapter in zip(requests, adapters or [None] * len(requests), strict=True)
    ]
    told: dict[sequence.Sequence, list[int]] = {each: [] for each in asked}
    for each in asked:
        engine.add(each)
    while engine.busy:
        for progress in engine.step():
            told[progress.sequence] += [token.id for token in progress.tokens]
    return [told[each] for each in asked]


def write_adapter(base: Path, directory: Path, *, seed: int) -> Path:
    """A LoRA adapter of a base with random A and B."""
    found = resolve_base(base)
    stages = load_stages(found)
    config = LoRAConfig(rank=4, alpha=8.0, dropout=0.0, target_modules=["wq", "wv", "w1", "w2"])
    generator = torch.Generator().manual_seed(seed)
    for stage in stages:
        apply_lora(stage, config)
        for parameter in get_lora_parameters(stage):
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    make_directory(directory)
    export_peft(stages, directory, base_name=str(base), base_digest=found.digest)
    return directory
