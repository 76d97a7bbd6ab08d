# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from node0.finetune.other_engines import is_computed_elsewhere, vllm_line
from node0.finetune.run_dir import RunDirectory


@pytest.mark.parametrize(
    ("settings", "elsewhere"),
    [
        ({"lora": {"target_modules": ["wq", "w2"]}}, False),
        ({"lora": {"target_modules": ["q_proj", "v_proj"]}}, True),
        ({"lora": None}, False),
        ({}, False),
    ],
)
def test_a_run_tells_by_its_layers_who_computed_its_base(
    settings: dict[str, object], elsewhere: bool, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path)
    run.config_file.write_text(yaml.safe_dump({"role": "deacon", **settings}))

    assert is_computed_elsewhere(run) is elsewhere


def test_the_line_serves_an_adapter_under_its_name_and_can_be_typed() -> None:
    line = vllm_line("owner/base", name="deacon", adapter=Path("/a b"), rank=8)

    assert line == "vllm serve owner/base --enable-lora --max-lora-rank 8 --lora-modules 'deacon=/a b'"
    assert vllm_line("base", name="x") == "vllm serve base --served-model-name x"
