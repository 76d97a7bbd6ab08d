# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from any_base import FAMILIES, PACKED, PADDED, any_model, make_any_base
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from node0.errors import BadCheckpoint, ConfigError
from node0.files import sha256_of
from node0.lora.adapter import apply_lora, dropout_key, lora_layers
from node0.lora.linear import DropoutKey
from node0.lora.lora_config import LoRAConfig
from node0.models.hf.hf_base import hf_base
from node0.models.hf.hf_stage import HFStage, load_hf_stage
from node0.models.loss import IGNORE

ROWS = ((21, 1, 40), (5, 33, 16, *[1] * 8))
"Lengths of the documents of two packed rows; a window of 16 is shorter than some, and the end is padding."


def packed() -> tuple[Tensor, Tensor, Tensor]:
    """Ids, positions and labels, each (2, 62)."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(3, 280, (len(ROWS), sum(ROWS[0])), generator=generator)
    positions = torch.stack([torch.cat([torch.arange(length) for length in row]) for row in ROWS])
    labels = torch.full_like(ids, IGNORE)
    labels[:, :-1] = ids[:, 1:]
    labels[:, :-1][positions[:, 1:] == 0] = IGNORE
    labels[:, -1] = IGNORE
    labels[positions < 3] = IGNORE
    return ids, positions, labels


def loss_of_documents(model: PreTrainedModel) -> Tensor:
    """The same loss by the model itself, a document at a time."""
    ids, _, labels = packed()
    total = torch.zeros(())
    for row, lengths in enumerate(ROWS):
        for part, wanted in zip(ids[row].split(lengths), labels[row].split(lengths), strict=True):
            logits = model(input_ids=part[None], use_cache=False).logits[0].float()
            total = total + functional.cross_entropy(logits, wanted, ignore_index=IGNORE, reduction="sum")
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_have_the_loss_of_their_documents(family: str, tmp_path: Path) -> None:
    stage = load_hf_stage(hf_base(make_any_base(tmp_path, family)))
    ids, positions, labels = packed()

    with torch.no_grad():
        loss, count = stage.chunked_loss(stage.forward_hidden(ids, positions), labels)
        expected = loss_of_documents(any_model(family))

    assert stage.packs == (family in PACKED)
    assert count == int((labels != IGNORE).sum())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("family", PADDED)
def test_a_model_that_mixes_documents_is_found_out_by_its_weights(
    family: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage = HFStage(any_model(family), packs=True)

    assert not stage.packs
    assert f"{stage.model.config.model_type} mixes packed documents" in caplog.text


@pytest.mark.parametrize("family", ["gemma3_text", "falcon_h1"])
def test_recomputed_layers_give_the_same_gradients(family: str) -> None:
    kept, again = (gradients(family, recompute=recompute) for recompute in (False, True))

    assert kept[0] == 0 and again[0] >= 2
    assert kept[1].keys() == again[1].keys()
    assert all(torch.equal(kept[1][name], again[1][name]) for name in kept[1])
    assert all(gradient.abs().max() > 0 for gradient in kept[1].values())


def gradients(family: str, *, recompute: bool) -> tuple[int, dict[str, Tensor]]:
    """How many layers were computed again, and the gradient of every adapter, with dropout in it."""
    stage = HFStage(any_model(family), packs=family in PACKED)
    apply_lora(stage, LoRAConfig(rank=2, dropout=0.2, target_modules=["q_proj", "o_proj"]))
    for _, layer in lora_layers(stage):
        torch.nn.init.normal_(layer.lora_B["default"], generator=torch.Generator().manual_seed(1))
    stage.train()
    dropout_key(stage, DropoutKey(0, 0, 0))
    asked = 0

    def ask() -> bool:
        nonlocal asked
        asked += recompute
        return recompute

    ids, positions, labels = packed()
    hidden = stage.forward_hidden(ids, positions, recompute=ask)
    stage.chunked_loss(hidden, labels)[0].backward()
    return asked, {name: weight.grad for name, weight in stage.named_parameters() if weight.grad is not None}


def test_nothing_but_the_adapter_drops_features(tmp_path: Path) -> None:
    make_any_base(tmp_path, "gpt_neox", hidden_dropout=0.5, attention_dropout=0.5)
    stage = load_hf_stage(hf_base(tmp_path / "base"))
    ids, positions, _ = packed()

    with torch.no_grad():
        first, second = (stage.train().forward_hidden(ids, positions) for _ in range(2))

    assert torch.equal(first, second)


def test_the_weights_are_those_on_disk_in_the_type_that_is_asked_for(tmp_path: Path) -> None:
    base = hf_base(make_any_base(tmp_path, "olmo2"))
    stage = load_hf_stage(base, dtype=torch.bfloat16)

    written = any_model("olmo2")

    assert stage.dtype == torch.bfloat16
    for name, weight in written.named_parameters():
        assert torch.equal(stage.get_parameter(f"model.{name}"), weight.to(torch.bfloat16)), name


def test_a_base_without_one_of_its_tensors_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = make_any_base(tmp_path, "olmo2")
    tensors = load_file(path / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    before = sha256_of(path / "model.safetensors")

    with pytest.raises(BadCheckpoint, match=r"no tensor model\.layers\.1\.mlp\.up_proj\.weight"):
        load_hf_stage(hf_base(path))

    assert sha256_of(path / "model.safetensors") == before


def test_a_cache_holds_one_sequence() -> None:
    with pytest.raises(ConfigError, match="one sequence here, not 2; make more"):
        HFStage(any_model("olmo2"), packs=True).new_cache(8, batch_size=2)
