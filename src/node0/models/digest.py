# SPDX-License-Identifier: Apache-2.0
"""The digest of a base model, the same for every layout of its files."""

import hashlib
import json
from pathlib import Path

import torch

from node0.errors import BadCheckpoint
from node0.models.hf_config import read_arguments
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import SoloExpert
from node0.models.weights import TensorSource, hf_name

_WHOLE_TENSOR = 1 << 20
"Bytes up to which a tensor's content is hashed whole."

_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16
"Blocks, spread evenly, that stand for a larger one."

# These change no logit of any token, or belong to one stage.
_NOT_IN_DIGEST = {
    "stage", "first_layer", "max_seq_len", "init_std", "lora_rank", "lora_alpha", "lora_dropout",
    "lora_target_modules",
}  # fmt: skip


def base_digest(directory: Path) -> str:
    """Identity of a base: sha256, in hex, over its architecture and its tensors.

    A tensor counts with name, type, shape and content; of one over 1 MiB, 16 blocks of 64 KiB. This
    tells bases apart in a moment whatever their size. It is no proof against someone who edits the
    bytes between the blocks.

    Raises:
        BadCheckpoint: the directory does not hold a whole base.
    """
    return digest_of(TensorSource(directory), read_arguments(directory))


def digest_of(source: TensorSource, args: LlamaArguments) -> str:
    """`base_digest` of files whose headers are already read."""
    tensors = {}
    source.require_layers(args.num_hidden_layers)
    for name in tensor_shapes(args):
        stored = hf_name(name)
        if stored not in source.headers:
            raise BadCheckpoint(
                f"{source.directory} has no tensor {stored}; download or export the base again"
            )
        tensors[name] = _told_of(source, stored)
    return _sha256(_architecture(args), tensors)


def content_digests(source: TensorSource) -> dict[str, list[object]]:
    """Type, shape and digest of the content of every tensor, by the name under which it is stored."""
    return {stored: _told_of(source, stored) for stored in source.headers}


def fresh_digest(args: LlamaArguments, seed: int) -> str:
    """Identity of the weights that `build_stages` draws from `seed`."""
    return _sha256(_architecture(args), {"fresh": seed, "init_std": args.init_std})


def tensor_shapes(args: LlamaArguments) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the whole model; a tied head is not one."""
    with torch.device("meta"):
        solo = SoloExpert(args.model_copy(update={"first_layer": 0, "lora_rank": None}))
    return {name: tuple(parameter.shape) for name, parameter in solo.named_parameters()}


def _told_of(source: TensorSource, stored: str) -> list[object]:
    entry = source.headers[stored]
    content = _content_digest(source.files[stored], *entry["data_offsets"])
    return [entry["dtype"], list(entry["shape"]), content]


def _content_digest(path: Path, start: int, end: int) -> str:
    hasher = hashlib.sha256()
    size = end - start
    with path.open("rb") as file:
        if size <= _WHOLE_TENSOR:
            file.seek(start)
            hasher.update(file.read(size))
        else:
            for sample in range(_SAMPLES):
                file.seek(start + (size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
                hasher.update(file.read(_SAMPLE_BYTES))
    return hasher.hexdigest()


def _architecture(args: LlamaArguments) -> object:
    return args.model_dump(mode="json", exclude=_NOT_IN_DIGEST)


def _sha256(*parts: object) -> str:
    encoded = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(encoded).hexdigest()
