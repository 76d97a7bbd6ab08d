# SPDX-License-Identifier: Apache-2.0
"""What a real run of `node0-finetune` leaves among the jobs of its town."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from slow_steps import slow_after
from tiny_run import make_base, make_corpus, settings

from node0.commands.job import job_options as run_job
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.run_lock import hold
from node0.run_finetune import main

pytestmark = pytest.mark.integration

Show = Callable[[str], dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


@pytest.fixture
def show(town_root: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    def shown(name: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run_job.main(["show", name, "--json", "--town", str(town_root)]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert isinstance(row, dict)
        return row

    return shown


def _arguments(place: Path, town: Path, **changes: object) -> list[str]:
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))
    return ["--config", str(place / "run.yaml"), "--bead-id", "gt-abc12", "--town", str(town)]


def _states(job: dict[str, Any]) -> list[str]:
    return [row["state"] for row in job["transitions"]]


def test_a_run_goes_through_its_states(place: Path, town_root: Path, show: Show) -> None:
    arguments = _arguments(place, town_root, max_steps=2, eval_every_n_steps=2)
    assert main([*arguments, "--stop-after", "1"]) == 0
    stopped = show("gt-abc12")
    assert main(arguments) == 0
    done = show("gt-abc12")

    validated = ["corpus-validating", "ready"]
    assert _states(stopped) == [
        *(*validated, "training", "evaluating", "training"),
        *("checkpointing", "training", "ready"),
    ]
    assert _states(done)[len(_states(stopped)) :] == [
        *(*validated, "syncing", "training", "evaluating", "training"),
        *("checkpointing", "training", "done"),
    ]
    assert (stopped["state"], done["state"], done["role"]) == ("ready", "done", "deacon")
    assert done["transitions"][-1]["reason"].startswith("2 steps; the weights of step ")
    assert Path(done["run_dir"]) == place / "run"


def test_steps_that_are_not_finite_degrade_a_job_and_then_end_it(
    place: Path, town_root: Path, show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(_arguments(place, town_root, lr=1e6, num_warmup_steps=0, max_steps=50, val_split=0))
    said = capsys.readouterr().err
    job = show("gt-abc12")

    assert code == 75
    assert _states(job)[-4:] == ["degraded", "checkpointing", "training", "failed"]
    assert "3 steps in a row were not finite" in job["transitions"][-1]["reason"]
    assert "was skipped: its loss or gradients are not finite" in job["transitions"][-4]["reason"]
    state = RunDirectory(place / "run").newest_state()
    assert state is not None
    assert f"Training job failed: {state.name.replace('_', ' ')}" in said.splitlines()


def test_a_corpus_that_gives_nothing_is_a_failed_job(place: Path, town_root: Path, show: Show) -> None:
    assert main(_arguments(place, town_root, role="mayor", profile=None)) == 1

    job = show("gt-abc12")
    assert _states(job) == ["corpus-validating", "failed"]
    assert "mayor" in job["transitions"][-1]["reason"]


def test_a_killed_run_is_known_as_failed_when_it_is_begun_again(
    place: Path, town_root: Path, show: Show
) -> None:
    arguments = _arguments(place, town_root, max_steps=60, eval_every_n_steps=50, checkpoint_every_n_steps=5)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*slow_after(7), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith('{"step": 7,'):
                process.send_signal(signal.SIGKILL)
                break
    killed = show("gt-abc12")

    assert main(arguments) == 0

    job = show("gt-abc12")
    rows = job["transitions"][len(killed["transitions"]) :]
    assert killed["state"] in ("training", "checkpointing")
    assert [row["state"] for row in rows][:5] == [
        "failed",
        "corpus-validating",
        "ready",
        "syncing",
        "training",
    ]
    assert rows[0]["reason"] == "its process ended without a word"
    assert job["state"] == "done"


def test_a_second_run_in_the_same_directory_leaves_the_first_ones_job_alone(
    place: Path, town_root: Path, show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place, town_root, max_steps=1)
    assert main(arguments) == 0
    before = show("gt-abc12")

    with hold(place / "run"):
        code = main(arguments)

    assert code == 75
    assert "in use by process" in capsys.readouterr().err
    assert show("gt-abc12") == before


def test_a_bead_needs_a_town_and_a_dry_run_leaves_no_job(
    place: Path, town_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place, town_root)
    assert main([*arguments, "--dry-run"]) == 0
    assert not (town_root / ".models").exists()
    capsys.readouterr()
    monkeypatch.chdir(place)

    code = main(arguments[:-2])

    assert code == 1
    assert "no town found" in capsys.readouterr().err
    assert not (place / "run").exists()
