# SPDX-License-Identifier: Apache-2.0
"""A base that transformers computes: found, checked, and told from others by its digest."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from node0.models.base_model import BaseModelDir, holds_tokenizer, locate_base, resolve_base
from node0.models.digest import content_digests
from node0.models.hf.hf_arguments import HFArguments, read_hf_arguments, read_hf_config
from node0.models.hf_config import is_ours
from node0.models.weights import TensorSource

_NOT_IN_DIGEST = {
    "_name_or_path", "architectures", "attn_implementation", "auto_map", "dtype", "torch_dtype",
    "transformers_version", "use_cache",
}  # fmt: skip
"Fields of config.json that change no logit."


@dataclass(frozen=True, slots=True)
class HFBase:
    """A checked base on this machine, as `BaseModelDir` is one of our own blocks."""

    path: Path
    args: HFArguments
    digest: str
    tokenizer_path: Path | None
    name: str
    "As the user gave it: directory or hub id."

    revision: str | None = None
    "Commit of the hub id, resolved."


AnyBase = BaseModelDir | HFBase
"A base, whoever computes it."


def resolve_any_base(name_or_dir: str | Path, revision: str | None = None) -> AnyBase:
    """Find a base and check it, for our own blocks where they compute it, else for transformers.

    Loads nothing.

    Raises:
        As `resolve_base`; UnsupportedArchitecture for what neither computes.
    """
    path, commit = locate_base(str(name_or_dir), revision)
    if is_ours(path):
        return resolve_base(name_or_dir, revision)
    return hf_base(path, name=str(name_or_dir), revision=commit)


def hf_base(path: Path, *, name: str | None = None, revision: str | None = None) -> HFBase:
    """The base in a directory, for transformers whatever it is.

    Raises:
        BadCheckpoint: config.json or the weights cannot be read.
        UnsupportedArchitecture: it is no causal language model of the installed transformers.
    """
    args = read_hf_arguments(read_hf_config(path))
    return HFBase(
        path=path,
        args=args,
        digest=hf_digest(path),
        tokenizer_path=path if holds_tokenizer(path) else None,
        name=name or str(path),
        revision=revision,
    )


def hf_digest(path: Path) -> str:
    """Identity of such a base: sha256, in hex, over config.json and the tensors as they are stored.

    A tensor counts as it does in `base_digest`.
    """
    source = TensorSource(path)
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    kept = {field: value for field, value in config.items() if field not in _NOT_IN_DIGEST}
    told = json.dumps([kept, content_digests(source)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()
