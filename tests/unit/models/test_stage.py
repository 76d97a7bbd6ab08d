# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from any_base import any_model

from node0.models.factory import build_stages
from node0.models.hf.hf_stage import HFStage
from node0.models.llama.arguments import LlamaArguments
from node0.models.stage import Stage

SMALL = LlamaArguments(hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=40, ffn_dim=16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_type_of_a_stage_is_that_of_its_matrices(dtype: torch.dtype) -> None:
    (stage,) = build_stages(SMALL, 1, dtype=dtype)

    assert (stage.dtype, stage.device) == (dtype, torch.device("cpu"))
    assert HFStage(any_model("olmo2").to(dtype), packs=False).dtype == dtype


def test_only_the_ends_of_a_cut_model_share_a_table() -> None:
    tied = SMALL.model_copy(update={"tie_embeddings": True})
    cut: list[Stage] = [*build_stages(tied, 2), *build_stages(tied, 1), *build_stages(SMALL, 2)]

    assert [stage.tied_ends for stage in cut] == [True, True, False, False, False]
    assert not HFStage(any_model("gemma2"), packs=False).tied_ends
