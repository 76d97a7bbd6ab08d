# SPDX-License-Identifier: Apache-2.0
"""Read a GGUF file back: its metadata, and its tensors as our blocks hold them."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, ReaderTensor
from torch import Tensor

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf.numbers import decode
from node0.finetune.checkpoint.gguf.tensor_layout import from_gguf_rows, gguf_name
from node0.models.llama.arguments import LlamaArguments


class GgufFile:
    """What is in a file; tensors are read on demand.

    Raises:
        ExportFailed: it is no whole GGUF file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._reader = GGUFReader(path)
        except (OSError, ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
            raise ExportFailed(f"{path} is no whole GGUF file ({error}); export it again") from error

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Every field by its key."""
        return {
            key: field.contents() for key, field in self._reader.fields.items() if not key.startswith("GGUF.")
        }

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by llama.cpp's name, its shape in our order: rows first."""
        return {name: tuple(int(side) for side in each.shape[::-1]) for name, each in self._tensors.items()}

    def values(self, name: str) -> Tensor:
        """A tensor by llama.cpp's name, float32, its rows as they lie in the file."""
        stored = self._tensors.get(name)
        if stored is None:
            raise ExportFailed(f"{self.path} has no tensor {name}; export it again")
        return decode(stored.data, stored.tensor_type).reshape(self.shapes[name])

    def kind(self, name: str) -> str:
        """The type in which a tensor is stored, such as F16."""
        return str(self._tensors[name].tensor_type.name)

    def weight(self, name: str, shape: torch.Size, *, args: LlamaArguments) -> Tensor:
        """A tensor by our name, float32, as a stage of our blocks asks for it; a tied head is the embedding.

        Raises:
            ExportFailed: it is absent, or of another shape.
        """
        stored = "tok_embeddings.weight" if name == "output.weight" and args.tie_embeddings else name
        value = self.values(gguf_name(stored))
        if value.shape != shape:
            raise ExportFailed(f"{self.path}: {name} has shape {tuple(value.shape)}, not {tuple(shape)}")
        return from_gguf_rows(stored, value, args)

    @cached_property
    def _tensors(self) -> dict[str, ReaderTensor]:
        return {each.name: each for each in self._reader.tensors}
