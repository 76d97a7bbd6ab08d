# SPDX-License-Identifier: Apache-2.0
import json
import stat
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.files import write_atomically
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import build_engine
from node0.finetune.training.output.finish import draw, export
from node0.finetune.training.output.resume import TrainerState
from node0.finetune.training.plan.run_plan import make_plan

RUN = {"MANIFEST.json", "README.md", "loss.png", "profile.yaml", "tokenizer.json", "chat_template.jinja"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finish")
    make_base(place)
    make_corpus(place / "corpus")
    return place


def finished(place: Path, **changes: object) -> RunDirectory:
    plan = make_plan(configure(place, **changes))
    run = RunDirectory(plan.config.checkpoint_dir)
    run.make()
    write_atomically(run.metrics_file, '{"step": 0, "val_loss": 3.0}\n{"step": 6, "loss": 2.0}\n')
    export(plan, build_engine(plan), TrainerState(step=6, tokens=9), exported_step=6, val_loss=2.5)
    return run


def test_an_adapter_names_its_base_and_all_that_belongs_to_it_is_in_the_manifest(place: Path) -> None:
    run = finished(place, checkpoint_dir=str(place / "adapter"))

    manifest = run.verify()
    adapter = json.loads((run.root / "adapter_config.json").read_text())
    assert manifest["files"].keys() | {"MANIFEST.json"} >= RUN | {"adapter_model.safetensors"}
    assert (manifest["role"], manifest["step"]) == ("deacon", 6)
    assert adapter["node0_base_digest"] == manifest["base_digest"]
    assert adapter["base_model_name_or_path"] == str(place / "base")
    assert "| validation loss before | 3.0000 |" in run.model_card.read_text()


def test_whole_weights_are_a_model_by_themselves(place: Path) -> None:
    run = finished(place, checkpoint_dir=str(place / "full"), lora=None)

    names = {path.as_posix() for path in run.model_files()}
    assert names >= RUN | {"model.safetensors", "config.json"}
    assert "adapter_config.json" not in names


def test_what_is_exported_is_for_its_owner_alone(place: Path) -> None:
    run = finished(place, checkpoint_dir=str(place / "private"))

    modes = {path.name: stat.S_IMODE((run.root / path).stat().st_mode) for path in run.model_files()}
    assert set(modes.values()) == {0o600}
    assert not list(run.root.glob(".*"))


def test_the_curve_is_drawn_from_what_is_there_so_far(place: Path) -> None:
    plan = make_plan(configure(place, checkpoint_dir=str(place / "begun")))
    run = RunDirectory(plan.config.checkpoint_dir)
    run.make()

    draw(plan, run)

    assert [path.name for path in run.root.iterdir()] == ["loss.png"]
