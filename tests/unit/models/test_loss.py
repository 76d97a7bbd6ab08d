# SPDX-License-Identifier: Apache-2.0
"""Losses on whole logits."""

import math

import torch

from node0.finetune.data.loss import IGNORE, dpo_loss, sft_loss


def test_three_tokens_give_the_loss_written_out_by_hand() -> None:
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [5.0, 5.0]]])
    labels = torch.tensor([[1, 1, IGNORE]])

    loss = sft_loss(logits, labels)

    first, second = math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(2.0))
    assert math.isclose(float(loss), (first + second) / 2, rel_tol=1e-6)


def test_ignored_positions_have_no_gradient() -> None:
    logits = torch.randn(2, 5, 7, requires_grad=True)
    labels = torch.full((2, 5), IGNORE)
    labels[0, 2] = 3

    sft_loss(logits, labels).backward()

    assert logits.grad is not None
    assert set(map(tuple, logits.grad.abs().sum(-1).nonzero().tolist())) == {(0, 2)}


def test_loss_of_nothing_supervised_is_zero() -> None:
    assert float(sft_loss(torch.randn(1, 3, 4), torch.full((1, 3), IGNORE))) == 0.0


def test_dpo_of_equal_pairs_is_log_two_and_falls_when_the_chosen_one_gains() -> None:
    logits = torch.randn(3, 4, 9)
    labels = torch.randint(0, 9, (3, 4))
    better = logits.scatter_add(-1, labels.unsqueeze(-1), torch.ones(3, 4, 1))

    assert math.isclose(float(dpo_loss(logits, logits, labels, labels)), math.log(2), rel_tol=1e-6)
    assert float(dpo_loss(better, logits, labels, labels)) < math.log(2)


def test_dpo_is_differentiable_on_both_sides() -> None:
    chosen, rejected = torch.randn(2, 4, 9, requires_grad=True), torch.randn(2, 4, 9, requires_grad=True)
    labels = torch.randint(0, 9, (2, 4))

    loss = dpo_loss(chosen, rejected, labels, labels, beta=0.5)
    loss.backward()

    assert torch.isfinite(loss)
    assert chosen.grad is not None and rejected.grad is not None
    assert chosen.grad.abs().sum() > 0 and rejected.grad.abs().sum() > 0


def test_a_reference_that_equals_the_policy_gives_log_two() -> None:
    chosen, rejected = torch.randn(2, 4, 9), torch.randn(2, 4, 9)
    labels = torch.randint(0, 9, (2, 4))
    sums = [
        torch.log_softmax(logits, -1).gather(-1, labels[..., None]).sum((1, 2))
        for logits in (chosen, rejected)
    ]

    loss = dpo_loss(chosen, rejected, labels, labels, 0.3, *sums)

    assert math.isclose(float(loss), math.log(2), rel_tol=1e-5)
