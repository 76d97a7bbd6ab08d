# SPDX-License-Identifier: Apache-2.0
"""Read a base's tensors with adapters added, one at a time."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.peft import PeftAdapter, read_peft
from node0.models.base_model import BaseModelDir
from node0.models.digest import tensor_shapes
from node0.models.weights import TensorSource

_NARROW = {"F16": torch.float16, "BF16": torch.bfloat16}


class MergedWeights:
    """What a base and its adapters make together.

    Raises:
        NotFound: no such adapter.
        BadCheckpoint: an adapter is of another base, or has a layer that the base has not.
    """

    def __init__(self, base: BaseModelDir, adapters: Sequence[Path] = ()) -> None:
        self.base, self.args = base, base.args
        self.adapters = [read_peft(directory, base_digest=base.digest) for directory in adapters]
        for directory, adapter in zip(adapters, self.adapters, strict=True):
            self._check(adapter, directory)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by our name; a tied head is not one."""
        return tensor_shapes(self.args)

    @property
    def stored(self) -> torch.dtype:
        """Type in which the base's matrices are stored; float32 where they are wider."""
        stored = self._source.require("tok_embeddings.weight", self.shapes["tok_embeddings.weight"])
        return _NARROW.get(self._source.headers[stored]["dtype"], torch.float32)

    def read(self, name: str, shape: torch.Size | None = None) -> Tensor:
        """One tensor, float32, with the adapters' parts added in float32. A tied head is the embedding."""
        stored = "tok_embeddings.weight" if self._is_tied(name) else name
        value = self._source.read(stored, shape or torch.Size(self.shapes[stored])).float()
        for adapter in self.adapters:
            value = with_adapter(value, stored.removesuffix(".weight"), adapter)
        return value

    @cached_property
    def _source(self) -> TensorSource:
        return TensorSource(self.base.path)

    def _is_tied(self, name: str) -> bool:
        return name == "output.weight" and self.args.tie_embeddings

    def _check(self, adapter: PeftAdapter, directory: Path) -> None:
        for name, value in adapter.tensors.items():
            layer, _, matrix = name.removesuffix(".weight").rpartition(".lora_")
            shape = self.shapes.get(f"{layer}.weight")
            side = None if shape is None else shape[1] if matrix == "A" else shape[0]
            if side != value.shape[1 if matrix == "A" else 0]:
                raise BadCheckpoint(
                    f"{directory}: the base has no layer for {name}; the adapter is of another base"
                )


def with_adapter(value: Tensor, layer: str, adapter: PeftAdapter) -> Tensor:
    """The weight of `layer`, float32, with the adapter's part added where it has one."""
    lora_a = adapter.tensors.get(f"{layer}.lora_A.weight")
    if lora_a is None:
        return value
    delta = adapter.tensors[f"{layer}.lora_B.weight"].float() @ lora_a.float()
    return value + adapter.config.alpha / adapter.config.rank * delta
