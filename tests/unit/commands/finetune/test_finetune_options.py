# SPDX-License-Identifier: Apache-2.0
import json
import sys

import pytest
import yaml

from node0.run_finetune import main

NEEDED = ["--role", "deacon", "--corpus-path", "corpus", "--checkpoint-dir", "run"]


def shown(capsys, *arguments: str) -> dict[str, tuple[object, str]]:
    assert main([*arguments, "--print-settings", "--json"]) == 0
    return {row["setting"]: (row["value"], row["from"]) for row in json.loads(capsys.readouterr().out)}


def test_help_lists_the_flags_of_the_plan(capsys):
    assert main(["--help"]) == 0

    text = capsys.readouterr().out
    for flag in ("--config", "--role", "--corpus-path", "--checkpoint-dir", "--local-mode", "--local-stage"):
        assert flag in text


def test_without_arguments_the_missing_ones_are_named(capsys):
    assert main([]) == 2

    assert "missing --role, --corpus-path, --checkpoint-dir" in capsys.readouterr().err


def test_flags_beat_run_json_beats_the_file(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"lr": 1.0, "seed": 1, "max_length": 64}))
    (tmp_path / "run.json").write_text(json.dumps({"lr": 2.0, "seed": 2}))
    files = ["--config", str(tmp_path / "run.yaml"), "--run-config", str(tmp_path / "run.json")]

    rows = shown(capsys, *NEEDED, *files, "--set", "lr=3")

    assert rows["lr"] == (3.0, "flag")
    assert rows["seed"] == (2, "run.json")
    assert rows["max_length"] == (64, "run.yaml")
    assert rows["role"] == ("deacon", "flag")
    assert rows["epochs"] == (3.0, "default")


def test_a_base_without_a_file_gets_an_adapter_by_default(capsys):
    with_base = shown(capsys, *NEEDED, "--base-model", "base")
    without = shown(capsys, *NEEDED)

    assert with_base["lora.rank"] == (64, "default")
    assert without["lora"] == (None, "default")


def test_a_shipped_configuration_is_found_by_its_name_and_paths_follow_the_town(town_root, capsys):
    rows = shown(capsys, "--config", "dpo_polecat", "--town", str(town_root))

    assert rows["mode"] == ("dpo", "dpo_polecat.yaml")
    assert rows["corpus_path"][0] == str(town_root / ".corpus" / "polecat")
    assert rows["checkpoint_dir"][0] == str(town_root / ".checkpoints" / "polecat-dpo")


def test_another_home_path_needs_no_town(capsys):
    rows = shown(capsys, *NEEDED, "--corpus-path", "~/elsewhere")

    assert not str(rows["corpus_path"][0]).startswith("~")


def test_local_mode_warns_loudly(capsys):
    assert main([*NEEDED, "--local-mode", "--local-stage", "head-0", "--print-settings"]) == 0

    said = capsys.readouterr().err
    assert "no external auth. NOT for production" in said
    assert "head-0: this process runs every stage" in said


@pytest.mark.parametrize("source", ["flag", "run.json"])
def test_local_mode_of_run_json_counts_as_the_flag(tmp_path, capsys, source):
    (tmp_path / "run.json").write_text(json.dumps({"local_mode": source == "run.json"}))
    flags = ["--local-mode"] if source == "flag" else []
    assert main([*NEEDED, *flags, "--run-config", str(tmp_path / "run.json"), "--print-settings"]) == 0

    assert "NOT for production" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--local-mode", "--local-stage", "first"], "write head-0"),
        (["--local-stage", "head-0"], "needs --local-mode"),
        (["--config", "lora_sft_mayor"], "give a YAML file, or one of dpo_polecat"),
        (["--swarm", "--run", "nowhere"], "no run in nowhere; give a directory that node0 swarm init made"),
        (["--swarm", "--initial-peers", "/ip4/10.0.0.5/tcp/4100"], "'/ip4/10.0.0.5/tcp/4100' has no peer id"),
        (["--register", "bad name/.."], "--register 'bad name/..' is no name of a model"),
        (["--set", "select.since=yesterday"], "'select.since' is 'yesterday' (from flag): expected an ISO"),
    ],
)
def test_a_flag_that_makes_no_sense_is_one_line(arguments, said, capsys):
    assert main([*NEEDED, *arguments]) == 1

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_settings_are_shown_without_loading_a_model_library(capsys):
    loaded = set(sys.modules)
    shown(capsys, *NEEDED)

    assert not {"torch", "transformers"} & (set(sys.modules) - loaded)
