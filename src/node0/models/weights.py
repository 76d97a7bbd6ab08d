# SPDX-License-Identifier: Apache-2.0
"""Read and write the tensors of a Hugging Face directory: names, checks, lazy reading."""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from node0.documents.json_document import object_of, read_object
from node0.errors import BadCheckpoint
from node0.files import whole_path
from node0.model_files import WEIGHTS_INDEX

HF_LINEAR = {
    "wq": "self_attn.q_proj",
    "wk": "self_attn.k_proj",
    "wv": "self_attn.v_proj",
    "wo": "self_attn.o_proj",
    "w1": "mlp.gate_proj",
    "w2": "mlp.down_proj",
    "w3": "mlp.up_proj",
}
"Our linear layers (Meta's names) and those of Hugging Face."

WHOLE = "model."
"What paths begin with in a stage that holds a model of Hugging Face as it is."

_HF_OTHER = {
    "attention.q_norm": "self_attn.q_norm",
    "attention.k_norm": "self_attn.k_norm",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_HF_TOP = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = re.compile(r"model\.layers\.(\d+)\.")
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "consolidated*.pth")
_HEADER_LIMIT = 100_000_000
_DTYPES = {"F64", "F32", "F16", "BF16"}


class TensorSource:
    """The safetensors files of one directory, seen as one set of tensors. Contents are read on demand."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.headers: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Path] = {}
        for path in _weight_files(directory):
            for name, entry in read_header(path).items():
                self.headers[name], self.files[name] = entry, path

    def require_layers(self, count: int) -> None:
        """Refuse a layer count that the files do not hold, before anything of that size is made.

        Raises:
            BadCheckpoint: the headers name fewer layers.
        """
        found = {match[1] for name in self.headers if (match := _LAYER.match(name))}
        if count > len(found):
            raise BadCheckpoint(
                f"{self.directory}: config.json says {count} layers and the files have {len(found)}; "
                "the two do not belong together"
            )

    def read(self, name: str, shape: torch.Size, *, tied: bool = False) -> Tensor:
        """One tensor by our name, in the type of the file.

        Raises:
            BadCheckpoint: it is absent, or has another shape or a type that is not a plain float.
        """
        stored = self.require(name, tuple(shape), tied=tied)
        path = self.files[stored]
        try:
            with safe_open(path, framework="pt") as file:
                return file.get_tensor(stored)  # type: ignore[no-any-return]  # safe_open is untyped
        except (SafetensorError, OSError) as error:
            raise BadCheckpoint(
                f"{path}: tensor {stored} cannot be read ({error}); copy the file again"
            ) from error

    def require(self, name: str, shape: tuple[int, ...], *, tied: bool = False) -> str:
        """The name under which the file stores our tensor, after checking its header."""
        stored = hf_name(name)
        if name == "output.weight" and tied:
            stored = hf_name("tok_embeddings.weight")
        entry = self.headers.get(stored)
        if entry is None:
            raise BadCheckpoint(f"{self.directory} has no tensor {stored}; download or export the base again")
        if entry["dtype"] not in _DTYPES:
            raise BadCheckpoint(
                f"{self.files[stored]}: tensor {stored} is {entry['dtype']}; "
                "quantized bases are not supported, take the original in bf16 or fp32"
            )
        if tuple(entry["shape"]) != shape:
            got = tuple(entry["shape"])
            raise BadCheckpoint(
                f"tensor {stored} has shape {got}, config.json says {shape}; the two do not belong together"
            )
        return stored


def hf_name(name: str) -> str:
    """Our tensor name as Hugging Face spells it."""
    if name in _HF_TOP:
        return _HF_TOP[name]
    match = re.fullmatch(r"layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if match is None:
        raise BadCheckpoint(f"no Hugging Face name for tensor {name}")
    index, module, leaf = match.groups()
    inner = HF_LINEAR.get(module.rpartition(".")[2]) or _HF_OTHER[module]
    return f"model.layers.{index}.{inner}.{leaf}"


def hf_module(path: str) -> str:
    """A linear layer's path on a stage (ours is `layers.3.attention.wq`) as Hugging Face spells it."""
    if path.startswith(WHOLE):
        return path.removeprefix(WHOLE)
    return hf_name(f"{path}.weight").removesuffix(".weight")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file that is whole or absent; its directory is made."""
    on_host = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    with whole_path(path) as beside:
        save_file(on_host, beside, metadata=dict(metadata))


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """The table of contents of a safetensors file: name to dtype, shape, offsets (from the file's start).

    Raises:
        BadCheckpoint: the file is not a whole safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _HEADER_LIMIT):
                raise ValueError(f"header of {length} bytes")
            table: dict[str, dict[str, Any]] = object_of(file.read(length))
        table.pop("__metadata__", None)
        base = 8 + length
        for entry in table.values():
            start, end = entry["data_offsets"]
            entry["data_offsets"] = (base + start, base + end)
        needed = max((entry["data_offsets"][1] for entry in table.values()), default=base)
        if needed == size:
            with safe_open(path, framework="pt"):
                pass  # what the format wants of every entry is its library's to know
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, SafetensorError) as error:
        raise BadCheckpoint(f"{path} is not a safetensors file ({error}); copy it again") from error
    if needed != size:
        raise BadCheckpoint(
            f"{path} has {size} bytes, its header says {needed}; the copy is not whole, copy it again"
        )
    return table


def _weight_files(directory: Path) -> list[Path]:
    index = directory / WEIGHTS_INDEX
    if index.is_file():
        try:
            # Only names: an index must not point outside its directory.
            names = sorted({Path(name).name for name in read_object(index)["weight_map"].values()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadCheckpoint(f"{index} cannot be read ({error}); download the base again") from error
        files = [directory / name for name in names]
    else:
        files = sorted(directory.glob("model*.safetensors"))
    # A name from an index may be none that a file can have.
    there = {path.name for path in directory.iterdir() if path.is_file()}
    absent = [path.name for path in files if path.name not in there]
    if absent:
        raise BadCheckpoint(
            f"{directory} has no file {absent[0]} that its index names; download the base again"
        )
    if not files:
        raise BadCheckpoint(_no_weights(directory))
    return files


def _no_weights(directory: Path) -> str:
    pickles = sorted(path.name for pattern in _PICKLES for path in directory.glob(pattern))
    if pickles:
        return f"{directory}/{pickles[0]} is pickle, which can run code when read; convert it to safetensors"
    return f"{directory} has no model.safetensors; name a directory that holds a base"
