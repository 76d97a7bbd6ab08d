# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.training.plan.training_settings import absolute, resolve_training

NEEDED = {"role": "deacon", "checkpoint_dir": "run"}


def test_settings_made_absolute_mean_the_same_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    flags = {
        **NEEDED,
        "corpus_path": "corpus",
        "base_model": "base",
        "tokenizer": "owner/name",
        "select": {"against": "prompts.jsonl"},
    }

    resolved = absolute(resolve_training(flags)[0])

    config = resolved.values
    assert config.corpus_path == tmp_path / "corpus"
    assert config.checkpoint_dir == tmp_path / "run"
    assert config.base_model == str(tmp_path / "base")
    assert config.tokenizer == "owner/name"
    assert config.select.against == tmp_path / "prompts.jsonl"
    assert config.profile is None
    assert resolved.sources["corpus_path"] == "flag"


def test_what_run_json_says_about_local_mode_is_no_setting_of_the_training(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"local_mode": true, "local_stage": "head-0", "lr": 0.5}')

    resolved, local = resolve_training({**NEEDED, "corpus_path": "corpus"}, run_config=str(path))

    assert local == {"local_mode": True, "local_stage": "head-0"}
    assert (resolved.values.lr, resolved.sources["lr"]) == (0.5, "run.json")
