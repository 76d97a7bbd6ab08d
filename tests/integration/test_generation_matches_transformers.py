# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from node0.finetune.inference.loading import load_model

pytestmark = pytest.mark.integration

NEW_TOKENS = 64
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}


def _randomise(model: torch.nn.Module) -> None:
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)


@pytest.fixture(scope="module", params=["llama", "qwen3-tied"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "llama":
        model: torch.nn.Module = LlamaForCausalLM(LlamaConfig(**SHAPE))
    else:
        model = Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=16, tie_word_embeddings=True))
    _randomise(model)
    model.save_pretrained(directory)
    return directory


def _prompt(length: int) -> list[int]:
    return torch.randint(3, 320, (length,), generator=torch.Generator().manual_seed(length)).tolist()


@pytest.mark.parametrize("num_stages", [1, 3])
@pytest.mark.parametrize("length", [1, 7, 200])
def test_greedy_ids_equal_those_of_transformers(base: Path, length: int, num_stages: int) -> None:
    oracle = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    prompt = _prompt(length)
    expected = oracle.generate(
        torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
    )[0, length:].tolist()

    loaded = load_model(str(base), dtype="float32", device="cpu", num_stages=num_stages)
    generator = loaded.generator(stop_ids=())
    first = list(generator.generate(prompt, NEW_TOKENS, temperature=0.0))
    second = list(generator.generate(prompt, NEW_TOKENS, temperature=0.0))

    assert len(set(expected)) > 8, "the oracle's answer must not be one repeated token"
    assert first == expected
    assert second == expected


def test_seeded_sampling_repeats_and_seeds_differ(base: Path) -> None:
    generator = load_model(str(base), dtype="float32", device="cpu").generator(stop_ids=())

    def sample(seed: int) -> list[int]:
        return list(generator.generate(_prompt(7), NEW_TOKENS, 1.5, 0.95, top_k=50, seed=seed))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)
