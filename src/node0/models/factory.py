# SPDX-License-Identifier: Apache-2.0
"""Make the stages of a model, fresh or from a base on disk."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import nn

from node0.lora.four_bit import FourBitLinear, pack
from node0.models.base_model import BaseModelDir
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import BodyExpert, HeadExpert, LlamaStage, SoloExpert, TailExpert, fresh_tensor
from node0.models.split import stage_arguments
from node0.models.stage_name import StageKind, stage_kind
from node0.models.weights import TensorSource

_CLASSES: dict[StageKind, type[LlamaStage]] = {
    "solo": SoloExpert,
    "head": HeadExpert,
    "body": BodyExpert,
    "tail": TailExpert,
}


def build_stages(
    args_whole: LlamaArguments,
    num_stages: int = 1,
    *,
    layers_per_stage: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> list[LlamaStage]:
    """Fresh stages. The weights depend on `seed` and their names alone, not on the split.

    Matrices are in `dtype`; norms stay float32.
    """
    stages: list[LlamaStage] = []
    for stage in _meta_stages(args_whole, num_stages, layers_per_stage):
        for name, parameter in list(stage.named_parameters()):
            if parameter.dim() == 1:
                fill = torch.zeros if name.endswith("bias") else torch.ones
                value = fill(parameter.shape, dtype=torch.float32)
            else:
                value = fresh_tensor(name, parameter.shape, stage.args, seed)
            _assign(stage, name, value.to(device, _stored_dtype(name, dtype)))
        stages.append(_finish(stage))
    return stages


def load_stages(
    base: BaseModelDir,
    num_stages: int = 1,
    *,
    layers_per_stage: Sequence[int] | None = None,
    stages: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    four_bit: bool = False,
) -> list[LlamaStage]:
    """Stages with a base's weights; only the tensors of the wanted `stages` (default all) are read.

    With `four_bit` the matrices of the blocks are packed one by one, each from `dtype`; the head and the
    embedding keep it.
    """
    wanted = range(num_stages) if stages is None else stages
    whole = _meta_stages(base.args, num_stages, layers_per_stage)
    source = TensorSource(base.path)
    return [_load(whole[index], source, device, dtype, four_bit=four_bit) for index in wanted]


def empty_stages(
    args_whole: LlamaArguments, num_stages: int = 1, *, layers_per_stage: Sequence[int] | None = None
) -> list[LlamaStage]:
    """Stages without weights, on the meta device: to name adapters, not to compute."""
    return _meta_stages(args_whole, num_stages, layers_per_stage)


def fill_stage(
    stage: LlamaStage,
    read: Callable[[str, torch.Size], torch.Tensor],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    four_bit: bool = False,
) -> LlamaStage:
    """A stage of `empty_stages` with the weights that `read` gives for each name and shape."""
    for name, parameter in list(stage.named_parameters()):
        value = read(name, parameter.shape).to(device, _stored_dtype(name, dtype))
        if four_bit and parameter.dim() > 1 and name.startswith("layers."):
            _put_packed(stage, name.removesuffix(".weight"), value)
        else:
            _assign(stage, name, value)
    return _finish(stage)


def _load(
    stage: LlamaStage,
    source: TensorSource,
    device: torch.device | str,
    dtype: torch.dtype,
    *,
    four_bit: bool,
) -> LlamaStage:
    read = partial(source.read, tied=stage.args.tie_embeddings)
    return fill_stage(stage, read, device=device, dtype=dtype, four_bit=four_bit)


def _meta_stages(
    args_whole: LlamaArguments, num_stages: int, layers_per_stage: Sequence[int] | None
) -> list[LlamaStage]:
    plain = args_whole.model_copy(update={"lora_rank": None})
    with torch.device("meta"):
        return [
            _CLASSES[stage_kind(index, num_stages)](args)
            for index, args in enumerate(stage_arguments(plain, num_stages, layers_per_stage))
        ]


def _stored_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if name.endswith("norm.weight") else dtype


def _assign(stage: LlamaStage, name: str, value: torch.Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(stage.get_submodule(owner), leaf, nn.Parameter(value))


def _put_packed(stage: LlamaStage, path: str, value: torch.Tensor) -> None:
    owner, _, child = path.rpartition(".")
    bias = cast(nn.Linear, stage.get_submodule(path)).bias
    setattr(stage.get_submodule(owner), child, FourBitLinear(pack(value), bias))


def _finish(stage: LlamaStage) -> LlamaStage:
    if stage.has_embedding and stage.has_head and stage.args.tie_embeddings:
        stage.output.weight = stage.tok_embeddings.weight
    stage.rope.to_empty(device=stage.device)
    return stage
