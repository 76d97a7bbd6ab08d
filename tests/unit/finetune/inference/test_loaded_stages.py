# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from any_base import any_source, make_any_base, write_any_adapter

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.checkpoint.peft import load_peft
from node0.finetune.inference.loaded_stages import cache_block_bytes, hf_stage, own_stages, weight_bytes
from node0.finetune.inference.source import ModelSource
from node0.models.hf.hf_base import HFBase
from node0.models.hf.hf_stage import HFStage, load_hf_stage

IDS = torch.randint(3, 280, (1, 24), generator=torch.Generator().manual_seed(4))


def loaded(source: ModelSource, dtype: str = "float32") -> HFStage:
    assert isinstance(source.base, HFBase)
    return hf_stage(source, source.base, device="cpu", dtype=dtype)


@torch.no_grad()
def logits(stage: HFStage) -> torch.Tensor:
    return stage.logits(stage.forward_hidden(IDS, torch.arange(24)[None]))


def test_adapters_are_inside_of_the_weights_and_nothing_trains(tmp_path: Path) -> None:
    base = make_any_base(tmp_path, "granite")
    adapter = write_any_adapter(base, tmp_path / "adapter")
    beside = load_hf_stage(hf := any_source(base).base)  # type: ignore[arg-type]  # of transformers
    load_peft(adapter, [beside], base_digest=hf.digest)

    inside = loaded(any_source(base, adapter))

    found, wanted = logits(inside), logits(beside.eval())
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert (found - logits(loaded(any_source(base)))).abs().max() > 0.01 * wanted.abs().max()
    assert not any("lora" in name or weight.requires_grad for name, weight in inside.named_parameters())


@pytest.mark.parametrize(("dtype", "each"), [("float32", 4), ("bfloat16", 2)])
def test_its_weights_take_what_is_reckoned(dtype: str, each: int, tmp_path: Path) -> None:
    source = any_source(make_any_base(tmp_path, "gemma2"))

    nbytes = sum(parameter.nbytes for parameter in loaded(source, dtype).parameters())

    assert nbytes == weight_bytes(source, device="cpu", dtype=dtype)
    assert nbytes == each * source.base.args.parameters  # type: ignore[union-attr]  # of transformers


def test_what_our_own_blocks_alone_do_is_refused(tmp_path: Path) -> None:
    source = any_source(make_any_base(tmp_path, "olmo2"))

    with pytest.raises(ConfigError, match="a olmo2, whole and in one process"):
        own_stages(source, device="cpu", dtype="float32", num_stages=2)
    with pytest.raises(ConfigError, match="not kept in blocks"):
        cache_block_bytes(source, device="cpu")


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    one, other = make_any_base(tmp_path / "one", "olmo2"), make_any_base(tmp_path / "b", "olmo2", seed=9)
    adapter = write_any_adapter(other, tmp_path / "adapter")

    with pytest.raises(BadCheckpoint, match="an adapter of another base"):
        loaded(replace(any_source(one), adapters=(adapter,)))
