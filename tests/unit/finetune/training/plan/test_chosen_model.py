# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
from any_base import any_config, make_any_base
from tiny_run import configure, fresh_arguments, make_base

from node0.errors import ConfigError
from node0.finetune.training.plan.chosen_model import (
    choose_model,
    describe_stage,
    own_arguments,
    with_adapted_layers,
)
from node0.lora.lora_config import ALL_LINEAR, ATTENTION, LoRAConfig
from node0.models.hf.hf_arguments import HFArguments, read_hf_arguments
from node0.models.hf.hf_base import HFBase

QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]


def any_arguments(family: str) -> HFArguments:
    return read_hf_arguments(any_config(family))


def adapted(tmp_path: Path, family: str, names: list[str]) -> list[str]:
    config = configure(tmp_path, lora={"rank": 2, "target_modules": names})
    chosen = with_adapted_layers(config, any_arguments(family)).lora
    assert chosen is not None
    # What a run writes down is read again when it is gone on with.
    again = configure(tmp_path, lora=chosen.model_dump())
    assert with_adapted_layers(again, any_arguments(family)).lora == chosen
    return chosen.target_modules


@pytest.mark.parametrize(
    ("family", "names", "expected"),
    [
        ("granite", list(ATTENTION), QKVO),
        ("granite", ["w1"], ["gate_proj"]),
        ("granite", ["wq", "q_proj", "w1"], ["q_proj", "gate_proj"]),
        ("olmo2", list(ALL_LINEAR), [*QKVO, "gate_proj", "down_proj", "up_proj"]),
        # Matrices laid together, and other names: nothing there is what ours mean.
        ("phi3", list(ATTENTION), ["o_proj", "qkv_proj", "gate_up_proj", "down_proj"]),
        ("gpt_neox", ["wq"], ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
        ("mamba2", list(ATTENTION), ["in_proj"]),
        # A base may call its own layers as we call ours.
        ("lfm2", ["w1", "out_proj"], ["w1", "out_proj"]),
        ("phi3", ["qkv_proj"], ["qkv_proj"]),
    ],
)
def test_layers_are_named_as_the_base_names_them(
    tmp_path: Path, family: str, names: list[str], expected: list[str]
) -> None:
    assert adapted(tmp_path, family, names) == expected


@pytest.mark.parametrize("family", ["phi3", "granite"])
def test_a_layer_that_the_base_lacks_is_refused_with_the_nearest(tmp_path: Path, family: str) -> None:
    with pytest.raises(ConfigError, match=r"named 'o_prj'; did you mean 'o_proj'"):
        adapted(tmp_path, family, ["o_prj"])


def test_a_misspelt_layer_beside_ours_is_refused_where_ours_mean_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"named 'qkv_prj'; did you mean 'qkv_proj'"):
        adapted(tmp_path, "phi3", ["wq", "qkv_prj"])


def test_our_own_blocks_keep_our_names(tmp_path: Path) -> None:
    config = configure(tmp_path, lora={"target_modules": ["wq", "w2"]})

    assert with_adapted_layers(config, fresh_arguments()) == config
    with pytest.raises(ConfigError, match="'wx'"):
        with_adapted_layers(configure(tmp_path, lora={"target_modules": ["wx"]}), fresh_arguments())


def test_a_base_without_linear_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gpt2 has no linear layer to adapt"):
        adapted(tmp_path, "gpt2", list(ATTENTION))


def test_the_plan_says_who_computes() -> None:
    lora = LoRAConfig(target_modules=["qkv_proj", "o_proj"])

    told = dict(describe_stage(any_arguments("phi3"), lora))

    assert told["computed by"] == "transformers (phi3), in one stage"
    assert told["documents"].startswith("packed")
    assert told["adapted layers"] == "qkv_proj, o_proj"
    assert dict(describe_stage(any_arguments("mamba2"), None)) == {
        "computed by": "transformers (mamba2), in one stage",
        "documents": "one a row, padded",
        "answers": "one at a time here; vLLM is faster",
    }
    assert describe_stage(fresh_arguments(), None) == [("computed by", "our own blocks")]


def test_config_json_decides(tmp_path: Path) -> None:
    make_any_base(tmp_path, "gemma3_text")
    assert isinstance(choose_model(settings(tmp_path)).base, HFBase)

    (tmp_path / "ours").mkdir()
    make_base(tmp_path / "ours")
    chosen = choose_model(settings(tmp_path, base_model=str(tmp_path / "ours" / "base")))
    assert own_arguments(chosen.args) == chosen.args


def test_what_transformers_computes_is_not_cut(tmp_path: Path) -> None:
    make_any_base(tmp_path, "gemma3_text")

    with pytest.raises(ConfigError, match="gemma3_text is computed by transformers, whole"):
        choose_model(settings(tmp_path, num_stages=2))
    with pytest.raises(ConfigError, match="not by the stages of a swarm"):
        own_arguments(any_arguments("granite"))


def settings(directory: Path, **changes: Any) -> Any:
    return configure(directory, **{"lora": {"rank": 2}, **changes})
