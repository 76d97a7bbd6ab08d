# SPDX-License-Identifier: Apache-2.0
"""The LM head in chunks, against torch's cross entropy on whole logits."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from node0.models.llama import head_loss as module
from node0.models.llama.head_loss import head_logps, head_loss

ROWS, WIDTH, VOCAB = 11, 16, 37
CHUNKS = [1, VOCAB * 4, 1 << 22]


def given(*, trainable: bool) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(ROWS, WIDTH, generator=generator, requires_grad=True)
    weight = torch.randn(VOCAB, WIDTH, generator=generator).requires_grad_(trainable)
    return hidden, weight, torch.randint(0, VOCAB, (ROWS,), generator=generator)


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_loss_and_gradients_are_those_of_cross_entropy(
    chunk: int, trainable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk)
    hidden, weight, labels = given(trainable=trainable)
    wanted_of = [hidden, weight] if trainable else [hidden]

    ours = head_loss(hidden, weight, labels)
    theirs = functional.cross_entropy(hidden @ weight.t(), labels, reduction="sum")

    torch.testing.assert_close(ours, theirs)
    found = torch.autograd.grad(3.0 * ours, wanted_of)
    for gradient, wanted in zip(found, torch.autograd.grad(3.0 * theirs, wanted_of), strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_log_probabilities_have_a_gradient_of_their_own_each(
    chunk: int, trainable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk)
    hidden, weight, labels = given(trainable=trainable)
    wanted_of = [hidden, weight] if trainable else [hidden]
    upstream = torch.randn(ROWS, generator=torch.Generator().manual_seed(4))

    ours = head_logps(hidden, weight, labels)
    theirs = -functional.cross_entropy(hidden @ weight.t(), labels, reduction="none")

    torch.testing.assert_close(ours, theirs)
    found = torch.autograd.grad(ours, wanted_of, upstream)
    for gradient, wanted in zip(found, torch.autograd.grad(theirs, wanted_of, upstream), strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-4, rtol=1e-4)


def test_no_rows_are_no_loss() -> None:
    hidden, weight, labels = given(trainable=True)

    loss = head_loss(hidden[:0], weight, labels[:0])
    loss.backward()

    assert float(loss.detach()) == 0.0
    assert weight.grad is not None and not weight.grad.any()
    assert head_logps(hidden[:0], weight, labels[:0]).shape == (0,)


def test_without_gradients_nothing_is_kept() -> None:
    hidden, weight, labels = given(trainable=True)

    with torch.no_grad():
        results = head_loss(hidden, weight, labels), head_logps(hidden, weight, labels)

    assert not any(result.requires_grad for result in results)
    torch.testing.assert_close(results[0], -results[1].sum())


def test_a_bfloat16_head_sums_in_float32() -> None:
    hidden, weight, labels = (x.bfloat16() if x.is_floating_point() else x for x in given(trainable=False))

    loss = head_loss(hidden, weight, labels)

    exact = functional.cross_entropy(hidden.float() @ weight.float().t(), labels, reduction="sum")
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=1e-2)
