# SPDX-License-Identifier: Apache-2.0
"""A trained run, registered and asked: what was trained is what is asked, and nothing else is loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_run import configure, make_base, make_corpus

from node0.commands.model import model_options as run_model
from node0.errors import BadCheckpoint
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.inference.loading import load_model
from node0.finetune.training.run import train

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town with a finished adapter run and a finished run of all weights, both registered."""
    root = tmp_path_factory.mktemp("town")
    (root / "mayor").mkdir()
    (root / "mayor" / "town.json").write_text("{}")
    make_base(root)
    make_corpus(root / "corpus")
    train(configure(root), {})
    train(configure(root, checkpoint_dir=str(root / "full"), lora=None), {})
    for directory, name in (("run", "adapted"), ("full", "whole")):
        arguments = ["register", str(root / directory), "--name", name, "--town", str(root)]
        assert run_model.main(arguments) == 0
    return root


@pytest.mark.parametrize("name", ["adapted", "whole"])
def test_a_registered_run_answers_as_its_directory_does(place: Path, name: str) -> None:
    directory = {"adapted": "run", "whole": "full"}[name]
    by_name = load_model(name, town=place)
    by_directory = load_model(str(place / directory))

    prompt = by_name.encode_chat("Look at rust.")

    assert by_name.role == by_directory.role == "deacon"
    assert prompt == by_directory.encode_chat("Look at rust.")
    assert by_name.base_digest == by_directory.base_digest or name == "whole"
    answers = [list(model.generator().generate(prompt, 20, 0.0)) for model in (by_name, by_directory)]
    assert answers[0] == answers[1]
    assert answers[0] != list(load_model(str(place / "base")).generator().generate(prompt, 20, 0.0))


def test_the_prompt_is_the_one_of_the_profile_of_the_training(place: Path) -> None:
    loaded = load_model("adapted", town=place)
    assert loaded.tokenizer is not None
    profile = load_profile("deacon", place / "profile.yaml")
    request = {
        "system": "",
        "tools": profile.tool_list(),
        "messages": [{"role": "user", "content": "Look at rust."}],
    }

    expected = Renderer(loaded.tokenizer, profile).prompt_ids(request)  # type: ignore[arg-type]  # a request as JSON has it

    assert loaded.encode_chat("Look at rust.") == expected
    assert "You patrol." in loaded.decode(expected)


def test_the_weights_are_the_base_and_the_trained_change(place: Path) -> None:
    loaded = load_model("adapted", town=place, dtype="float32").pipeline.stages[0]
    base = load_model(str(place / "base"), dtype="float32").pipeline.stages[0]
    trained = {"wqkv", "w13", "w2"}

    for name, weight in base.named_parameters():
        same = torch.equal(weight, loaded.get_parameter(name))
        assert same == (name.split(".")[-2] not in trained), name


def test_the_registry_row_holds_the_lineage_of_the_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_model.main(["show", "adapted", "--json", "--town", str(place)])
    (row,) = json.loads(capsys.readouterr().out)
    manifest = json.loads((place / "run" / "MANIFEST.json").read_text())

    assert row["corpus_hash"] == manifest["corpus_hash"] != ""
    assert row["base_digest"] == manifest["base_digest"] != ""
    assert row["entries_sha256"] == manifest["files"]["entries.jsonl"]["sha256"]
    assert row["training_config"]["lora"]["rank"] == 4
    assert Path(row["base_model"]) == place / "base"
    assert {file["path"] for file in row["artefacts"]} >= {"MANIFEST.json", "README.md", "profile.yaml"}
    assert not any(file["path"].startswith(("training_state", "checkpoints")) for file in row["artefacts"])


def test_an_edited_run_is_refused(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(place / "run", copy)
    weights = bytearray((copy / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "adapter_model.safetensors").write_bytes(weights)

    with pytest.raises(BadCheckpoint, match=r"adapter_model\.safetensors does not have the recorded sha256"):
        load_model(str(copy))
