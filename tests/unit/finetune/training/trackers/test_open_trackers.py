# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_run import configure, make_base

from node0.finetune.config import FineTuneConfig
from node0.finetune.training.trackers.open_trackers import SHARED, open_trackers, shared_settings


def plan(config: FineTuneConfig) -> Any:
    """The parts of a plan that are told."""
    data = SimpleNamespace(kept=3, tokens=99)
    facts = {"base_digest": "d", "device": "cpu", "precision": "float32", "total_steps": 6}
    return SimpleNamespace(config=config, data=data, trained_parameters=5, **facts)


def private(tmp_path: Path) -> FineTuneConfig:
    """A run all of whose paths and texts name the operator's home."""
    home = tmp_path / "home" / "someone"
    home.mkdir(parents=True)
    make_base(home)
    places = {
        name: str(home / name) for name in ("corpus_path", "profile", "tokenizer", "init_adapter", "dataset")
    }
    return configure(
        home,
        **places,
        checkpoint_dir=str(home / "runs" / "first"),
        select={"against": str(home / "prompts.jsonl")},
        fresh_model={"class_name": "x", "init_args": {"where": str(home)}},
    )


def test_no_path_and_no_free_text_of_the_settings_is_told(tmp_path: Path) -> None:
    told = shared_settings(plan(private(tmp_path)))

    text = json.dumps(told)
    assert "someone" not in text
    assert "/" not in text
    assert (told["base"], told["lr"], told["lora.rank"], told["base_digest"]) == ("base", 0.01, 4, "d")


def test_a_setting_is_told_only_where_it_can_hold_no_path() -> None:
    fields = FineTuneConfig.model_fields

    assert set(SHARED) <= set(fields)
    told = {name: str(fields[name].annotation) for name in SHARED}
    # A role and a commit are words that the operator chose to be read.
    assert [name for name, kind in told.items() if "Path" in kind or "Any" in kind] == []
    assert [name for name, kind in told.items() if "str" in kind.replace("Literal", "")] == [
        "role",
        "base_revision",
    ]


def test_all_weights_have_no_settings_of_an_adapter(tmp_path: Path) -> None:
    told = shared_settings(plan(configure(tmp_path, lora=None)))

    assert [name for name in told if name.startswith("lora.")] == []


@pytest.mark.parametrize("names", [[], ["tensorboard"]])
def test_those_that_are_named_are_opened_and_no_other(names: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'gastown-finetune[tensorboard]'")
    trackers = open_trackers(plan(configure(tmp_path, report_to=names)))
    for tracker in trackers:
        tracker.log(1, {"loss": 2.5})
        tracker.close("finished")

    events = list((tmp_path / "run" / "runs").glob("events.out.tfevents.*"))
    assert (len(trackers), len(events)) == (len(names), len(names))
    assert not (tmp_path / "run" / "trackers").exists()
