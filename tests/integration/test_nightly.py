# SPDX-License-Identifier: Apache-2.0
"""A real night: a version is trained and replayed; without a server it waits, with one the gate decides."""

import json
from pathlib import Path

import pytest
import yaml
from integration.served_process import serving
from tiny_run import make_base, make_corpus, settings

from node0.commands.town import run_nightly
from node0.commands.town.town_options import main
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.town import Town

pytestmark = pytest.mark.integration


@pytest.fixture
def town(town_root: Path, tmp_path: Path) -> Town:
    """A town with a dozen sessions, a base, and a gate that asks for what was held out."""
    town = Town(town_root)
    base = make_base(tmp_path)
    make_corpus(town.corpus)
    ours = ("role", "corpus_path", "checkpoint_dir", "base_model")
    run = {name: value for name, value in settings(tmp_path).items() if name not in ours}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    town.models.mkdir()
    blocks = {
        "town": {"base_model": str(base), "roles": ["deacon"], "timer": False},
        "nightly": {"first_sessions": 12, "epochs": 1, "config": str(tmp_path / "run.yaml")},
        "gate": {"suites": {"deacon": {"replay": 0.9}}},
    }
    town.model_settings_file.write_text(yaml.safe_dump(blocks))
    return town


def night(town: Town, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["nightly", "--town", str(town.root), "--json", *more]) == 0
    return [row for row in json.loads(capsys.readouterr().out) if row["role"] == "deacon"]


def test_a_night_trains_and_evaluates_and_puts_nothing_before_the_gate_without_a_server(
    town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [row["step"] for row in night(town, capsys, "--dry-run")] == ["train"]

    rows = night(town, capsys)

    assert [(row["step"], row["code"]) for row in rows] == [("train", 0), ("evaluate", 0), ("wait", 0)]
    assert "deacon:1 is not put to work" in str(rows[2]["why"])
    registry = ModelRegistry(town)
    entry = registry.require("deacon")
    assert entry.spelled == "deacon:1" and RunDirectory(Path(entry.artifact_path)).has_tokenizer
    assert [one.suite for one in registry.evaluations(entry)] == ["replay"]
    registry.close()
    assert town.read_settings().get("role_agents", {}).get("deacon") is None
    assert [row["step"] for row in night(town, capsys, "--dry-run")] == ["wait"]

    with serving("--model", "deacon:1", "--town", town.root) as served:
        # A server of ours has its usual port, where another one may be at work here.
        monkeypatch.setattr(run_nightly, "_serving", lambda *_: (Endpoint(url=served.url), ()))
        rows = night(town, capsys)
        assert [(row["step"], row["code"]) for row in rows] == [("deploy", 3)]
        assert "null model" in str(rows[0]["result"]) and "--force-deploy" in str(rows[0]["result"])
        assert town.read_settings().get("role_agents", {}).get("deacon") is None
        assert "the gate refused deacon:1" in str(night(town, capsys, "--dry-run")[0]["why"])
