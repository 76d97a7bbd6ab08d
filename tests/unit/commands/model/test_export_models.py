# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_run import make_base

from node0.commands.model.model_options import main
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path / "town")
    town.root.mkdir()
    publish(ModelRegistry(town), make_base(tmp_path), name="whole", role="deacon", models=town.models)
    return town


def test_a_version_is_written_and_said_how_near_it_is(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "merged"

    code = main(["export", "whole", str(output), "--format", "merged", "--json", "--town", str(town.root)])

    assert code == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["path"] == str(output)
    assert row["largest_logit_error"] < 1e-4
    assert (output / "config.json").is_file()


def test_an_unknown_format_is_refused_with_the_nearest(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["export", "whole", str(tmp_path / "x"), "--format", "ggfu", "--town", str(town.root)])

    assert code == 1
    assert "did you mean 'gguf'" in capsys.readouterr().err


def test_a_flipped_byte_is_refused_by_the_files_name_and_nothing_is_written(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights,) = (town.models / "whole").rglob("model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    code = main(["export", "whole", str(tmp_path / "x"), "--format", "merged", "--town", str(town.root)])

    assert code == 1
    assert "model.safetensors does not have the recorded sha256" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
