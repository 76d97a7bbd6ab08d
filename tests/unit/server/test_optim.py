# SPDX-License-Identifier: Apache-2.0
import logging
import signal
import subprocess
import sys

import pytest
import torch

from node0.errors import NonFiniteGradients, RetriableError
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.optim import AutoStepOptimizer
from node0.server.stage.trained_weights import Prepared

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=1, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
KILLS = """
import torch
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.optim import AutoStepOptimizer
args = LlamaArguments(hidden_dim=16, n_heads=2, num_hidden_layers=1, vocab_size=29, ffn_dim=24)
stage = apply_lora(build_stages(args, 1)[0], LoRAConfig(rank=2))
optimizer = AutoStepOptimizer(stage)
for weight in optimizer.weights.values():
    weight.grad = torch.full_like(weight, float("nan"))
optimizer.prepare()
print("still alive")
"""


def _optimizer(value: float, *, finetune_mode: bool = True) -> AutoStepOptimizer:
    stage = apply_lora(build_stages(ARGS, 1, seed=1)[0], LoRAConfig(rank=2, dropout=0.0), seed=1)
    optimizer = AutoStepOptimizer(stage, finetune_mode=finetune_mode)
    _plant(optimizer, value)
    return optimizer


def _plant(optimizer: AutoStepOptimizer, value: float) -> None:
    for weight in optimizer.weights.values():
        weight.grad = torch.full_like(weight, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_gradients_that_are_not_finite_cost_a_step_in_fine_tuning(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    optimizer = _optimizer(value)
    before = optimizer.state_bytes()

    with caplog.at_level(logging.WARNING):
        done = optimizer.step(lr=1e-2, scale=1.0)

    assert not done and optimizer.state_bytes() == before
    assert optimizer.gradients.by_name() == {}
    assert "Checkpoint resume triggered: step 0" in caplog.messages
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    _plant(optimizer, 1.0)
    assert optimizer.step(lr=1e-2, scale=1.0) and optimizer.version == 1


def test_the_error_behind_a_skipped_step_is_retriable() -> None:
    with pytest.raises(NonFiniteGradients, match="after step 0 hold NaN") as caught:
        _optimizer(1.0).require_finite(Prepared(float("nan"), finite=False, microbatches=1))

    assert isinstance(caught.value, RetriableError)


def test_in_pretraining_they_end_the_process_group() -> None:
    child = subprocess.run(
        [sys.executable, "-c", KILLS],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )

    assert child.returncode == -signal.SIGTERM
    assert "still alive" not in child.stdout
    assert "Gradients not finite: step 0" in child.stderr


def test_a_step_can_be_undone_until_it_is_forgotten() -> None:
    optimizer = _optimizer(1.0)
    before = optimizer.state_bytes()

    assert optimizer.prepare().finite
    optimizer.apply(1, lr=1e-2, scale=1.0)
    assert optimizer.state_bytes() != before
    optimizer.rollback(0)
    assert optimizer.state_bytes() == before


def test_a_refused_step_keeps_what_can_be_gone_back_to() -> None:
    optimizer = _optimizer(1.0)
    before = optimizer.state_bytes()
    optimizer.apply(1, lr=1e-2, scale=1.0)

    with pytest.raises(RetriableError, match="asked for 1"):
        optimizer.apply(1, lr=1e-2, scale=1.0)
    optimizer.rollback(0)
    assert optimizer.state_bytes() == before
