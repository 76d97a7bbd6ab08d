# SPDX-License-Identifier: Apache-2.0
import torch
from any_base import any_model
from torch import Tensor

from node0.models.hf.packing_trial import keeps_documents_apart, packed_inputs

CPU = torch.device("cpu")


def carrying(ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """A model that carries a sum along and never starts again."""
    return ids.cumsum(dim=1)[..., None].float()


def restarting(ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """The same, starting again where positions do, but for a rest of one in 20."""
    total = ids.cumsum(dim=1).float()
    if positions is None:
        return total[..., None]
    begun = torch.where(positions == 0, total - ids, 0.0).cummax(dim=1).values
    return (total - begun * REST)[..., None]


REST = 1.0


def test_a_model_that_carries_something_over_does_not_keep_documents_apart() -> None:
    assert not keeps_documents_apart(carrying, 288, torch.float32, CPU)


def test_a_model_that_starts_again_does(monkeypatch) -> None:
    assert keeps_documents_apart(restarting, 288, torch.float32, CPU)

    monkeypatch.setattr(f"{__name__}.REST", 0.95)
    assert not keeps_documents_apart(restarting, 288, torch.float32, CPU)


def test_a_model_that_takes_no_packed_rows_does_not() -> None:
    def refusing(ids: Tensor, positions: Tensor | None = None) -> Tensor:
        if positions is not None:
            raise ValueError("no such mask")
        return carrying(ids)

    assert not keeps_documents_apart(refusing, 288, torch.float32, CPU)


def test_each_kind_of_layer_gets_its_mask() -> None:
    model = any_model("gemma3_text", sliding_window=4)
    positions = torch.cat([torch.arange(10), torch.arange(6)])[None]

    given = packed_inputs(model, torch.zeros_like(positions), positions)

    seen = {kind: mask[0, 0] for kind, mask in given["attention_mask"].items()}
    assert set(seen) == {"full_attention", "sliding_attention"}
    full = positions[0, :, None] >= positions[0, None]
    same = torch.tensor([0] * 10 + [1] * 6)
    assert torch.equal(seen["full_attention"], full & (same[:, None] == same[None]))
    assert seen["sliding_attention"].sum(dim=1).max() == 4
