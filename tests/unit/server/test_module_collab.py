# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from node0.errors import BadCheckpoint, ConfigError, RetriableError
from node0.finetune.lora.adapter import apply_lora
from node0.finetune.lora.config import LoRAConfig
from node0.finetune.lora.linear import DropoutKey
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.server.executor import StageInput
from node0.server.graphs import GraphBudget
from node0.server.module_collab import ModuleCollab
from node0.server.state import state_digest

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


def _stage(index: int, *, adapter_seed: int = 1) -> LlamaStage:
    stage = build_stages(ARGS, 2, seed=1)[index]
    return apply_lora(stage, LoRAConfig(rank=2, dropout=0.0), seed=adapter_seed)


def _visit(collab: ModuleCollab, microbatch: int = 0) -> None:
    hidden = torch.randn(1, TOKENS, 16, generator=torch.Generator().manual_seed(microbatch))
    given = StageInput(hidden, torch.arange(TOKENS)[None], DropoutKey(0, 0, microbatch))
    collab.train_tail(given, torch.arange(TOKENS)[None])


def _step(collab: ModuleCollab) -> None:
    _visit(collab)
    assert collab.prepare().finite
    collab.apply(collab.version + 1, lr=1e-2, scale=1 / TOKENS)


def test_a_step_is_undone_to_the_bit_and_can_be_made_again() -> None:
    collab = ModuleCollab(_stage(1))
    _step(collab)
    collab.commit()
    before = collab.state_bytes()
    _step(collab)
    after = collab.state_bytes()

    for _ in range(2):
        collab.rollback(1)

    assert collab.state_bytes() == before
    _step(collab)
    assert collab.state_bytes() == after
    collab.commit()
    with pytest.raises(RetriableError, match="cannot go back to 1"):
        collab.rollback(1)


def test_a_rollback_drops_passes_in_flight() -> None:
    budget = GraphBudget(1 << 30)
    collab = ModuleCollab(_stage(0), graphs=budget)
    ids = torch.arange(TOKENS)[None]
    collab.forward(StageInput(ids, ids, DropoutKey(0, 0, 0)))
    assert budget.held > 0

    collab.rollback(0)

    assert budget.held == 0
    with pytest.raises(RetriableError, match="no forward pass here"):
        collab.backward(0, None)


def test_state_travels_with_its_digest() -> None:
    one, other = ModuleCollab(_stage(1)), ModuleCollab(_stage(1, adapter_seed=2))
    _step(one)
    data = one.state_bytes()

    with pytest.raises(BadCheckpoint, match="fetch them again"):
        other.load_state_bytes(data[:-1] + b"\1", sha256=state_digest(data))
    assert other.version == 0
    other.load_state_bytes(data, sha256=state_digest(data))
    assert other.version == 1 and other.state_bytes() == data
    for collab in (one, other):
        _step(collab)
    assert other.state_bytes() == one.state_bytes()


def test_the_state_of_another_stage_is_refused() -> None:
    head, tail = ModuleCollab(_stage(0)), ModuleCollab(_stage(1))
    data = head.state_bytes()
    before = tail.state_bytes()

    with pytest.raises(BadCheckpoint, match="another model or adapter"):
        tail.load_state_bytes(data, sha256=state_digest(data))
    assert tail.state_bytes() == before


def test_a_head_stage_can_feed_itself() -> None:
    head = ModuleCollab(_stage(0), data_feeder=Feeder(2))

    outputs = [head.forward_next(DropoutKey(0, 0, index)) for index in range(3)]

    assert [None if out is None else tuple(out.shape) for out in outputs] == [(1, TOKENS, 16)] * 2 + [None]
    assert outputs[0] is not None and outputs[1] is not None and not torch.equal(outputs[0], outputs[1])
    head.backward(0, torch.ones(1, TOKENS, 16))
    assert head.prepare().microbatches == 1


def test_no_other_stage_has_a_feeder() -> None:
    assert ModuleCollab(_stage(0), data_feeder=None).forward_next(DropoutKey(0, 0, 0)) is None
    with pytest.raises(ConfigError, match="only a head stage can feed itself"):
        ModuleCollab(_stage(1), data_feeder=Feeder(1))
