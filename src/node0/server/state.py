# SPDX-License-Identifier: Apache-2.0
"""What a stage has learned, and where its optimizer stands, as safetensors.

Tensors carry their names in the whole model, so any split reads what any other split wrote.
A file holds `weight:NAME` and `OPTIMIZER_FIELD:NAME` for each trained tensor.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from node0.errors import BadCheckpoint

PATTERN = "state-*.safetensors"


def write_state(path: Path, tensors: Mapping[str, Tensor], *, version: int) -> None:
    """Write one stage's tensors. The file is whole or absent. Same state, same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    whole = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    # One entry only: the order of several differs from file to file.
    save_file(whole, beside, metadata={"version": str(version)})
    beside.replace(path)


class StateReader:
    """The state files of all stages of a run, read by tensor name. Use as a context manager."""

    def __init__(self, directory: Path) -> None:
        """Open what `write_state` left in `directory`.

        Raises:
            BadCheckpoint: there is none, a file cannot be read, or the files are of different versions.
        """
        self._directory = directory
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        versions: set[int] = set()
        try:
            for path in sorted(directory.glob(PATTERN)):
                file = self._stack.enter_context(safe_open(path, framework="pt"))
                self._files.update(dict.fromkeys(file.keys(), file))
                versions.add(int(file.metadata()["version"]))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            self._stack.close()
            raise BadCheckpoint(
                f"cannot read training state in {directory}: {error}; use another step"
            ) from None
        if len(versions) != 1:
            self._stack.close()
            found = f"versions {sorted(versions)}" if versions else "no state"
            raise BadCheckpoint(f"{directory} holds {found}, one is needed; use another step")
        self.version = versions.pop()

    def __enter__(self) -> "StateReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, field: str, name: str, like: Tensor) -> Tensor:
        """The tensor `field:name`, whose shape must be that of `like`.

        Raises:
            BadCheckpoint: it is absent or of another shape.
        """
        key = f"{field}:{name}"
        if key not in self._files:
            raise BadCheckpoint(
                f"training state in {self._directory} lacks {key}; it is of another model or adapter"
            )
        tensor: Tensor = self._files[key].get_tensor(key)
        if tensor.shape != like.shape:
            raise BadCheckpoint(
                f"training state {key} has shape {tuple(tensor.shape)}, the model needs {tuple(like.shape)}; "
                "use the run's own base and adapter"
            )
        return tensor

    def has(self, field: str, name: str) -> bool:
        """Whether the tensor `field:name` was written."""
        return f"{field}:{name}" in self._files
