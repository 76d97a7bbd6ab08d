# SPDX-License-Identifier: Apache-2.0
"""Write a model as a Hugging Face directory: an adapter beside its base, or both in one."""

from collections.abc import Sequence
from pathlib import Path

import torch

from node0.errors import ExportFailed
from node0.files import copy_file
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.exporter import sample_prompts
from node0.finetune.checkpoint.gguf.smoke import LogitError, RenderedPrompt, compare_logits, refuse_beyond
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.checkpoint.peft import PeftAdapter, write_peft
from node0.finetune.data.tokenizer import load_tokenizer
from node0.model_files import MODEL_CARD, PROFILE, TOKENIZER_FILES
from node0.models.base_model import export_base, resolve_base
from node0.models.factory import empty_stages, fill_stage
from node0.models.hf.hf_base import AnyBase

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
"Types of a merged directory's weights."

BOUNDS = {"f32": 0.0, "f16": 0.01, "bf16": 0.05}
"How far logits may be, as a share of their spread, by type."

_ALONG = (PROFILE, MODEL_CARD)
"What a run writes beside its adapter and says how to use it."


def write_merged(weights: MergedWeights, place: Path, *, numbers: str, tokenizer: Path | None) -> None:
    """Write base and adapters as one model; the sum is taken in float32 and rounded once."""
    (empty,) = empty_stages(weights.args)
    stage = fill_stage(empty, weights.read, dtype=DTYPES[numbers])
    export_base([stage], place, tokenizer)


def check_merged(
    place: Path,
    weights: MergedWeights,
    *,
    numbers: str,
    prompts: Sequence[RenderedPrompt],
    profile: DeploymentProfile | None,
) -> LogitError:
    """Read a merged directory as a base and compare it with what it was made from.

    Raises:
        BadCheckpoint: it is no base.
        ExportFailed: ids or logits differ.
    """
    written = MergedWeights(resolve_base(place))
    check_prompts(place, prompts, profile)
    return _check_logits(place, weights, written, prompts, bound=BOUNDS[numbers])


def write_adapter_directory(
    adapter: PeftAdapter, place: Path, *, base: AnyBase, source: Path, tokenizer: Path | None
) -> None:
    """Write an adapter in PEFT's format, with its tokenizer and what says how to use it."""
    is_local = Path(base.name).is_dir()
    name = str(Path(base.name).resolve()) if is_local else base.name
    place.mkdir()
    write_peft(adapter.tensors, place, config=adapter.config, base_name=name, base_digest=base.digest)
    copy_along(source, place, _ALONG)
    if tokenizer is not None:
        copy_along(tokenizer, place, TOKENIZER_FILES)


def copy_along(source: Path, place: Path, names: Sequence[str]) -> None:
    """Copy those of the named files that there are."""
    for name in names:
        if (source / name).is_file():
            copy_file(source / name, place / name)


def check_adapter_directory(
    place: Path,
    weights: MergedWeights,
    *,
    prompts: Sequence[RenderedPrompt],
    profile: DeploymentProfile | None,
) -> LogitError:
    """Read an adapter directory and compare it with what it was made from.

    Raises:
        BadCheckpoint: it is no adapter of the base.
        ExportFailed: ids, numbers or logits differ.
    """
    written = MergedWeights(weights.base, [place])
    (source,), (held,) = weights.adapters, written.adapters
    for key, value in source.tensors.items():
        if key not in held.tensors or not torch.equal(held.tensors[key], value.float()):
            raise ExportFailed(f"{place.name}: {key} is not the adapter's; nothing was kept")
    check_prompts(place, prompts, profile)
    return _check_logits(place, weights, written, prompts, bound=0.0)


def check_prompts(place: Path, prompts: Sequence[RenderedPrompt], profile: DeploymentProfile | None) -> None:
    """The tokenizer and the chat template that were written make the source's prompts."""
    if sample_prompts(Renderer(load_tokenizer(place), profile)) != prompts:
        raise ExportFailed(f"{place.name}: its tokenizer makes another prompt; nothing was kept")


def _check_logits(
    place: Path,
    weights: MergedWeights,
    written: MergedWeights,
    prompts: Sequence[RenderedPrompt],
    *,
    bound: float,
) -> LogitError:
    ids = torch.tensor([prompts[0].ids])
    found = compare_logits(weights.args, weights.read, written.read, ids)
    refuse_beyond(bound, found, place)
    return found
