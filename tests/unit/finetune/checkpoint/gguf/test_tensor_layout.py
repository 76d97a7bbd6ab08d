# SPDX-License-Identifier: Apache-2.0
import gguf
import pytest
import torch
from tiny_export import FAMILIES

from node0.errors import ConfigError
from node0.finetune.checkpoint.gguf.tensor_layout import (
    ARCHITECTURES,
    context_length,
    fields,
    from_gguf_rows,
    gguf_name,
    interleave,
    missing_fields,
    rope_factors,
    separate,
    to_gguf_rows,
)
from node0.models.digest import tensor_shapes
from node0.models.llama.arguments import LlamaArguments, RopeScaling
from node0.models.weights import hf_name


def _arguments(family: str, **changes: object) -> LlamaArguments:
    shape = {"hidden_dim": 64, "n_heads": 4, "num_hidden_layers": 2, "ffn_dim": 96, "vocab_size": 40}
    return LlamaArguments(**(shape | FAMILIES[family] | changes))


def test_rows_of_a_head_go_from_halves_to_neighbours() -> None:
    rows = torch.arange(12)[:, None]  # two heads of six

    found = interleave(rows, 2)

    assert found.flatten().tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    assert torch.equal(separate(found, 2), rows)


def test_interleaved_rows_turned_by_neighbours_are_our_rows_turned_by_halves() -> None:
    angle = torch.tensor([0.3, 0.7, 1.1])
    halves = torch.arange(6.0)[:, None] + 1
    first, second = halves[:3, 0], halves[3:, 0]
    ours = torch.cat((first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()))

    even, odd = interleave(halves, 1)[0::2, 0], interleave(halves, 1)[1::2, 0]
    theirs = torch.stack((even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()), 1)

    assert torch.allclose(interleave(ours[:, None], 1).flatten(), theirs.flatten())


def test_only_q_and_k_of_llama_and_mistral_are_interleaved() -> None:
    rows = torch.randn(64, 64)
    llama, qwen = _arguments("llama", n_kv_heads=4), _arguments("qwen2", n_kv_heads=4)
    modules = ("wq", "wk", "wv", "wo")

    turned = {
        name: not torch.equal(to_gguf_rows(f"layers.1.attention.{name}.weight", rows, llama), rows)
        for name in modules
    }

    assert turned == {"wq": True, "wk": True, "wv": False, "wo": False}
    assert torch.equal(to_gguf_rows("layers.1.attention.wq.weight", rows, qwen), rows)


def test_grouped_keys_are_interleaved_by_their_own_heads() -> None:
    args = _arguments("llama")
    bias = torch.arange(32)

    found = to_gguf_rows("layers.0.attention.wk.bias", bias, args)

    assert found[:4].tolist() == [0, 8, 1, 9]
    assert torch.equal(from_gguf_rows("layers.0.attention.wk.bias", found, args), bias)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_has_the_name_that_the_package_gguf_gives_it(family: str) -> None:
    args = _arguments(family)
    architecture = next(
        arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[args.family]
    )
    known = gguf.get_tensor_name_map(architecture, args.num_hidden_layers)

    for name in tensor_shapes(args):
        assert gguf_name(name) == known.get_name(hf_name(name), (".weight", ".bias")), name


def test_llama3_scaling_becomes_divisors_of_the_frequencies() -> None:
    factors = rope_factors(_arguments("llama3"))

    assert factors is not None
    assert factors[0] == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(8.0)
    assert rope_factors(_arguments("llama-linear")) is None


def test_a_sliding_window_is_the_longest_context_that_is_promised() -> None:
    assert context_length(_arguments("mistral")) == 48
    assert context_length(_arguments("llama", max_seq_len=100)) == 100


def test_linear_scaling_is_a_field() -> None:
    found = fields(_arguments("llama-linear"))

    assert (found["rope.scaling.type"], found["rope.scaling.factor"]) == ("linear", 4.0)


def test_a_field_that_differs_is_named() -> None:
    args = _arguments("qwen3")
    stored = {f"qwen3.{key}": value for key, value in fields(args).items()} | {"qwen3.block_count": 3}

    assert missing_fields(args, stored) == ["qwen3.block_count is 3, not 2"]


@pytest.mark.parametrize(
    ("family", "changes", "named"),
    [
        ("qwen2", {"head_dim": 24}, "head_dim"),
        ("qwen3", {"rope_scaling": RopeScaling()}, "rope_scaling"),
        ("qwen3", {"out_bias": True}, "out_bias"),
        ("llama", {"qk_norm": True}, "qk_norm"),
        ("llama", {"sliding_window": 8}, "sliding_window"),
    ],
)
def test_what_llama_cpp_would_leave_out_in_silence_is_refused(
    family: str, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^{named}=.* of a {family} .*; export it as merged or peft$"):
        fields(_arguments(family, **changes))
