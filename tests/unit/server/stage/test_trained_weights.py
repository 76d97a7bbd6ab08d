# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.errors import BadCheckpoint, RetriableError
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.server.stage.state_file import StateReader
from node0.server.stage.trained_weights import TrainedWeights
from node0.stage_settings import OptimizerConfig

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)


def _trained(seed: int = 1, *, rank: int = 2) -> TrainedWeights:
    stage = apply_lora(build_stages(ARGS, 1, seed=1)[0], LoRAConfig(rank=rank, dropout=0.0), seed=seed)
    return TrainedWeights(stage, OptimizerConfig(lr=1e-2, weight_decay=0.1))


def _step(trained: TrainedWeights, seed: int) -> None:
    """One step on gradients that depend on `seed`."""
    generator = torch.Generator().manual_seed(seed)
    for weight in trained.weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator)
    trained.apply(trained.version + 1, lr=1e-2, scale=0.5)


@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_rollback_gives_the_same_bytes_and_the_same_next_step(steps_before: int) -> None:
    trained = _trained()
    for seed in range(steps_before):
        _step(trained, seed)
    before = trained.state_bytes()
    trained.snapshot()
    _step(trained, 7)
    after = trained.state_bytes()

    trained.rollback(steps_before)

    assert trained.version == steps_before
    assert trained.state_bytes() == before != after
    _step(trained, 7)
    assert trained.state_bytes() == after


def test_a_rollback_mends_a_step_that_broke_off() -> None:
    trained = _trained()
    _step(trained, 0)
    before = trained.state_bytes()
    trained.snapshot()
    with torch.no_grad():
        next(iter(trained.weights.values())).add_(1.0)

    trained.rollback(1)

    assert trained.state_bytes() == before


def test_a_rollback_to_the_present_version_only_forgets_the_sums() -> None:
    trained = _trained()
    _step(trained, 0)
    before = trained.state_bytes()
    trained.gradients.accumulate(0, lambda: None)
    for weight in trained.weights.values():
        weight.grad = torch.ones_like(weight)

    for _ in range(2):
        trained.rollback(1)

    assert trained.state_bytes() == before
    assert trained.gradients.by_name() == {} and trained.prepare().microbatches == 0


def test_no_other_version_can_be_gone_back_to() -> None:
    trained = _trained()
    trained.snapshot()
    _step(trained, 0)
    _step(trained, 1)
    trained.snapshot()
    _step(trained, 2)

    for version in (0, 1, 4):
        with pytest.raises(RetriableError, match=f"at version 3 and cannot go back to {version}"):
            trained.rollback(version)
    trained.discard_snapshot()
    with pytest.raises(RetriableError, match="cannot go back to 2; load a common state"):
        trained.rollback(2)
    assert trained.version == 3


def test_a_replica_goes_on_from_the_bytes_of_another() -> None:
    one, other = _trained(), _trained(seed=2)
    _step(one, 0)
    other.snapshot()

    other.load(StateReader(one.state_bytes()))

    assert other.state_bytes() == one.state_bytes()
    for trained in (one, other):
        _step(trained, 1)
    assert other.version == 2 and other.state_bytes() == one.state_bytes()
    with pytest.raises(RetriableError, match="cannot go back to 0"):
        other.rollback(0)


def test_the_bytes_of_another_adapter_change_nothing() -> None:
    trained = _trained()
    _step(trained, 0)
    before = trained.state_bytes()

    with pytest.raises(BadCheckpoint, match="own base and adapter"):
        trained.load(StateReader(_trained(rank=4).state_bytes()))
    assert trained.state_bytes() == before


def test_the_largest_state_is_known_before_there_is_one() -> None:
    trained = _trained()
    largest = trained.largest_state
    _step(trained, 0)

    assert len(trained.state_bytes()) <= largest <= len(trained.state_bytes()) + 20_000
