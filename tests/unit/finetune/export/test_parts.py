# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_export import adapter_directory, base_directory, source_of

from node0.errors import ConfigError, NotFound
from node0.finetune.export.parts import ModelParts


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    source = source_of(base_directory(tmp_path / "base"), tmp_path / "absent", role="deacon")

    parts = ModelParts(source)

    assert parts.context == 512
    assert len(parts.prompts) == 2
    with pytest.raises(NotFound, match="no adapter in"):
        _ = parts.weights


def test_the_context_is_the_least_of_profile_model_and_window(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base", "mistral")
    profile = tmp_path / "profile.yaml"
    profile.write_text("role: deacon\ncontext_window: 64\n")

    assert ModelParts(source_of(base)).context == 48
    assert ModelParts(source_of(base_directory(tmp_path / "wide"))).context == 512
    narrow = replace(source_of(base_directory(tmp_path / "b"), role="deacon"), profile=profile)
    assert ModelParts(narrow).context == 64


def test_two_adapters_are_not_one(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    adapter = adapter_directory(tmp_path / "adapter", base)

    assert ModelParts(source_of(base, adapter)).adapter.config.rank == 4
    with pytest.raises(ConfigError, match="has 2 adapters, this format holds one; export it as merged"):
        _ = ModelParts(source_of(base, adapter, adapter)).adapter
