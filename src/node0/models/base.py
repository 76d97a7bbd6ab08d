# SPDX-License-Identifier: Apache-2.0
"""A base model: found by directory or hub id, checked, named by a digest, exported."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from node0.errors import BadCheckpoint, HubUnavailable, NotFound
from node0.models.hf_config import read_arguments
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage, SoloExpert
from node0.models.weights import TensorSource, hf_name

_WHOLE_TENSOR = 1 << 20
"Bytes up to which a tensor's content is hashed whole."

_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16
"Blocks, spread evenly, that stand for a larger one."

_HUB_FILES = [
    "*.safetensors",
    "*.safetensors.index.json",
    "*.json",
    "*.jinja",
    "tokenizer*",
    "*.model",
    "merges.txt",
]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")

# These change no logit of any token, or belong to one stage.
_NOT_IN_DIGEST = {
    "stage", "first_layer", "max_seq_len", "init_std", "lora_rank", "lora_alpha", "lora_dropout",
    "lora_target_modules",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BaseModelDir:
    """A checked base on this machine."""

    path: Path
    args: LlamaArguments
    digest: str
    "`base_digest` of the directory."

    tokenizer_path: Path | None
    "Directory of its tokenizer; None when it has none."

    name: str
    "As the user gave it: directory or hub id."

    revision: str | None = None
    "Commit of the hub id, resolved."


def resolve_base(name_or_dir: str | Path, revision: str | None = None) -> BaseModelDir:
    """Find a base, fetch it if it is a hub id, and check that every tensor is there. Loads nothing.

    Raises:
        NotFound: no such directory.
        HubUnavailable: the hub id could not be resolved or fetched.
        BadCheckpoint: pickle or quantized weights, an unsupported architecture, a tensor that is
            missing or misshapen, a file that is not whole.
    """
    name = str(name_or_dir)
    path, commit = _locate(name, revision)
    args = read_arguments(path)
    source = TensorSource(path)
    _check_tensors(source, args)
    has_tokenizer = any(
        (path / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json")
    )
    return BaseModelDir(
        path=path,
        args=args,
        digest=_digest(source, args),
        tokenizer_path=path if has_tokenizer else None,
        name=name,
        revision=commit,
    )


def base_digest(directory: Path) -> str:
    """Identity of a base: `sha256:` over its architecture and its tensors, whatever its files' layout.

    A tensor counts with name, type, shape and content; of one over 1 MiB, 16 blocks of 64 KiB. This
    tells bases apart in a moment whatever their size. It is no proof against someone who edits the
    bytes between the blocks.
    """
    return _digest(TensorSource(directory), read_arguments(directory))


def fresh_digest(args: LlamaArguments, seed: int) -> str:
    """Identity of the weights that `build_stages` draws."""
    return _sha256(_architecture(args), {"fresh": seed, "init_std": args.init_std})


def whole_arguments(stages: Sequence[LlamaStage]) -> LlamaArguments:
    """Arguments of the model that the stages make together."""
    depth = sum(stage.args.num_hidden_layers for stage in stages)
    return stages[0].args.model_copy(
        update={"stage": 0, "first_layer": 0, "num_hidden_layers": depth, "lora_rank": None}
    )


def tensor_shapes(args: LlamaArguments) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the whole model; a tied head is not one."""
    with torch.device("meta"):
        solo = SoloExpert(args.model_copy(update={"first_layer": 0, "lora_rank": None}))
    return {name: tuple(parameter.shape) for name, parameter in solo.named_parameters()}


def _locate(name: str, revision: str | None) -> tuple[Path, str | None]:
    path = Path(name).expanduser()
    if path.is_dir():
        return path, None
    if path.exists() or not _HUB_ID.fullmatch(name):
        raise NotFound(f"no base directory {name}; give a directory with config.json, or a hub id owner/name")
    return _fetch(name, revision)


def _fetch(hub_id: str, revision: str | None) -> tuple[Path, str | None]:
    from huggingface_hub import snapshot_download

    try:
        snapshot = Path(snapshot_download(hub_id, revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:
        at = f" at {revision}" if revision else ""
        raise HubUnavailable(
            f"base {hub_id}{at} cannot be fetched ({type(error).__name__}); "
            "it is no directory here: check the name and the network, or give a local directory"
        ) from error
    # The cache keeps one directory per commit, named by it.
    return snapshot, snapshot.name


def _check_tensors(source: TensorSource, args: LlamaArguments) -> None:
    known = set()
    for name, shape in tensor_shapes(args).items():
        known.add(source.require(name, shape))
    for stored in source.headers:
        foreign = stored not in known and stored.startswith("model.layers.") and "rotary_emb" not in stored
        if foreign:
            raise BadCheckpoint(
                f"{source.directory} has tensor {stored}, "
                f"which a {args.family} of this config.json does not use; the architecture is not supported"
            )


def _digest(source: TensorSource, args: LlamaArguments) -> str:
    tensors = {}
    for name in tensor_shapes(args):
        stored = hf_name(name)
        entry = source.headers.get(stored)
        if entry is None:
            raise BadCheckpoint(
                f"{source.directory} has no tensor {stored}; download or export the base again"
            )
        content = _content_digest(source.files[stored], *entry["data_offsets"])
        tensors[name] = [entry["dtype"], list(entry["shape"]), content]
    return _sha256(_architecture(args), tensors)


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
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"
