# SPDX-License-Identifier: Apache-2.0
"""A base model: found by directory or hub id, checked, exported."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from node0.errors import BadCheckpoint, HubUnavailable, NotFound
from node0.files import copy_file, make_directory, write_atomically
from node0.lora.trainable import is_adapter_weight
from node0.model_files import MODEL_CONFIG, TOKENIZER_FILES, WEIGHTS
from node0.models.digest import base_digest, digest_of, fresh_digest, tensor_shapes
from node0.models.hf_config import config_from_arguments, read_arguments
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.models.weights import TensorSource, hf_name, save_tensors

__all__ = ["BaseModelDir", "base_digest", "export_base", "fresh_digest", "resolve_base", "whole_arguments"]

# Some repositories hold the same weights again under other names.
_HUB_FILES = ["model*.safetensors", "*.json", "*.jinja", "tokenizer*", "merges.txt"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


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
    path, commit = locate_base(name, revision)
    args = read_arguments(path)
    source = TensorSource(path)
    _check_tensors(source, args)
    return BaseModelDir(
        path=path,
        args=args,
        digest=digest_of(source, args),
        tokenizer_path=path if holds_tokenizer(path) else None,
        name=name,
        revision=commit,
    )


def locate_base(name: str, revision: str | None) -> tuple[Path, str | None]:
    """The directory of a base, fetched if it is a hub id, and then its commit; nothing in it is looked at.

    Raises:
        NotFound: no such directory.
        HubUnavailable: the hub id could not be resolved or fetched.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path, None
    if path.exists() or not _HUB_ID.fullmatch(name):
        raise NotFound(f"no base directory {name}; give a directory with config.json, or a hub id owner/name")
    return _fetch(name, revision)


def holds_tokenizer(path: Path) -> bool:
    """Whether a directory has a tokenizer's files."""
    return any((path / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json"))


def whole_arguments(stages: Sequence[LlamaStage]) -> LlamaArguments:
    """Arguments of the model that the stages make together."""
    depth = sum(stage.args.num_hidden_layers for stage in stages)
    return stages[0].args.model_copy(
        update={"stage": 0, "first_layer": 0, "num_hidden_layers": depth, "lora_rank": None}
    )


def base_tensors(stages: Sequence[LlamaStage]) -> dict[str, Tensor]:
    """The whole model's weights by our names, detached; merged adapters are inside, others left out."""
    tied = stages[0].args.tie_embeddings
    return {
        name: parameter.detach()
        for stage in stages
        for name, parameter in stage.named_parameters()
        if not is_adapter_weight(name) and not (tied and name == "output.weight")
    }


def export_base(stages: Sequence[LlamaStage], directory: Path, tokenizer_dir: Path | None = None) -> None:
    """Write the model that all stages make as a Hugging Face directory, with the tokenizer's files.

    `AutoModelForCausalLM.from_pretrained` of transformers 4 and 5 loads it. Matrices keep their type.

    Raises:
        ConfigError: the family's code in transformers cannot compute this shape.
    """
    dtype = next(stage.dtype for stage in stages)
    config = config_from_arguments(whole_arguments(stages), dtype=str(dtype).removeprefix("torch."))
    make_directory(directory)
    if tokenizer_dir is not None:
        config |= _special_ids(tokenizer_dir)
        for name in TOKENIZER_FILES:
            source = tokenizer_dir / name
            if source.is_file() and source.resolve() != (directory / name).resolve():
                copy_file(source, directory / name)
    tensors = {hf_name(name): value.to(dtype) for name, value in base_tensors(stages).items()}
    save_tensors(directory / WEIGHTS, tensors, {"format": "pt"})
    write_atomically(directory / MODEL_CONFIG, json.dumps(config, indent=2) + "\n")


def _fetch(hub_id: str, revision: str | None) -> tuple[Path, str | None]:
    from huggingface_hub import snapshot_download

    try:
        snapshot = Path(snapshot_download(hub_id, revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:  # the client raises its own, its HTTP library's and OSError kinds
        at = f" at {revision}" if revision else ""
        raise HubUnavailable(
            f"base {hub_id}{at} cannot be fetched ({type(error).__name__}); "
            "it is no directory here: check the name and the network, or give a local directory"
        ) from error
    # The cache keeps one directory per commit, named by it.
    return snapshot, snapshot.name


def _check_tensors(source: TensorSource, args: LlamaArguments) -> None:
    source.require_layers(args.num_hidden_layers)
    known = {source.require(name, shape) for name, shape in tensor_shapes(args).items()}
    for stored in source.headers:
        if stored not in known and stored.startswith("model.layers.") and "rotary_emb" not in stored:
            raise BadCheckpoint(
                f"{source.directory} has tensor {stored}, "
                f"which a {args.family} of this config.json does not use; the architecture is not supported"
            )


def _special_ids(tokenizer_dir: Path) -> dict[str, Any]:
    """bos, eos and pad ids for config.json; transformers' own defaults belong to other vocabularies."""
    ids: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config, table = tokenizer_dir / "tokenizer_config.json", tokenizer_dir / "tokenizer.json"
    if not (config.is_file() and table.is_file()):
        return ids
    settings = json.loads(config.read_text(encoding="utf-8"))
    added = json.loads(table.read_text(encoding="utf-8")).get("added_tokens", [])
    by_text = {entry["content"]: entry["id"] for entry in added}
    for name in ("bos", "eos", "pad"):
        token = settings.get(f"{name}_token")
        text = token.get("content") if isinstance(token, dict) else token
        ids[f"{name}_token_id"] = by_text.get(text)
    return ids
