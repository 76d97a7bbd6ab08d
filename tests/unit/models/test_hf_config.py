# SPDX-License-Identifier: Apache-2.0
"""config.json of Hugging Face: both spellings read, the older one written, the rest refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from node0.errors import BadCheckpoint, ConfigError
from node0.models.base_model import export_base, resolve_base
from node0.models.factory import build_stages
from node0.models.hf_config import arguments_from_config, config_from_arguments, read_arguments
from node0.models.llama.arguments import LlamaArguments, RopeScaling

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, vocab_size=61, ffn_dim=48)
CONFIG = config_from_arguments(ARGS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model_type": "gpt2"},
            "model_type 'gpt2' is not supported; take one of llama, mistral, qwen2, qwen3",
        ),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            "quantized (bitsandbytes)",
        ),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantized (gptq)"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
        ({"hidden_size": None}, "hidden_dim is None, which no model has"),
        ({"num_attention_heads": 0}, "n_heads is 0, which no model has"),
        ({"num_attention_heads": -4}, "n_heads is -4, which no model has"),
        ({"num_key_value_heads": -2}, "n_kv_heads is -2, which no model has"),
        ({"head_dim": -8}, "head_dim is -8, which no model has"),
        ({"head_dim": 7}, "head_dim is 7, which no model has"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000, which no model has"),
        ({"hidden_size": 10**400}, "hidden_dim is 1000"),
        ({"intermediate_size": 1e308}, "ffn_dim is 1e+308"),
        ({"vocab_size": 2**40}, "vocab_size is 1099511627776"),
        ({"max_position_embeddings": 0}, "max_seq_len is 0"),
        ({"rms_norm_eps": float("nan")}, "norm_eps is nan"),
        ({"rope_theta": float("inf")}, "rope_theta is inf"),
        ({"num_attention_heads": float("inf")}, "a field is missing or wrong"),
        ({"rope_scaling": "llama3"}, "a field is missing or wrong"),
        ({"num_key_value_heads": 3}, "4 heads cannot share 3 key heads"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window"),
    ],
)
def test_a_config_that_cannot_be_computed_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes))

    with pytest.raises(BadCheckpoint) as caught:
        read_arguments(tmp_path)

    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '"llama"'])
def test_a_file_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)

    with pytest.raises(BadCheckpoint, match="name a directory that holds a base"):
        read_arguments(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": RopeScaling(original_max_position_embeddings=32)},
        {"rope_scaling": RopeScaling(rope_type="linear", factor=2.0)},
        {"family": "qwen2", "qkv_bias": True},
        {"family": "qwen3", "qk_norm": True, "head_dim": 12},
        {"family": "mistral", "sliding_window": 9},
        {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "tie_embeddings": True},
    ],
)
def test_arguments_survive_export(changes: dict[str, Any], tmp_path: Path) -> None:
    args = ARGS.model_copy(update={"head_dim": 8, **changes})
    export_base(build_stages(args), tmp_path)

    read = resolve_base(tmp_path).args

    if args.rope_scaling is not None and args.rope_scaling.rope_type == "linear":
        assert read.rope_scaling is not None and read.rope_scaling.factor == 2.0
        read = read.model_copy(update={"rope_scaling": args.rope_scaling})
    assert read == args


def test_both_spellings_of_rotary_positions_mean_the_same() -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    older = {**CONFIG, "rope_theta": 500000.0, "rope_scaling": scaling}
    newer = {name: value for name, value in CONFIG.items() if name not in ("rope_theta", "rope_scaling")}
    newer["rope_parameters"] = {**scaling, "rope_theta": 500000.0}

    found = arguments_from_config(newer)

    assert found == arguments_from_config(older)
    assert found.rope_theta == 500000.0 and found.rope_scaling == RopeScaling.model_validate(scaling)


@pytest.mark.parametrize(("family", "width"), [("llama", 8), ("qwen3", 128)])
def test_a_head_that_is_not_given_has_the_familys_width(family: str, width: int) -> None:
    config = {**CONFIG, "model_type": family}
    del config["head_dim"]

    assert arguments_from_config(config).head_dim == width


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [
        ("llama", "qk_norm", True),
        ("llama", "sliding_window", 4),
        ("mistral", "qkv_bias", True),
        ("qwen2", "qkv_bias", False),
        ("qwen2", "mlp_bias", True),
        ("mistral", "out_bias", True),
    ],
)
def test_what_the_family_cannot_hold_is_not_written(family: str, field: str, value: object) -> None:
    fitting = {"qkv_bias": family == "qwen2"}
    args = ARGS.model_copy(update={"family": family, **fitting, field: value})

    with pytest.raises(ConfigError, match=f"{field}={value} cannot be exported as {family}"):
        config_from_arguments(args)
