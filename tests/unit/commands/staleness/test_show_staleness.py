# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from deploy_town import registry, town

from node0.commands.model.model_options import main as model
from node0.commands.staleness.staleness_options import main
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["registry", "town"]

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(town: Town, registry: ModelRegistry, tmp_path: Path) -> list[str]:
    """Options: of a town with `new:1`, registered by the command, beside versions without a record."""
    (town.root / "CLAUDE.md").write_text("one\n")
    made = tmp_path / "new"
    made.mkdir()
    (made / "adapter_model.safetensors").write_bytes(b"weights")
    (made / "adapter_config.json").write_text("{}")
    at = ["--town", str(town.root)]
    assert model(["register", str(made), "--name", "new", "--role", "deacon", *at]) == 0
    registry.add_evaluation("new:1", Evaluation(suite="held-out", items=100, score=0.95, low=0.9))
    registry.close()
    return at


def test_the_newest_of_each_name_is_listed(at: list[str], capsys: Output) -> None:
    capsys.readouterr()
    assert main([*at, "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["composite"], row["stale"]) for row in rows] == [
        ("deacon:3", None, False),
        ("new:1", 0.0, False),
    ]


def test_a_stale_version_ends_with_the_gate_s_code_and_is_not_deployed(
    at: list[str], town: Town, capsys: Output
) -> None:
    (town.root / "CLAUDE.md").write_text("two\n")

    assert main(["new", *at]) == 3
    assert "above 0.20: new:1; collect, train and register again" in capsys.readouterr().err
    assert model(["deploy", "new", *at]) == 3
    assert "new:1 is stale: 0.50 (CLAUDE.md=1.00, formulas=0.00, config=0.00) is above 0.20" in (
        capsys.readouterr().err
    )
    assert model(["show", "new", *at]) == 0
    assert "0.50 (CLAUDE.md=1.00" in capsys.readouterr().out


def test_the_town_s_own_limit_counts(at: list[str], town: Town) -> None:
    (town.root / "CLAUDE.md").write_text("two\n")
    town.model_settings_file.write_text("staleness:\n  limit: 0.6\n")

    assert main(["new", *at]) == 0


def test_an_empty_registry_says_what_to_do(tmp_path: Path, capsys: Output) -> None:
    assert main(["--town", str(tmp_path)]) == 0
    assert "no model is registered here" in capsys.readouterr().err
