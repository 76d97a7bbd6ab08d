# SPDX-License-Identifier: Apache-2.0
"""A stage's trained weights and optimizer state as safetensors.

Tensors carry their names in the whole model, so any split reads what any other split wrote.
A file holds `weight:NAME` and `OPTIMIZER_FIELD:NAME` for each trained tensor.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import Tensor

from node0.errors import BadCheckpoint
from node0.files import whole_path

PATTERN = "state-*.safetensors"


def write_state(path: Path, tensors: Mapping[str, Tensor], *, version: int) -> None:
    """Write one stage's tensors. The file is whole or absent. Same state, same bytes."""
    with whole_path(path) as beside:
        save_file(_on_host(tensors), beside, metadata=_metadata(version))


def write_state_bytes(path: Path, data: bytes) -> None:
    """Write what `state_bytes` made. The file is whole or absent."""
    with whole_path(path) as beside:
        beside.write_bytes(data)


def state_bytes(tensors: Mapping[str, Tensor], *, version: int) -> bytes:
    """The bytes of the file that `write_state` writes."""
    return save(_on_host(tensors), metadata=_metadata(version))


def state_digest(data: bytes) -> str:
    """The sha256, in hex, by which two holders of a state compare it."""
    return hashlib.sha256(data).hexdigest()


class _Tensors(Protocol):
    """One file of the format, open."""

    def keys(self) -> list[str]: ...

    def metadata(self) -> dict[str, str]: ...

    def get_tensor(self, name: str) -> Tensor: ...


class StateReader:
    """The state of all stages of a run, read by tensor name. Use as a context manager."""

    def __init__(self, source: Path | bytes) -> None:
        """Open what `write_state` left in a directory, or what `state_bytes` made.

        Raises:
            BadCheckpoint: there is none, it cannot be read, or its files are of different versions.
        """
        self._where = f"these {len(source)} bytes" if isinstance(source, bytes) else str(source)
        self._stack = ExitStack()
        self._files: dict[str, _Tensors] = {}
        self._versions: set[int] = set()
        try:
            if isinstance(source, bytes):
                self._add(_InMemory(source))
            else:
                for path in sorted(source.glob(PATTERN)):
                    self._add(self._stack.enter_context(safe_open(path, framework="pt")))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            self._stack.close()
            raise BadCheckpoint(
                f"cannot read training state in {self._where}: {error}; use another step"
            ) from None
        if len(self._versions) != 1:
            self._stack.close()
            found = f"versions {sorted(self._versions)}" if self._versions else "no state"
            raise BadCheckpoint(f"{self._where} holds {found}, one is needed; use another step")
        self.version = self._versions.pop()

    def __enter__(self) -> "StateReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, field: str, name: str, like: Tensor) -> Tensor:
        """The tensor `field:name`, whose shape must be that of `like`.

        Raises:
            BadCheckpoint: it is absent, or of another shape or type.
        """
        key = f"{field}:{name}"
        if key not in self._files:
            raise BadCheckpoint(
                f"training state in {self._where} lacks {key}; it is of another model or adapter"
            )
        tensor = self._files[key].get_tensor(key)
        if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            raise BadCheckpoint(
                f"training state {key} has shape {tuple(tensor.shape)} of {tensor.dtype}, the model needs "
                f"{tuple(like.shape)} of {like.dtype}; use the run's own base and adapter"
            )
        return tensor

    def part(self, names: Collection[str]) -> bytes:
        """The state of these weights alone, as `state_bytes` makes it.

        Raises:
            BadCheckpoint: one is absent.
        """
        tensors = {
            key: file.get_tensor(key) for key, file in self._files.items() if key.partition(":")[2] in names
        }
        for name in names:
            if f"weight:{name}" not in tensors:
                raise BadCheckpoint(
                    f"training state in {self._where} lacks {name}; it is of another model or adapter"
                )
        return state_bytes(tensors, version=self.version)

    def has(self, field: str, name: str) -> bool:
        """Whether the tensor `field:name` was written."""
        return f"{field}:{name}" in self._files

    def _add(self, file: _Tensors) -> None:
        self._files.update(dict.fromkeys(file.keys(), file))
        self._versions.add(int(file.metadata()["version"]))


class _InMemory:
    """A file of the format that was never on a disk."""

    def __init__(self, data: bytes) -> None:
        self._tensors = load(data)
        # The library drops the metadata of bytes.
        self._metadata: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])[
            "__metadata__"
        ]

    def keys(self) -> list[str]:
        return list(self._tensors)

    def metadata(self) -> dict[str, str]:
        return self._metadata

    def get_tensor(self, name: str) -> Tensor:
        return self._tensors[name]


def _on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}


def _metadata(version: int) -> dict[str, str]:
    # One entry only: the order of several differs from file to file.
    return {"version": str(version)}
