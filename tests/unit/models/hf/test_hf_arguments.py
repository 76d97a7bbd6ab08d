# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import torch
from any_base import FAMILIES, PACKED, any_config, any_model, make_any_base

from node0.errors import BadCheckpoint, UnsupportedArchitecture
from node0.models.hf.hf_arguments import HFArguments, read_hf_arguments, read_hf_config


def arguments(family: str, **changes: object) -> HFArguments:
    return read_hf_arguments(any_config(family, **changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shape_is_that_of_the_model_and_no_weights_are_made(family: str) -> None:
    args = arguments(family)

    model = any_model(family)

    assert args.parameters == sum(weight.numel() for weight in model.parameters())
    assert (args.family, args.hidden_dim, args.vocab_size) == (family, 32, 288)
    assert args.num_hidden_layers == FAMILIES[family].get("num_hidden_layers", 2)
    assert args.takes_positions == (family in PACKED)
    assert args.linears and "lm_head" not in args.linear_names


def test_layers_of_one_name_and_several_shapes_are_counted_each() -> None:
    args = arguments("gpt_neox")

    assert {(each.name, each.width_in, each.width_out, each.count) for each in args.linears} == {
        ("query_key_value", 32, 96, 2),
        ("dense", 32, 32, 2),
        ("dense_h_to_4h", 32, 48, 2),
        ("dense_4h_to_h", 48, 32, 2),
    }


def test_a_layer_whose_weight_a_fused_kernel_reads_cannot_be_adapted() -> None:
    assert arguments("mamba2").linear_names == ["in_proj"]
    assert "out_proj" in arguments("lfm2").linear_names


def test_scores_are_kept_where_attention_is_not_fused() -> None:
    assert arguments("gpt_oss").keeps_scores and not arguments("olmo2").keeps_scores


def test_everything_random_in_the_forward_pass_is_off(tmp_path: Path) -> None:
    make_any_base(tmp_path, "gpt_neox", hidden_dropout=0.5, attention_dropout=0.4)

    config = read_hf_config(tmp_path / "base")

    assert (config.hidden_dropout, config.attention_dropout) == (0.0, 0.0)


def write_config(directory: Path, **changes: object) -> Path:
    make_any_base(directory, "olmo2")
    path = directory / "base" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return directory / "base"


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    base = write_config(tmp_path, model_type="of-its-own", auto_map=auto_map)
    (base / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    with pytest.raises(UnsupportedArchitecture, match=r"'of-its-own'.*is not run; take another base"):
        read_hf_config(base)

    assert not (tmp_path / "ran").exists()


def test_a_model_that_is_not_causal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture, match=r"'t5' is no causal language model"):
        read_hf_config(write_config(tmp_path, model_type="t5"))


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    quantization = {"quant_method": "gptq", "bits": 4}

    with pytest.raises(BadCheckpoint, match="the base is quantized"):
        read_hf_config(write_config(tmp_path, quantization_config=quantization))


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)

    with pytest.raises(BadCheckpoint, match=r"config\.json"):
        read_hf_config(tmp_path)


def test_sizes_that_make_no_model_are_refused(tmp_path: Path) -> None:
    base = write_config(tmp_path, num_hidden_layers="many")

    with pytest.raises(BadCheckpoint, match="download the base again"):
        read_hf_arguments(read_hf_config(base))


def test_reading_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()

    arguments("olmo2")

    assert torch.equal(torch.get_rng_state(), before)
