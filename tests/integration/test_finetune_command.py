# SPDX-License-Identifier: Apache-2.0
"""`node0-finetune` from the corpus to the artefacts, on a model of a few thousand weights."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from slow_steps import slow_after
from tiny_run import FRESH, make_base, make_corpus, settings

from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main
from node0.town import Town

pytestmark = pytest.mark.integration

ARTEFACTS = {
    "MANIFEST.json",
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "chat_template.jinja",
    "config.resolved.yaml",
    "entries.jsonl",
    "loss.png",
    "metrics.jsonl",
    "profile.yaml",
    "tokenizer.json",
    "tokenizer_config.json",
    "training_state",
}
TOOL = [sys.executable, "-c", "import sys; from node0.run_finetune import main; sys.exit(main())"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


def configured(place: Path, **changes) -> list[str]:
    """Arguments that train with these settings."""
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))
    return ["--config", str(place / "run.yaml")]


def adapter(run_dir: Path) -> bytes:
    return (run_dir / "adapter_model.safetensors").read_bytes()


def test_sft_leaves_every_artefact_and_a_lower_validation_loss(place, capsys):
    code = main([*configured(place), "--json"])

    (summary,) = json.loads(capsys.readouterr().out)
    run_dir = place / "run"
    names = {path.name for path in run_dir.iterdir()}
    losses = [record["val_loss"] for record in RunDirectory(run_dir).metrics() if "val_loss" in record]
    assert code == 0
    assert names >= ARTEFACTS
    assert losses[-1] < losses[0]
    assert summary["best_step"] == 6
    assert summary["val_loss"] == pytest.approx(min(losses[1:]))
    assert RunDirectory(run_dir).verify()["step"] == 6
    assert 0 < len(RunDirectory(run_dir).held_out()) < 12
    assert any(
        float(value.abs().max()) > 0
        for name, value in load_file(run_dir / "adapter_model.safetensors").items()
        if "lora_B" in name
    )


def test_steps_are_json_lines_on_stderr_when_nobody_watches(place, capsys):
    main(configured(place))

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    steps = [json.loads(line) for line in lines]
    assert [step["step"] for step in steps] == [0, 1, 2, 3, 4, 5, 6]
    assert all(step["of"] == 6 for step in steps)
    assert {"loss", "lr", "grad_norm", "tokens_per_second"} <= set(steps[1])


def test_dpo_raises_the_margin_of_held_out_pairs(tmp_path):
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus", kind="dpo")
    code = main(configured(tmp_path, mode="dpo", max_steps=12, lr=0.02))

    losses = [
        record["val_loss"] for record in RunDirectory(tmp_path / "run").metrics() if "val_loss" in record
    ]
    assert code == 0
    assert losses[0] == pytest.approx(0.693147, abs=1e-5)
    assert losses[-1] < 0.6


def test_dpo_of_all_weights_compares_with_the_weights_before_it(tmp_path):
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus", kind="dpo")
    changes = {"mode": "dpo", "lora": None, "max_steps": 8, "lr": 0.005}
    main([*configured(tmp_path, **changes)])
    straight = (tmp_path / "run" / "model.safetensors").read_bytes()
    losses = [
        record["val_loss"] for record in RunDirectory(tmp_path / "run").metrics() if "val_loss" in record
    ]

    assert losses[0] == pytest.approx(0.693147, abs=1e-5)
    assert losses[-1] < losses[0]
    two = [*configured(tmp_path, **changes), "--checkpoint-dir", str(tmp_path / "two")]
    assert main([*two, "--stop-after", "4"]) == 0
    assert main(two) == 0
    assert (tmp_path / "two" / "model.safetensors").read_bytes() == straight


@pytest.mark.parametrize("tied", [False, True])
def test_pretraining_from_nothing_leaves_a_base_that_trains_further(tmp_path, tied):
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    fresh = {**FRESH, "init_args": {**FRESH["init_args"], "tie_embeddings": tied}}
    changes = {
        "mode": "pretrain", "lora": None, "base_model": None, "fresh_model": fresh, "max_steps": 20,
        "tokenizer": str(tmp_path / "tokenizer"), "checkpoint_dir": str(tmp_path / "grown"), "num_stages": 2,
    }  # fmt: skip

    assert main(configured(tmp_path, **changes)) == 0
    losses = [
        record["val_loss"] for record in RunDirectory(tmp_path / "grown").metrics() if "val_loss" in record
    ]
    assert losses[-1] < losses[0] - 0.5
    assert main(configured(tmp_path, base_model=str(tmp_path / "grown"))) == 0
    first = next(record for record in RunDirectory(tmp_path / "run").metrics() if record["step"] == 0)
    assert first["val_loss"] < 5.0


@pytest.mark.parametrize(
    "changes",
    [
        {"scheduler": "linear"},
        {"scheduler": "cosine", "num_stages": 2},
        {"scheduler": "constant", "packing": False},
        {"precision": "bfloat16"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_twenty_steps_and_ten_and_ten_give_the_same_bytes(place, changes):
    arguments = configured(place, max_steps=20, eval_every_n_steps=4, **changes)
    split = [*arguments, "--checkpoint-dir", str(place / "split")]

    assert main(arguments) == 0
    assert main([*split, "--stop-after", "10"]) == 0
    assert not (place / "split" / "MANIFEST.json").exists()
    assert main([*split, "--resume", "auto"]) == 0

    assert adapter(place / "split") == adapter(place / "run")
    assert (place / "split" / "entries.jsonl").read_bytes() == (place / "run" / "entries.jsonl").read_bytes()
    compared = ("step", "loss", "val_loss", "lr", "grad_norm")
    straight, resumed = (
        [[record.get(name) for name in compared] for record in RunDirectory(place / name).metrics()]
        for name in ("run", "split")
    )
    assert resumed == straight


def test_a_finished_run_is_not_trained_again_and_can_be_started_over(place):
    arguments = configured(place)
    main(arguments)
    first = adapter(place / "run")
    assert main(arguments) == 0
    assert len(RunDirectory(place / "run").metrics()) == 7
    assert main([*arguments, "--resume", "never", "--set", "seed=1"]) == 0

    assert adapter(place / "run") != first
    assert len(RunDirectory(place / "run").metrics()) == 7


def test_the_best_step_is_exported_when_a_later_one_is_worse(place):
    main(configured(place, max_steps=6, eval_every_n_steps=1, lr=0.3, scheduler="constant"))
    card = (place / "run" / "README.md").read_text()
    losses = {
        record["step"]: record["val_loss"]
        for record in RunDirectory(place / "run").metrics()
        if record["step"]
    }
    best = min(losses, key=losses.__getitem__)
    manifest = RunDirectory(place / "run").verify()
    config = [*configured(place, max_steps=6, lr=0.3, scheduler="constant", checkpoint_every_n_steps=1)]

    assert best < 6
    assert manifest["step"] == best
    assert f"(step {best})" in card
    # The exported adapter is the one that a run up to that step leaves.
    main([*config, "--checkpoint-dir", str(place / "short"), "--set", f"max_steps={best}"])
    assert adapter(place / "short") == adapter(place / "run")


def test_ctrl_c_saves_exits_130_and_the_same_command_goes_on_to_the_same_bytes(place, capsys):
    arguments = configured(place, max_steps=60, eval_every_n_steps=50, checkpoint_every_n_steps=50)
    assert main([*arguments, "--checkpoint-dir", str(place / "straight")]) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*slow_after(7), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith('{"step": 7,'):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()

    assert process.returncode == 130
    assert "run again to go on" in rest
    assert "Traceback" not in rest
    assert not (place / "run" / "MANIFEST.json").exists()
    assert (place / "run" / "loss.png").exists()
    done = RunDirectory(place / "run").metrics()[-1]["step"]
    assert 7 <= done < 60
    capsys.readouterr()
    assert main(arguments) == 0
    assert f"Checkpoint resume triggered: step {done}" in capsys.readouterr().err
    assert adapter(place / "run") == adapter(place / "straight")


def test_a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_bytes(place):
    arguments = configured(place, max_steps=60, eval_every_n_steps=50, checkpoint_every_n_steps=3)
    assert main([*arguments, "--checkpoint-dir", str(place / "straight")]) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*slow_after(8), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith('{"step": 8,'))
        process.kill()
        process.stderr.read()

    assert not (place / "run" / "MANIFEST.json").exists()
    assert main(arguments) == 0
    assert adapter(place / "run") == adapter(place / "straight")
    assert [record["step"] for record in RunDirectory(place / "run").metrics()] == list(range(61))


def test_a_run_may_go_on_with_another_number_of_stages(place):
    arguments = configured(place)
    main([*arguments, "--checkpoint-dir", str(place / "straight")])
    main([*arguments, "--stop-after", "4"])
    assert main([*arguments, "--set", "num_stages=2"]) == 0

    straight, split = (load_file(place / name / "adapter_model.safetensors") for name in ("straight", "run"))
    assert straight.keys() == split.keys()
    assert all(torch.allclose(straight[name], split[name], atol=1e-6) for name in straight)


def test_the_best_step_of_an_earlier_split_is_exported(place):
    arguments = configured(
        place, max_steps=6, eval_every_n_steps=1, lr=0.3, scheduler="constant", keep_last=1
    )
    main([*arguments, "--checkpoint-dir", str(place / "straight")])
    main([*arguments, "--stop-after", "5"])
    assert main([*arguments, "--set", "num_stages=2"]) == 0

    straight, split = (load_file(place / name / "adapter_model.safetensors") for name in ("straight", "run"))
    assert (
        RunDirectory(place / "run").verify()["step"] == RunDirectory(place / "straight").verify()["step"] < 6
    )
    assert all(torch.allclose(straight[name], split[name], atol=1e-5) for name in straight)


def test_a_finished_run_is_registered_by_name(place, town_root, capsys):
    code = main([*configured(place), "--register", "deacon-tiny", "--town", str(town_root), "--json"])

    (summary,) = json.loads(capsys.readouterr().out)
    registry = ModelRegistry(Town(town_root))
    registered = registry.require("deacon-tiny")
    registry.close()
    assert code == 0
    assert summary["registered"] == "deacon-tiny:1"
    assert registered.role == "deacon"
    assert registered.base_digest == RunDirectory(place / "run").verify()["base_digest"]
    assert registered.training_config["max_steps"] == 6
    assert Path(registered.artifact_path).is_relative_to(town_root)


def test_losses_that_are_not_finite_end_the_run_with_75_and_its_last_state(place, capsys):
    code = main(configured(place, lr=1e6, num_warmup_steps=0, max_steps=50, max_skipped_steps=2))

    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert code == 75
    assert "2 steps in a row were not finite" in line
    assert "skipped 1 of at most 2 steps in a row" in said
    state = RunDirectory(place / "run").newest_state()
    assert state is not None
    assert (state / "pipeline").is_dir()
    assert not (place / "run" / "MANIFEST.json").exists()


def test_a_terminal_gets_a_bar_and_no_line_a_step(place):
    """Under a pseudo-terminal, as a person sees it."""
    master, slave = pty.openpty()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "120"}
    command = [*TOOL, *configured(place)]
    with subprocess.Popen(command, stderr=slave, stdout=subprocess.PIPE, env=environment) as process:
        os.close(slave)
        seen = b"".join(iter(lambda: _read(master), b""))
    os.close(master)

    assert process.returncode == 0
    assert b"6/6" in seen
    assert b"tok/s" in seen
    assert b'{"step"' not in seen
    assert b"Training loss" not in seen


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:
        # Linux reports the end of a pseudo-terminal as an input error.
        return b""


def test_the_resolved_settings_can_be_trained_again(place):
    main([*configured(place), "--set", "lora.rank=2"])
    resolved = (place / "run" / "config.resolved.yaml").read_text()

    assert "  rank: 2  # flag" in resolved
    assert "lr: 0.01  # run.yaml" in resolved
    code = main(
        ["--config", str(place / "run" / "config.resolved.yaml"), "--checkpoint-dir", str(place / "again")]
    )
    assert code == 0
    assert adapter(place / "again") == adapter(place / "run")


def test_an_adapter_can_be_trained_on(place):
    arguments = configured(place)
    main(arguments)
    code = main(
        [*arguments, "--set", f"init_adapter={place / 'run'}", "--checkpoint-dir", str(place / "more")]
    )

    before = next(r["val_loss"] for r in reversed(RunDirectory(place / "run").metrics()) if "val_loss" in r)
    after = RunDirectory(place / "more").metrics()[0]["val_loss"]
    assert code == 0
    assert after == pytest.approx(before, abs=1e-6)


def test_tensorboard_events_are_written_on_request(place):
    assert main([*configured(place), "--set", "tensorboard=true"]) == 0

    assert list((place / "run" / "runs").glob("events.out.tfevents.*"))
    assert not any(name.startswith("runs/") for name in RunDirectory(place / "run").verify()["files"])


def test_a_run_that_needs_recomputation_gives_the_same_adapter(place):
    main(configured(place))
    main([*configured(place, graph_budget_mb=0), "--checkpoint-dir", str(place / "small")])

    assert adapter(place / "small") == adapter(place / "run")


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(place, capsys):
    arguments = configured(place)
    before = sorted(place.rglob("*"))
    code = main([*arguments, "--dry-run", "--json"])

    rows = {row["plan"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert code == 0
    assert sorted(place.rglob("*")) == before
    assert rows["entries kept"] == 12
    assert rows["steps"] == 6
    assert rows["trained parameters"] > 0
    assert 0 < rows["memory estimate (GiB)"] < rows["memory free (GiB)"]
    assert rows["bytes on the wire"] == 0


def test_a_dry_run_counts_what_is_left_out_by_reason(place, capsys):
    main(
        [
            *configured(place),
            "--dry-run",
            "--json",
            "--set",
            "select.max_per_session=1",
            "--set",
            "select.outcomes=[]",
        ]
    )

    captured = capsys.readouterr()
    assert "outcome: 12" in captured.err
