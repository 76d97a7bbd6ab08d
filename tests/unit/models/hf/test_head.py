# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from any_base import FAMILIES, any_model
from torch.nn import functional

from node0.models.hf import head
from node0.models.hf.head import rows_to_logits, rows_to_logps

CHANGES = {"gemma2": {"final_logit_softcapping": 2.0}, "granite": {"logits_scaling": 3.0}}
"What a family does to logits, made to matter."


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_head_alone_gives_the_models_own_logits(family: str) -> None:
    model = any_model(family, **CHANGES.get(family, {}))
    ids = torch.arange(12)[None] * 17 + 3
    output = model.base_model(input_ids=ids, use_cache=False)

    logits = rows_to_logits(model, type(output), output.last_hidden_state[0])

    whole = model(input_ids=ids, use_cache=False).logits[0]
    assert torch.allclose(logits, whole, atol=1e-6), float((logits - whole).abs().max())
    assert all(module is not None for module in model._modules.values())


def test_chunks_give_the_loss_and_the_gradient_of_whole_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "CHUNK_LOGITS", 288 * 5)
    model = any_model("granite", logits_scaling=3.0)
    output = model.base_model(input_ids=torch.arange(12)[None], use_cache=False)
    rows, labels = output.last_hidden_state[0].detach().requires_grad_(), torch.arange(12) * 3

    rows_to_logps(model, type(output), rows, labels).sum().backward()
    chunked = rows.grad
    rows.grad = None
    logits = rows_to_logits(model, type(output), rows)
    (-functional.cross_entropy(logits, labels, reduction="sum")).backward()

    assert chunked is not None and rows.grad is not None
    assert torch.allclose(chunked, rows.grad, atol=1e-6)


def test_no_rows_have_no_logps() -> None:
    model = any_model("olmo2")
    kind = type(model.base_model(input_ids=torch.arange(3)[None], use_cache=False))

    logps = rows_to_logps(model, kind, torch.zeros(0, 32), torch.zeros(0, dtype=torch.int64))

    assert logps.shape == (0,)
