# SPDX-License-Identifier: Apache-2.0
"""A model's stages with its adapters inside their weights, and the bytes that they take."""

import torch
from torch import nn

from node0.errors import ConfigError
from node0.finetune.checkpoint.peft import load_peft
from node0.finetune.inference.source import ModelSource
from node0.lora.adapter import lora_layers
from node0.models.base_model import BaseModelDir
from node0.models.block_cache import block_bytes
from node0.models.device import multiplies_bfloat16, pick_device
from node0.models.factory import load_stages
from node0.models.hf.hf_base import HFBase
from node0.models.hf.hf_stage import HFStage, load_hf_stage
from node0.models.llama.faster_type import faster_dtype
from node0.models.llama.layers import LlamaStage, SoloExpert, cache_dtype
from node0.models.llama.packed_layers import packed_size
from node0.models.llama.rope import head_dim
from node0.models.stage import Stage

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def own_stages(source: ModelSource, *, device: str, dtype: str, num_stages: int) -> list[LlamaStage]:
    """Stages of our own blocks, their projections joined.

    Raises:
        ConfigError: transformers computes the model, or there is no such type.
        BadCheckpoint: an adapter is of another base.
    """
    base = source.own_base("leave the number of stages at 1")
    stages = load_stages(base, num_stages, device=device, dtype=_dtype(dtype, device, base))
    put_adapters_inside(stages, source)
    for stage in stages:
        stage.join_projections()
    return stages


def hf_stage(source: ModelSource, base: HFBase, *, device: str, dtype: str) -> HFStage:
    """The one stage of a model that transformers computes.

    Raises:
        As `own_stages`.
    """
    stage = load_hf_stage(base, device=device, dtype=_dtype(dtype, device, base))
    put_adapters_inside([stage], source)
    return stage


def put_adapters_inside(stages: list[LlamaStage] | list[HFStage], source: ModelSource) -> None:
    """Add a model's adapters to the weights of its base, which then answer and do not train."""
    for index, directory in enumerate(source.adapters):
        load_peft(directory, stages, name=f"adapter{index}", base_digest=source.base.digest)
        for stage in stages:
            _bake(stage)
    for stage in stages:
        stage.eval().requires_grad_(requires_grad=False)


def cache_block_bytes(source: ModelSource, *, device: str = "auto", dtype: str = "auto") -> int:
    """Bytes of one block of keys and values over all layers."""
    base, place = source.own_base("its keys and values are not kept in blocks"), pick_device(device)
    args, kind = base.args, cache_dtype(place, _dtype(dtype, place, base))
    return block_bytes(args.num_hidden_layers, args.n_kv_heads or args.n_heads, head_dim(args), kind)


def weight_bytes(source: ModelSource, *, device: str = "auto", dtype: str = "auto") -> int:
    """Bytes that will be kept, as the weights are laid out here."""
    base, place = source.base, pick_device(device)
    kind = _dtype(dtype, place, base)
    if isinstance(base, HFBase):
        return base.args.parameters * kind.itemsize
    with torch.device("meta"):
        stage = SoloExpert(base.args)
    stage.join_projections()
    return packed_size(stage, place, kind) * kind.itemsize


def _bake(stage: Stage) -> None:
    """Make adapted layers plain ones with the adapter inside; a kept base would double the memory."""
    for path, layer in list(lora_layers(stage)):
        layer.merge()
        plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        plain.weight, plain.bias = nn.Parameter(layer.weight.detach()), layer.bias  # type: ignore[assignment]  # None where the layer has no bias
        parent, _, child = path.rpartition(".")
        setattr(stage.get_submodule(parent), child, plain)


def _dtype(wanted: str, device: str, base: BaseModelDir | HFBase) -> torch.dtype:
    if wanted in DTYPES:
        return DTYPES[wanted]
    if wanted != "auto":
        raise ConfigError(f"dtype {wanted!r} is unknown; use auto, {', '.join(DTYPES)}")
    if not multiplies_bfloat16(device):
        return torch.float32
    if device != "cpu":
        return torch.bfloat16
    # What is faster on a processor was measured with our own blocks alone.
    return faster_dtype(base.args) if isinstance(base, BaseModelDir) else torch.float32
