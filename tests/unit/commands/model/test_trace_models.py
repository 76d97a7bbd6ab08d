# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0.commands.model.model_options import main
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.town import Town


def _json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def trained(town: Path, tmp_path: Path) -> list[str]:
    """Versions of entries a and b, of b and held-out c, and one that says nothing; the town's option."""
    registry = ModelRegistry(Town(town))
    splits = {"one": {"a": "train", "b": "train"}, "two": {"b": "train", "c": "val"}}
    for name, uses in splits.items():
        run = RunDirectory(tmp_path / name)
        run.root.mkdir()
        (run.root / "adapter_model.safetensors").write_text(name)
        (run.root / "adapter_config.json").write_text("{}")
        run.write_entries([EntryUse(one, one * 64, "x", split) for one, split in uses.items()], {"b": 3})
        publish(registry, run.root, name="dm", role="deacon", models=Town(town).models)
    child = ModelRegistryEntry(name="child", role="deacon", artifact_path="/x", parent="dm:2")
    registry.register(child)
    registry.close()
    return ["--town", str(town)]


def test_a_lineage_leads_back_to_the_first_version(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "child", *trained]) == 0
    first, second = (line.split("│") for line in capsys.readouterr().out.splitlines() if ":" in line)

    assert (first[1].strip(), second[1].strip()) == ("child:1", "dm:2")
    assert [cell.strip() for cell in second[4:6]] == ["1", "1"]


def test_a_lineage_as_json_says_what_was_made_of_what(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "child", "--json", *trained]) == 0

    child, parent = _json(capsys)
    assert (child["model"], child["parent"], child["entries"]) == ("child:1", "dm:2", [])
    assert [(row["entry_id"], row["split"]) for row in parent["entries"]] == [("b", "train"), ("c", "val")]
    assert parent["entries_sha256"]
    assert parent["evaluations"] == parent["deployments"] == []
    assert {"base_digest", "corpus_hash", "scrub_version", "code_version", "training_config"} <= set(parent)


def test_versions_that_saw_an_entry_are_named_and_what_must_be_retrained(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "--entry", "b", "--json", *trained]) == 0
    rows = _json(capsys)
    assert main(["lineage", "--entry", "b", *trained]) == 0
    told = capsys.readouterr()

    assert {row["model"]: row["split"] for row in rows} == {
        "child:1": "inherited",
        "dm:1": "train",
        "dm:2": "train",
    }
    assert [row["times_seen"] for row in rows if row["split"] == "train"] == [3, 3]
    assert "retrain: child:1, dm:1, dm:2" in told.err


def test_what_was_only_held_out_needs_no_new_training(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "--entry", "c", *trained]) == 0

    assert "no registered version was trained on it" in capsys.readouterr().err


def test_an_ml_bom_goes_to_stdout_or_a_file(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bom", "dm:1", *trained]) == 0
    printed = _json(capsys)
    assert main(["bom", "dm:1", "--output", str(tmp_path / "bom.json"), *trained]) == 0

    assert printed["bomFormat"] == "CycloneDX"
    assert json.loads((tmp_path / "bom.json").read_text()) == printed


def test_there_is_no_ml_bom_of_files_that_changed(
    trained: list[str], town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Path(ModelRegistry(Town(town)).require("dm:1").artifact_path)
    (files / "adapter_model.safetensors").write_bytes(b"One")

    assert main(["bom", "dm:1", *trained]) == 1

    told = capsys.readouterr()
    assert told.out == ""
    assert "adapter_model.safetensors" in told.err
