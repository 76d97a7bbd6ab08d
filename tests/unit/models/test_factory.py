# SPDX-License-Identifier: Apache-2.0
"""Fresh stages, and stages from a base on disk."""

from pathlib import Path

import pytest
import torch

from node0.models.base_model import export_base, resolve_base, whole_arguments
from node0.models.factory import build_stages, empty_stages, fill_stage, load_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import BodyExpert, HeadExpert, LlamaStage, SoloExpert, TailExpert

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=4, vocab_size=61, ffn_dim=48)


def tensors(stages: list[LlamaStage]) -> dict[str, torch.Tensor]:
    return {name: parameter for stage in stages for name, parameter in stage.named_parameters()}


@pytest.mark.parametrize("num_stages", [2, 3, 4])
def test_fresh_weights_are_the_same_whatever_the_split(num_stages: int) -> None:
    whole, cut = tensors(build_stages(ARGS, 1, seed=3)), tensors(build_stages(ARGS, num_stages, seed=3))

    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_another_seed_gives_other_weights() -> None:
    first, second = tensors(build_stages(ARGS, seed=0)), tensors(build_stages(ARGS, seed=1))

    assert not torch.equal(first["output.weight"], second["output.weight"])


def test_stages_made_directly_equal_those_of_the_factory() -> None:
    direct = SoloExpert(ARGS, seed=3)

    assert all(torch.equal(direct.state_dict()[k], v) for k, v in tensors(build_stages(ARGS, seed=3)).items())


def test_a_tied_table_is_one_tensor_in_one_stage_and_equal_copies_at_both_ends() -> None:
    args = ARGS.model_copy(update={"tie_embeddings": True})
    (solo,) = build_stages(args)
    head, tail = build_stages(args, 2)

    assert solo.output.weight is solo.tok_embeddings.weight
    assert tail.output.weight is not head.tok_embeddings.weight
    assert torch.equal(tail.output.weight, head.tok_embeddings.weight)


def test_kinds_follow_the_place() -> None:
    assert [type(stage) for stage in build_stages(ARGS, 3)] == [HeadExpert, BodyExpert, TailExpert]


def test_norms_stay_float32_beside_bfloat16_matrices() -> None:
    (stage,) = build_stages(ARGS, dtype=torch.bfloat16)

    types = {name: parameter.dtype for name, parameter in stage.named_parameters()}
    assert {types[name] for name in types if "norm" in name} == {torch.float32}
    assert {types[name] for name in types if "norm" not in name} == {torch.bfloat16}


@pytest.mark.parametrize("tied", [False, True])
def test_an_export_loads_as_it_was_in_any_split(tied: bool, tmp_path: Path) -> None:
    stages = build_stages(ARGS.model_copy(update={"tie_embeddings": tied}), 3, seed=2)
    export_base(stages, tmp_path)

    base = resolve_base(tmp_path)

    assert base.args == whole_arguments(stages).model_copy(update={"head_dim": 8})
    for num_stages in (1, 2, 4):
        loaded = tensors(load_stages(base, num_stages))
        assert all(
            torch.equal(loaded[name], value) for name, value in tensors(stages).items() if name in loaded
        )


def test_only_the_wanted_stage_is_made(tmp_path: Path) -> None:
    export_base(build_stages(ARGS), tmp_path)

    (stage,) = load_stages(resolve_base(tmp_path), 3, stages=[1])

    assert isinstance(stage, BodyExpert)
    assert not any(name.startswith(("tok_embeddings", "output")) for name in tensors([stage]))


def test_an_empty_stage_is_filled_with_what_is_read_for_each_name() -> None:
    (whole,) = build_stages(ARGS, seed=3)
    wanted = dict(whole.named_parameters())

    (filled,) = (
        fill_stage(empty, lambda name, shape: wanted[name].detach().view(shape))
        for empty in empty_stages(ARGS)
    )

    assert filled.device.type == "cpu"
    for name, parameter in filled.named_parameters():
        assert torch.equal(parameter, wanted[name])
