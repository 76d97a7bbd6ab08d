# SPDX-License-Identifier: Apache-2.0
"""Adapters against peft: ours loads there, theirs loads here, merged and not."""

from pathlib import Path

import pytest
import torch
from integration.hf_models import (
    CASES,
    largest_difference,
    make_model,
    our_logits,
    save_model,
    some_ids,
    their_logits,
)
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.merged_base import export_merged
from node0.finetune.checkpoint.peft import export_peft, load_peft
from node0.lora.adapter import apply_lora, get_lora_parameters, merge_adapter, set_adapter
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.base_model import BaseModelDir, resolve_base
from node0.models.factory import load_stages
from node0.models.llama.layers import LlamaStage

pytestmark = [
    pytest.mark.integration,
    # peft names the one key of ours that it ignores, and asks transformers in its older way.
    pytest.mark.filterwarnings("ignore:Unexpected keyword arguments"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

CLOSE, FAR = 1e-4, 1e-2


@pytest.fixture(params=["gqa", "qwen3", "llama-biases", "tied"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> BaseModelDir:
    case = CASES[request.param]
    return resolve_base(save_model(make_model(case), tmp_path / "base", spelling="4", case=case))


def their_model(directory: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def trained_stages(base: BaseModelDir, config: LoRAConfig, num_stages: int = 3) -> list[LlamaStage]:
    """Stages after three steps of SGD on a random target: B is not zero anywhere."""
    stages = load_stages(base, num_stages)
    for stage in stages:
        apply_lora(stage, config)
    parameters = [p for stage in stages for p in get_lora_parameters(stage)]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    ids = some_ids()
    positions = torch.arange(ids.shape[1]).expand(ids.shape)
    for _ in range(3):
        hidden = ids
        for stage in stages:
            hidden = stage.forward_hidden(hidden, positions)
        loss, count = stages[-1].chunked_loss(hidden, ids.roll(-1, 1))
        optimizer.zero_grad()
        (loss / count).backward()
        nn.utils.clip_grad_norm_(parameters, 20.0)
        optimizer.step()
    return stages


@pytest.mark.parametrize("targets", [("wq", "wv"), ALL_LINEAR])
def test_our_adapter_gives_the_same_logits_in_peft(
    base: BaseModelDir, targets: tuple[str, ...], tmp_path: Path
) -> None:
    config = LoRAConfig(rank=4, alpha=12, dropout=0.0, target_modules=list(targets))
    stages, ids = trained_stages(base, config), some_ids()
    ours = our_logits(stages, ids)

    export_peft(stages, tmp_path / "adapter", base_name=str(base.path), base_digest=base.digest)
    theirs = PeftModel.from_pretrained(their_model(base.path), tmp_path / "adapter").eval()

    assert largest_difference(ours, their_logits(theirs, ids)) < CLOSE
    assert largest_difference(ours, their_logits(theirs.merge_and_unload(), ids)) < CLOSE
    assert largest_difference(ours, their_logits(their_model(base.path), ids)) > FAR


def test_our_merged_export_gives_the_same_logits_in_transformers(base: BaseModelDir, tmp_path: Path) -> None:
    stages = trained_stages(base, LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR)))
    ids = some_ids()
    ours = our_logits(stages, ids)

    export_merged(stages, tmp_path / "merged")

    assert largest_difference(ours, their_logits(their_model(tmp_path / "merged"), ids)) < CLOSE
    assert largest_difference(ours, our_logits(stages, ids)) == 0.0


@pytest.mark.parametrize("num_stages", [1, 2])
def test_an_adapter_that_peft_wrote_gives_the_same_logits_here(
    base: BaseModelDir, num_stages: int, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    config = LoraConfig(
        r=3,
        lora_alpha=9,
        target_modules=["q_proj", "down_proj"],
        init_lora_weights=False,
        layers_to_transform=[0, 3],
        task_type="CAUSAL_LM",
    )
    theirs = get_peft_model(their_model(base.path), config).eval()
    theirs.save_pretrained(tmp_path / "adapter")
    ids = some_ids()
    wanted = their_logits(theirs, ids)

    stages = load_stages(base, num_stages)
    load_peft(tmp_path / "adapter", stages, name="theirs", base_digest=base.digest)

    assert largest_difference(our_logits(stages, ids), wanted) < CLOSE
    for stage in stages:
        merge_adapter(stage)
    assert largest_difference(our_logits(stages, ids), wanted) < CLOSE
    for stage in stages:
        set_adapter(stage, None)
    assert largest_difference(our_logits(stages, ids), their_logits(their_model(base.path), ids)) < CLOSE


def test_an_exported_adapter_loads_into_any_split(base: BaseModelDir, tmp_path: Path) -> None:
    stages = trained_stages(base, LoRAConfig(rank=4, alpha=8, dropout=0.0), num_stages=2)
    ids = some_ids()
    export_peft(stages, tmp_path / "adapter", base_name="base", base_digest=base.digest)

    others = load_stages(base, 4)
    load_peft(tmp_path / "adapter", others, base_digest=base.digest)

    assert largest_difference(our_logits(others, ids), our_logits(stages, ids)) == 0.0


def test_an_adapter_of_another_base_is_refused(base: BaseModelDir, tmp_path: Path) -> None:
    stages = trained_stages(base, LoRAConfig(rank=4, dropout=0.0))
    export_peft(stages, tmp_path / "adapter", base_name="base", base_digest="0" * 64)

    with pytest.raises(BadCheckpoint, match="is an adapter of another base"):
        load_peft(tmp_path / "adapter", load_stages(base), base_digest=base.digest)
