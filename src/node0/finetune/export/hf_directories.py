# SPDX-License-Identifier: Apache-2.0
"""Write a model that transformers computes as a Hugging Face directory, and compare it with what it was."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf.smoke import LogitError, logit_error, refuse_beyond
from node0.finetune.checkpoint.peft import read_peft
from node0.finetune.export.directories import BOUNDS, DTYPES, check_prompts, copy_along
from node0.finetune.export.parts import ModelParts
from node0.finetune.inference.loaded_stages import hf_stage
from node0.finetune.inference.source import ModelSource
from node0.model_files import TOKENIZER_FILES
from node0.models.hf.hf_arguments import read_hf_config
from node0.models.hf.hf_base import HFBase, hf_base
from node0.models.hf.hf_export import export_hf


def write_hf_merged(parts: ModelParts, base: HFBase, place: Path, *, numbers: str) -> None:
    """Write base and adapters as one model; the sum is taken in float32 and rounded once."""
    place.mkdir()
    stage = hf_stage(parts.source, base, device="cpu", dtype="float32")
    stage.to(dtype=DTYPES[numbers])
    export_hf(stage, base.path, place)
    if parts.source.tokenizer is not None:
        copy_along(parts.source.tokenizer, place, TOKENIZER_FILES)


def check_hf_merged(parts: ModelParts, place: Path, *, numbers: str) -> LogitError:
    """Read a merged directory as a base and compare it with what it was made from.

    Raises:
        BadCheckpoint: it is no base.
        ExportFailed: ids or logits differ.
    """
    written = replace(parts.source, base=hf_base(place), adapters=())
    return _compared(parts, written, place, bound=BOUNDS[numbers])


def check_hf_adapter(parts: ModelParts, place: Path) -> LogitError:
    """Read an adapter directory over the same base and compare it with what it was made from.

    Raises:
        ExportFailed: ids, numbers or logits differ.
    """
    held = read_peft(place, base_digest=parts.source.base.digest, of_whole=True)
    for key, value in parts.adapter.tensors.items():
        if key not in held.tensors or not torch.equal(held.tensors[key], value.float()):
            raise ExportFailed(f"{place.name}: {key} is not the adapter's; nothing was kept")
    return _compared(parts, replace(parts.source, adapters=(place,)), place, bound=0.0)


def stored_type(base: HFBase) -> torch.dtype:
    """Type of the base's weights, as its config.json says; float32 where it says none."""
    told = read_hf_config(base.path).dtype
    return told if isinstance(told, torch.dtype) else torch.float32


def _compared(parts: ModelParts, written: ModelSource, place: Path, *, bound: float) -> LogitError:
    check_prompts(place, parts.prompts, parts.profile)
    ids = torch.tensor([parts.prompts[0].ids])
    found = logit_error(_logits(written, ids), _logits(parts.source, ids))
    refuse_beyond(bound, found, place)
    return found


@torch.inference_mode()
def _logits(source: ModelSource, ids: Tensor) -> Tensor:
    """Logits float32 (1, tokens, vocab) of ids (1, tokens)."""
    assert isinstance(source.base, HFBase)
    stage = hf_stage(source, source.base, device="cpu", dtype="float32")
    return stage.logits(stage.forward_hidden(ids, torch.arange(ids.shape[1])[None]))
