# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import Tensor

from node0.errors import ConfigError, RetriableError
from node0.lora.adapter import apply_lora
from node0.lora.linear import DropoutKey
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.server.stage.executor import StageExecutor, StageInput
from node0.server.stage.gradient_sums import Share
from node0.server.stage.graphs import GraphBudget

ARGS = LlamaArguments(
    hidden_dim=16, n_heads=2, num_hidden_layers=4, vocab_size=29, ffn_dim=24, max_seq_len=32, init_std=0.2
)
TOKENS = 12


def _stage(index: int, *, tied: bool = False, adapter: bool = True) -> LlamaStage:
    stage = build_stages(ARGS.model_copy(update={"tie_embeddings": tied}), 2, seed=1)[index]
    return apply_lora(stage, LoRAConfig(rank=2, dropout=0.1), seed=1) if adapter else stage


def _given(microbatch: int, *, hidden: bool = False) -> StageInput:
    generator = torch.Generator().manual_seed(microbatch)
    shape = (1, TOKENS, ARGS.hidden_dim) if hidden else (1, TOKENS)
    x = (
        torch.randn(shape, generator=generator)
        if hidden
        else torch.randint(0, 29, shape, generator=generator)
    )
    return StageInput(x, torch.arange(TOKENS)[None], DropoutKey(0, 0, microbatch), input_gradient=hidden)


def _gradient(microbatch: int) -> Tensor:
    return torch.randn(
        (1, TOKENS, ARGS.hidden_dim), generator=torch.Generator().manual_seed(100 + microbatch)
    )


def _labels() -> Tensor:
    return torch.arange(TOKENS)[None] % 29


def _accumulated(order: list[int]) -> dict[str, Tensor]:
    executor = StageExecutor(_stage(0))
    for index in range(len(order)):
        executor.forward(_given(index))
    for index in order:
        executor.backward(index, _gradient(index))
    assert executor.trained.prepare().microbatches == len(order)
    return executor.trained.gradients.by_name()


def test_gradients_do_not_depend_on_the_order_of_arrival() -> None:
    expected = _accumulated([0, 1, 2, 3])

    for order in ([3, 2, 1, 0], [1, 0, 3, 2]):
        found = _accumulated(order)
        assert expected and all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_microbatch_that_waits_is_not_counted_yet() -> None:
    executor = StageExecutor(_stage(0))
    executor.forward(_given(1))
    executor.backward(1, _gradient(1))

    assert executor.trained.prepare().microbatches == 0
    assert executor.trained.gradients.by_name() == {}


def test_a_microbatch_counts_once() -> None:
    executor = StageExecutor(_stage(0))
    for _ in range(2):
        executor.forward(_given(0))
        if executor.trained.prepare().microbatches == 0:
            executor.backward(0, _gradient(0))

    with pytest.raises(RetriableError, match="microbatch 0 was accumulated before"):
        executor.backward(0, _gradient(0))
    with pytest.raises(RetriableError, match="microbatch 5 has no forward pass"):
        executor.backward(5, _gradient(5))


def test_shares_of_a_global_batch_add_up_to_it() -> None:
    whole = _accumulated([0, 1, 2, 3])
    total: dict[str, Tensor] = {}

    for first in (0, 1):
        executor = StageExecutor(_stage(0))
        executor.trained.gradients.assign(Share(first, 2))
        for index in (first + 2, first):
            executor.forward(_given(index))
            executor.backward(index, _gradient(index))
        assert executor.trained.prepare().microbatches == 2
        for name, gradient in executor.trained.gradients.by_name().items():
            total[name] = total.get(name, torch.zeros_like(gradient)) + gradient

    torch.testing.assert_close(total, whole)


def test_a_microbatch_of_another_replica_is_refused() -> None:
    executor = StageExecutor(_stage(0))
    executor.trained.gradients.assign(Share(1, 2))
    executor.forward(_given(2))

    with pytest.raises(RetriableError, match="another replica's"):
        executor.backward(2, _gradient(2))


def test_a_step_to_a_version_that_does_not_follow_is_refused() -> None:
    executor = StageExecutor(_stage(0))

    with pytest.raises(RetriableError, match="at version 0, asked for 2"):
        executor.trained.apply(2, lr=1e-3, scale=1.0)


def test_trained_weights_must_be_float32() -> None:
    stage = _stage(0, adapter=False).to(torch.bfloat16)

    with pytest.raises(ConfigError, match="load what trains in float32"):
        StageExecutor(stage)


def test_a_frozen_base_may_be_bfloat16() -> None:
    stage = apply_lora(
        build_stages(ARGS, 2, dtype=torch.bfloat16, seed=1)[1], LoRAConfig(rank=2, dropout=0.0), seed=1
    )
    executor = StageExecutor(stage)

    result = executor.train_tail(_given(0, hidden=True), _labels())

    assert result.gradient is not None and result.gradient.shape == (1, TOKENS, ARGS.hidden_dim)
    assert {gradient.dtype for gradient in executor.trained.gradients.by_name().values()} == {torch.float32}


def test_a_fused_visit_equals_forward_and_backward_of_the_log_probabilities() -> None:
    fused, apart = StageExecutor(_stage(1)), StageExecutor(_stage(1))

    result = fused.train_tail(_given(0, hidden=True), _labels())
    logps = apart.forward_logps(_given(0, hidden=True), _labels())
    gradient = apart.backward(0, torch.full((1,), -1.0))

    assert result.n_tokens == TOKENS
    assert result.loss_sum == pytest.approx(-float(logps.sum()), rel=1e-5)
    assert result.gradient is not None and gradient is not None
    assert torch.allclose(result.gradient, gradient, atol=1e-5)
    expected = fused.trained.gradients.by_name()
    assert all(
        torch.allclose(g, expected[name], atol=1e-5) for name, g in apart.trained.gradients.by_name().items()
    )


def test_an_abort_forgets_graphs_and_gradients() -> None:
    budget = GraphBudget(1 << 30)
    executor = StageExecutor(_stage(0), graphs=budget)
    executor.forward(_given(0))
    executor.forward(_given(1))
    executor.backward(0, _gradient(0))
    assert budget.held > 0

    executor.abort()

    assert budget.held == 0 and executor.trained.gradients.by_name() == {}
    executor.forward(_given(0))
    executor.backward(0, _gradient(0))
    assert executor.trained.gradients.by_name()


def test_only_the_copies_of_a_tied_table_have_a_tied_gradient() -> None:
    tied = [StageExecutor(_stage(index, tied=True, adapter=False)).trained for index in (0, 1)]
    apart = StageExecutor(_stage(1, adapter=False)).trained

    gradients = [trained.gradients.tied() for trained in tied]

    assert all(gradient is not None and gradient.shape == (29, 16) for gradient in gradients)
    assert apart.gradients.tied() is None
    with pytest.raises(ConfigError, match="no copy of a tied table"):
        apart.gradients.replace_tied(torch.zeros(29, 16), counted=True)


def test_the_norm_counts_a_tied_table_once() -> None:
    total = torch.full((29, 16), 2.0)
    squared = []
    for index, counted in ((0, True), (1, False)):
        trained = StageExecutor(_stage(index, tied=True, adapter=False)).trained
        trained.gradients.replace_tied(total, counted=counted)
        squared.append(trained.prepare().squared_norm)

    assert squared == [pytest.approx(29 * 16 * 4.0), 0.0]


def test_a_budget_in_the_middle_recomputes_some_layers() -> None:
    calls: list[int] = []
    stage = _stage(0)
    for layer in stage.layers.values():
        layer.register_forward_pre_hook(lambda *_: calls.append(1))

    def forwards(limit: int | None) -> tuple[int, int]:
        calls.clear()
        budget = GraphBudget(limit)
        executor = StageExecutor(stage, graphs=budget)
        executor.forward(_given(0))
        held = budget.held
        executor.backward(0, _gradient(0))
        executor.abort()
        assert budget.held == 0
        return len(calls), held

    n_layers = len(stage.layers)
    everything, held = forwards(1 << 30)
    some, less = forwards(held * 2 // 3)

    assert n_layers >= 2 and everything == n_layers
    assert forwards(0)[0] == 2 * n_layers
    assert n_layers < some < 2 * n_layers
    assert 0 < less <= held * 2 // 3
    assert forwards(None) == (n_layers, 0)


def test_recomputed_microbatches_in_flight_keep_their_own_dropout_masks() -> None:
    gradients = []
    for limit in (None, 0):
        executor = StageExecutor(_stage(0), graphs=GraphBudget(limit))
        for index in range(3):
            executor.forward(_given(index))
        for index in range(3):
            executor.backward(index, _gradient(index))
        gradients.append(executor.trained.gradients.by_name())

    assert gradients[0] and all(torch.equal(gradients[1][name], kept) for name, kept in gradients[0].items())
