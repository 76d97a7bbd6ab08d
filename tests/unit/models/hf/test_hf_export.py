# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import torch
from any_base import make_any_base
from transformers import AutoModelForCausalLM

from node0.models.hf.hf_base import hf_base
from node0.models.hf.hf_export import export_hf
from node0.models.hf.hf_stage import load_hf_stage


def test_what_was_trained_is_read_again_with_the_bases_own_dropout(tmp_path: Path) -> None:
    base = make_any_base(tmp_path, "gpt_neox", hidden_dropout=0.25)
    stage = load_hf_stage(hf_base(base))
    with torch.no_grad():
        for weight in stage.parameters():
            weight += 0.01
    out = tmp_path / "out"
    out.mkdir()

    export_hf(stage, base, out)
    export_hf(stage, base, out)

    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.config.hidden_dropout == 0.25
    assert all(
        torch.equal(stage.get_parameter(f"model.{n}"), weight) for n, weight in model.named_parameters()
    )
    assert json.loads((out / "config.json").read_text())["dtype"] == "float32"
    assert {path.name for path in out.iterdir()} <= {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    base = make_any_base(tmp_path, "olmo2")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export_hf(load_hf_stage(hf_base(base)), base, tmp_path / name)

    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
