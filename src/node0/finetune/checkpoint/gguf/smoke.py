# SPDX-License-Identifier: Apache-2.0
"""Test a GGUF file at the end of its export: structure, token ids, logits."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.gguf.tensor_layout import ROPE_FREQS, gguf_name, missing_fields, rope_factors
from node0.finetune.checkpoint.gguf.tokenize import GgufTokenizer
from node0.finetune.checkpoint.gguf.vocabulary import Vocabulary
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.models.factory import empty_stages, fill_stage
from node0.models.llama.arguments import LlamaArguments

Read = Callable[[str, torch.Size], Tensor]
"Gives a tensor of the whole model by our name and its shape."

MOST_IDS = 256
"Ids of a prompt on which logits are compared."


class RenderedPrompt(NamedTuple):
    """A prompt as text, and the tokenizer's ids of it."""

    text: str
    ids: list[int]


class LogitError(NamedTuple):
    """How far the logits of two models are from each other."""

    largest: float
    share: float
    "Of the root mean square of differences in that of the logits around their mean."


def check_model(
    path: Path,
    weights: MergedWeights,
    *,
    vocabulary: Vocabulary,
    prompts: Sequence[RenderedPrompt],
    bound: float,
) -> LogitError:
    """Compare a file with what it was made from: logits on the first prompt, ids on all of them.

    Args:
        path: The file.
        weights: The model.
        vocabulary: Its tokenizer.
        prompts: What a model of its role is asked.
        bound: Largest error of the logits as a share of their spread; 0 asks for equal ones.

    Raises:
        ExportFailed: something differs; the message says what.
    """
    file = GgufFile(path)
    _check_structure(file, weights)
    _check_tokenizer(file, vocabulary, prompts)
    ids = torch.tensor([prompts[0].ids[:MOST_IDS]])
    found = compare_logits(weights.args, weights.read, partial(file.weight, args=weights.args), ids)
    refuse_beyond(bound, found, path)
    return found


def refuse_beyond(bound: float, found: LogitError, path: Path) -> None:
    """Refuse a file whose logits are farther from the source's than `bound`; 0 asks for equal ones.

    Raises:
        ExportFailed: they are.
    """
    if found.share > bound or (bound == 0 and found.largest > 0):
        raise ExportFailed(
            f"{path.name}: logits differ from the source's by up to {found.largest:.3g}, {found.share:.1%} "
            f"of their spread where {bound:.1%} is right; nothing was kept, take a wider format"
        )


def compare_logits(args: LlamaArguments, source: Read, exported: Read, ids: Tensor) -> LogitError:
    """Logits of both for ids (1, tokens), computed one after the other, a layer at a time."""
    wanted = layerwise_logits(args, source, ids)
    return logit_error(layerwise_logits(args, exported, ids), wanted)


def logit_error(found: Tensor, wanted: Tensor) -> LogitError:
    """How far logits (..., vocab) are from those that are wanted."""
    difference = found - wanted
    spread = wanted - wanted.mean(-1, keepdim=True)
    share = difference.square().mean().sqrt() / spread.square().mean().sqrt().clamp_min(1e-12)
    return LogitError(float(difference.abs().max()), float(share))


@torch.inference_mode()
def layerwise_logits(args: LlamaArguments, read: Read, ids: Tensor) -> Tensor:
    """Logits float32 (1, tokens, vocab) with one layer in memory at a time."""
    hidden = ids
    positions = torch.arange(ids.shape[1])[None]
    for empty in empty_stages(args, args.num_hidden_layers):
        stage = fill_stage(empty, read).eval()
        hidden = stage.forward_hidden(hidden, positions)
    assert stage.has_head
    return stage.logits(hidden)  # type: ignore[operator, no-any-return]  # the last stage has the head


def _check_structure(file: GgufFile, weights: MergedWeights) -> None:
    wrong = missing_fields(weights.args, file.metadata)
    if wrong:
        raise ExportFailed(f"{file.path.name}: {wrong[0]}; nothing was kept")
    wanted = {gguf_name(name): shape for name, shape in weights.shapes.items()}
    if (factors := rope_factors(weights.args)) is not None:
        wanted[ROPE_FREQS] = tuple(factors.shape)
        if not torch.equal(file.values(ROPE_FREQS), factors):
            raise ExportFailed(f"{file.path.name}: {ROPE_FREQS} differs; nothing was kept")
    for name in sorted(wanted.keys() | file.shapes.keys()):
        if wanted.get(name) != file.shapes.get(name):
            got = file.shapes.get(name)
            raise ExportFailed(f"{file.path.name}: {name} is {got}, not {wanted.get(name)}; nothing was kept")


def _check_tokenizer(file: GgufFile, vocabulary: Vocabulary, prompts: Iterable[RenderedPrompt]) -> None:
    held = Vocabulary.from_metadata(file.metadata)
    if different := vocabulary.differences(held):
        raise ExportFailed(f"{file.path.name}: the tokenizer's {different[0]} differ; nothing was kept")
    made = GgufTokenizer(held)
    wrong = next((prompt for prompt in prompts if made.encode(prompt.text) != prompt.ids), None)
    if wrong is not None:
        raise ExportFailed(
            f"{file.path.name}: llama.cpp's rule {held.pre!r} makes other ids than the tokenizer of "
            f"{_first_difference(made, wrong)!r}; nothing was kept, name another rule with pre="
        )


def _first_difference(made: GgufTokenizer, prompt: RenderedPrompt) -> str:
    """The texts of a few ids around the first one that differs."""
    got = made.encode(prompt.text)
    at = next((at for at, pair in enumerate(zip(got, prompt.ids, strict=False)) if pair[0] != pair[1]), 0)
    return "".join(made.vocabulary.tokens[number] for number in prompt.ids[max(at - 2, 0) : at + 3])
