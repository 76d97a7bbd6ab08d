# SPDX-License-Identifier: Apache-2.0
"""Opens the registry of a town for one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@contextmanager
def open_registry(root: Path | None, *, create: bool = False) -> Iterator[tuple[ModelRegistry, Town]]:
    """The registry and its town. Without `create` a registry that is not there reads as an empty one."""
    town = Town.locate(root)
    registry = ModelRegistry(town, create=create)
    try:
        yield registry, town
    finally:
        registry.close()
