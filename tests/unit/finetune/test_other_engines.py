# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.finetune.other_engines import vllm_line


def test_the_line_serves_an_adapter_under_its_name_and_can_be_typed() -> None:
    line = vllm_line("owner/base", name="deacon", adapter=Path("/a b"), rank=8)

    assert line == "vllm serve owner/base --enable-lora --max-lora-rank 8 --lora-modules 'deacon=/a b'"
    assert vllm_line("base", name="x") == "vllm serve base --served-model-name x"
