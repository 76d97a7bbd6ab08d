# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest
from dpo_registry import fill

from node0.finetune.registry.store import ModelRegistry
from node0.store.engine import open_store


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    registry = ModelRegistry(open_store(str(tmp_path / "store.sqlite")))
    fill(registry)
    yield registry
    registry.close()
