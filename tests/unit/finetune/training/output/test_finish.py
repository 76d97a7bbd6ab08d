# SPDX-License-Identifier: Apache-2.0
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import configure, make_base, make_corpus
from torch import Tensor
from transformers import AutoTokenizer

from node0.errors import BadCheckpoint
from node0.finetune.chat.profile import load_profile
from node0.finetune.checkpoint.peft import read_adapter_config
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import Engine, build_engine
from node0.finetune.training.output.finish import draw, export
from node0.finetune.training.output.metrics import Metrics, StepRecord
from node0.finetune.training.output.resume import TrainerState
from node0.finetune.training.plan.run_plan import RunPlan, make_plan
from node0.lora.trainable import trained_weights
from node0.models.base_model import resolve_base
from node0.models.factory import load_stages

STATE = TrainerState(step=5, tokens=700, last_val_loss=2.25)
ALWAYS = {"README.md", "MANIFEST.json", "loss.png", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and a base, for every run here."""
    directory = tmp_path_factory.mktemp("finish")
    make_corpus(directory / "corpus", sessions=8)
    make_base(directory)
    return directory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that measured before its first step and made one."""
    found = RunDirectory(tmp_path / "run")
    found.make()
    with Metrics(found) as metrics:
        metrics.write(StepRecord(step=0, val_loss=3.125))
        metrics.write(StepRecord(step=1, loss=2.5))
    return found


def plan_of(place: Path, run: RunDirectory, **changes: Any) -> RunPlan:
    return make_plan(configure(place, checkpoint_dir=str(run.root), **changes))


def engine_of(plan: RunPlan, value: float) -> Engine:
    """An engine that has learned the same number everywhere."""
    engine = build_engine(plan)
    for weight in trained_weights(engine.stages[0]).values():
        weight.data.fill_(value)
    return engine


def finish(plan: RunPlan, engine: Engine, **changes: Any) -> None:
    export(plan, engine, STATE, **{"exported_step": 3, "val_loss": 1.5, **changes})


def values(tensors: Mapping[str, Tensor]) -> set[float]:
    return {value for tensor in tensors.values() for value in tensor.unique().tolist()}


def files(run: RunDirectory) -> set[str]:
    return {path.relative_to(run.root).as_posix() for path in run.root.rglob("*") if path.is_file()}


def test_a_finished_adapter_is_whole_and_names_its_base(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)

    finish(plan, engine_of(plan, 0.5))

    assert files(run) >= ALWAYS | {"adapter_config.json", "adapter_model.safetensors", "profile.yaml"}
    assert "model.safetensors" not in files(run)
    assert values(load_file(run.root / "adapter_model.safetensors")) == {0.5}
    described = read_adapter_config(run.root)
    assert described["base_model_name_or_path"] == str(place / "base")
    assert described["node0_base_digest"] == plan.base_digest
    assert (described["r"], described["lora_alpha"]) == (4, 8)


def test_a_finished_model_can_be_loaded_as_a_base(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run, lora=None)

    finish(plan, engine_of(plan, 0.25))

    assert not [name for name in files(run) if name.startswith("adapter")]
    (stage,) = load_stages(resolve_base(str(run.root)), 1, dtype=torch.float32)
    assert values(stage.state_dict()) == {0.25}


def test_the_manifest_covers_every_file_and_says_what_was_trained_on_what(
    place: Path, run: RunDirectory
) -> None:
    plan = plan_of(place, run)
    finish(plan, engine_of(plan, 0.5))

    facts = run.verify()

    assert {name: facts[name] for name in ("role", "mode", "step", "base_digest", "corpus_hash")} == {
        "role": "deacon",
        "mode": "sft",
        "step": 3,
        "base_digest": plan.base_digest,
        "corpus_hash": plan.data.corpus_hash,
    }
    with (run.root / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BadCheckpoint, match=r"tokenizer\.json"):
        run.verify()


def test_a_run_that_could_not_be_written_whole_has_no_manifest(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)
    run.model_card.mkdir()

    with pytest.raises(OSError, match=r"README\.md"):
        finish(plan, engine_of(plan, 0.5))
    assert not run.manifest_file.exists()


def test_the_tokenizer_beside_the_weights_is_the_one_that_was_trained_with(
    place: Path, run: RunDirectory
) -> None:
    plan = plan_of(place, run)

    finish(plan, engine_of(plan, 0.5))

    found = AutoTokenizer.from_pretrained(str(run.root))
    text = "Nudged rust."
    assert found(text)["input_ids"] == plan.tokenizer(text)["input_ids"]
    assert not [name for name in files(run) if ".part" in name]


@pytest.mark.parametrize(("there", "kept"), [("as rendered", "as rendered"), (None, "of the tokenizer")])
def test_a_chat_template_that_the_run_rendered_with_is_kept(
    place: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch, there: str | None, kept: str
) -> None:
    plan = plan_of(place, run)
    # A tokenizer of an older library, which writes its template into no file of its own.
    monkeypatch.setattr(plan.tokenizer, "chat_template", "of the tokenizer")
    monkeypatch.setattr(plan.tokenizer, "save_pretrained", lambda directory: None)
    if there is not None:
        run.chat_template.write_text(there)

    finish(plan, engine_of(plan, 0.5))

    assert run.chat_template.read_text() == kept


def test_the_profile_of_the_role_is_written_and_a_model_of_all_roles_has_none(
    place: Path, run: RunDirectory, tmp_path: Path
) -> None:
    deacon = plan_of(place, run)
    everybody = RunDirectory(tmp_path / "everybody")
    everybody.make()

    finish(deacon, engine_of(deacon, 0.5))
    plan = replace(
        deacon, config=deacon.config.model_copy(update={"role": "all", "checkpoint_dir": everybody.root})
    )
    finish(plan, engine_of(plan, 0.5))

    assert load_profile("deacon", run.profile_file) == load_profile("deacon", place / "profile.yaml")
    assert not everybody.profile_file.exists()
    assert everybody.verify()["role"] == "all"


def test_the_card_tells_what_this_run_saw_and_reached(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)

    finish(plan, engine_of(plan, 0.5))

    card = run.model_card.read_text()
    assert "| validation loss before | 3.1250 |" in card
    assert "(step 3) | 1.5000 |" in card
    assert plan.data.corpus_hash in card and plan.base_digest in card
    assert f"| of them trained | {plan.trained_parameters} |" in card
    assert "| tokens | 700 |" in card


def test_a_run_that_measured_nothing_says_no_loss(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)
    run.metrics_file.unlink()

    finish(plan, engine_of(plan, 0.5), val_loss=None)

    assert "3.1250" not in run.model_card.read_text()
    assert run.verify()


def test_the_loss_is_drawn_per_pair_where_pairs_are_trained_on(
    place: Path, run: RunDirectory, tmp_path: Path
) -> None:
    tokens = plan_of(place, run)
    pairs = replace(tokens, config=tokens.config.model_copy(update={"mode": "dpo"}))
    pictures = []
    for plan in (tokens, pairs, tokens):
        draw(plan, run)
        pictures.append(run.loss_plot.read_bytes())

    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[2] != pictures[1]


def test_the_same_run_gives_the_same_bytes(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)
    written = []
    for _ in range(2):
        finish(plan, engine_of(plan, 0.5))
        written.append({name: (run.root / name).read_bytes() for name in files(run)})

    assert written[0] == written[1]


def test_what_is_exported_is_for_its_owner_alone(place: Path, run: RunDirectory) -> None:
    plan = plan_of(place, run)

    finish(plan, engine_of(plan, 0.5))

    modes = {path.name: stat.S_IMODE((run.root / path).stat().st_mode) for path in run.model_files()}
    assert set(modes.values()) == {0o600}
    assert not list(run.root.glob(".*"))


def test_the_curve_is_drawn_from_what_is_there_so_far(place: Path, run: RunDirectory) -> None:
    run.metrics_file.unlink()

    draw(plan_of(place, run), run)

    assert files(run) == {"loss.png"}
