# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch

from node0.finetune.export.serve import llama_server_command, vllm_command


def test_a_merged_model_is_served_under_its_name() -> None:
    assert str(vllm_command("deacon", Path("/m"), context=2048, dtype=torch.bfloat16)) == (
        "HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 "
        "vllm serve /m --host 127.0.0.1 --port 8000 --max-model-len 2048 --dtype bfloat16 "
        "--structured-outputs-config.backend guidance --served-model-name deacon"
    )


@pytest.mark.parametrize(("rank", "most"), [(1, "8"), (8, "8"), (9, "16"), (200, "256"), (600, "600")])
def test_vllm_is_told_the_least_rank_that_it_takes(rank: int, most: str) -> None:
    command = vllm_command(
        "deacon", "owner/base", context=64, dtype=torch.float32, adapter=Path("/a b"), rank=rank
    )
    argv = command.argv

    assert argv[argv.index("--max-lora-rank") + 1] == most
    assert argv[-2:] == ("--lora-modules", "deacon=/a b")


def test_a_command_can_be_typed_into_a_shell() -> None:
    command = vllm_command("deacon", "b", context=64, dtype=torch.float32, adapter=Path("/a b"), rank=8)

    assert str(command).endswith("--lora-modules 'deacon=/a b'")


def test_llama_server_takes_the_adapter_over_its_base() -> None:
    command = llama_server_command("deacon", Path("m.gguf"), context=512, adapter=Path("a.gguf"), port=9)

    assert str(command).split("--")[1:] == [
        "model m.gguf ",
        "alias deacon ",
        "ctx-size 512 ",
        "lora a.gguf ",
        "host 127.0.0.1 ",
        "port 9 ",
        "jinja",
    ]
