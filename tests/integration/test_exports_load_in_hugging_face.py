# SPDX-License-Identifier: Apache-2.0
"""What is exported for Hugging Face gives our logits in `transformers` and `peft`."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny_export import adapter_directory, base_directory, source_of
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from node0.finetune.checkpoint.gguf.smoke import layerwise_logits
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.export.export import Options, export
from node0.finetune.inference.source import ModelSource

pytestmark = [
    pytest.mark.integration,
    # peft names the one key of ours that it ignores, and asks transformers in its older way.
    pytest.mark.filterwarnings("ignore:Unexpected keyword arguments"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

IDS = torch.tensor([[5, 9, 200, 3, 44, 9, 17, 301, 256, 80, 41, 7]])


@pytest.fixture(params=["llama3", "mistral", "qwen2", "qwen3"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> ModelSource:
    base = base_directory(tmp_path / "base", request.param)
    return source_of(base, adapter_directory(tmp_path / "adapter", base))


@torch.no_grad()
def _logits(model: nn.Module) -> Tensor:
    return model.eval()(input_ids=IDS, use_cache=False).logits.float()


def _ours(source: ModelSource) -> Tensor:
    weights = MergedWeights(source.base, source.adapters)
    return layerwise_logits(weights.args, weights.read, IDS)


def test_transformers_reads_a_merged_directory(tmp_path: Path, source: ModelSource) -> None:
    export(source, tmp_path / "out", format="merged")

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")

    assert (_logits(model) - _ours(source)).abs().max() < 1e-4
    assert tokenizer.chat_template


def test_a_merged_directory_in_bfloat16_is_the_rounded_sum(tmp_path: Path, source: ModelSource) -> None:
    export(source, tmp_path / "out", format="merged", options=Options(quantization="bf16"))
    weights = MergedWeights(source.base, source.adapters)

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")

    stored = model.get_parameter("model.layers.1.mlp.up_proj.weight")
    assert torch.equal(stored, weights.read("layers.1.feed_forward.w3.weight").bfloat16())


def test_peft_reads_an_adapter_directory(tmp_path: Path, source: ModelSource) -> None:
    export(source, tmp_path / "out", format="peft")
    base = AutoModelForCausalLM.from_pretrained(source.base.path, dtype=torch.float32)

    model = PeftModel.from_pretrained(base, tmp_path / "out")

    assert (_logits(model) - _ours(source)).abs().max() < 1e-4
