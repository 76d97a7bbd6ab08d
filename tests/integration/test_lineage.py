# SPDX-License-Identifier: Apache-2.0
"""An entry that is retracted after two real runs: which versions saw it, and what must be trained again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tiny_run import configure, make_base, make_corpus

from node0 import run_corpus
from node0.commands.model import model_options as run_model
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.run import train

pytestmark = pytest.mark.integration

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Registered runs of five sessions and of the first three, and one that goes on from the first run."""
    root = tmp_path_factory.mktemp("town")
    (root / "mayor").mkdir()
    (root / "mayor" / "town.json").write_text("{}")
    make_base(root)
    corpora = {"all": make_corpus(root / ".corpus", sessions=5), "few": make_corpus(root / "few", sessions=3)}
    train(configure(root, corpus_path=str(corpora["all"]), max_steps=2), {})
    few = {"corpus_path": str(corpora["few"]), "max_steps": 1}
    train(configure(root, checkpoint_dir=str(root / "first-three"), **few), {})
    going_on = {"checkpoint_dir": str(root / "on"), "init_adapter": str(root / "run"), **few}
    train(configure(root, **going_on), {})
    for directory, name in (("run", "all"), ("first-three", "few"), ("on", "on")):
        arguments = ["register", str(root / directory), "--name", name, "--town", str(root)]
        assert run_model.main(arguments) == 0
    return root


@pytest.fixture
def ask(town: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """What a command prints as JSON, or what it says to a person."""

    def asked(tool: Callable[[list[str]], int], *arguments: str, as_json: bool = True) -> Any:
        capsys.readouterr()
        extra = ["--json"] if as_json else []
        assert tool([*arguments, *extra, "--town", str(town)]) == 0
        told = capsys.readouterr()
        return json.loads(told.out) if as_json else told.err

    return asked


def _split(town: Path, directory: str, split: str) -> list[str]:
    return [row["id"] for row in RunDirectory(town / directory).entries() if row["split"] == split]


def test_a_retracted_entry_names_the_versions_to_be_trained_again(town: Path, ask: Ask) -> None:
    first_three = {*_split(town, "first-three", "train"), *_split(town, "first-three", "val")}
    entry = next(one for one in _split(town, "run", "train") if one not in first_three)
    before = ask(run_model.main, "lineage", "--retracted")

    ask(run_corpus.main, "retract", entry, "--reason", "a person asked", "--delete")
    rows = ask(run_model.main, "lineage", "--retracted")
    said = ask(run_model.main, "lineage", "--retracted", as_json=False)
    by_id = ask(run_model.main, "lineage", "--entry", entry)
    ask(run_corpus.main, "retract", entry, "--undo")

    assert before == []
    assert {(row["model"], row["entry_id"], row["split"]) for row in rows} == {
        ("all:1", entry, "train"),
        ("on:1", entry, "inherited"),
    }
    assert rows == by_id
    assert "retrain: all:1, on:1\n" in said
    assert ask(run_model.main, "lineage", "--retracted") == []


def test_an_entry_names_every_version_that_saw_it_and_a_version_its_entries(town: Path, ask: Ask) -> None:
    (shared, *_) = set(_split(town, "first-three", "train")) & set(_split(town, "run", "train"))

    rows = ask(run_model.main, "lineage", "--entry", shared)
    child, parent = ask(run_model.main, "lineage", "on")

    assert {row["model"] for row in rows if row["split"] == "train"} >= {"all:1", "few:1"}
    assert (child["model"], child["parent"], parent["model"]) == ("on:1", "all:1", "all:1")
    assert [row["entry_id"] for row in parent["entries"] if row["split"] == "train"] == _split(
        town, "run", "train"
    )
    assert parent["base_digest"] and parent["corpus_hash"] and parent["scrub_version"] == "1"
    assert parent["code_version"] and parent["training_config"]["lora"]["rank"] == 4


def test_the_bill_of_materials_of_a_real_run_is_cyclonedx(
    town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_model.main(["bom", "on", "--town", str(town)]) == 0
    bom = capsys.readouterr().out

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None
    assert json.loads(bom)["metadata"]["component"]["name"] == "on"
