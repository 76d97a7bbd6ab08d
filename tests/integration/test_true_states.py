# SPDX-License-Identifier: Apache-2.0
"""What a run and its job say of themselves stays true when a person starts, stops or kills it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_run import make_base, make_corpus, settings

from node0.commands.job import job_options as run_job
from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_finetune import main; sys.exit(main())"]
SLOW_SEVENTH_STEP = """
import sys, time
from node0.pipeline.local import LocalPipeline
from node0.run_finetune import main
quick = LocalPipeline.train_step
def train_step(self, microbatches, step):
    time.sleep(60 if step.step == 6 else 0)
    return quick(self, microbatches, step)
LocalPipeline.train_step = train_step
sys.exit(main())
"""
LONG = {"max_steps": 4000, "eval_every_n_steps": 4000, "checkpoint_every_n_steps": 4000}
Show = Callable[[], dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


@pytest.fixture
def job(town_root: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    def shown() -> dict[str, Any]:
        capsys.readouterr()
        assert run_job.main(["show", "gt-abc12", "--json", "--town", str(town_root)]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        return dict(row)

    return shown


def _arguments(place: Path, town: Path, **changes: object) -> list[str]:
    (place / "run.yaml").write_text(yaml.safe_dump(settings(place, **changes)))
    return ["--config", str(place / "run.yaml"), "--bead-id", "gt-abc12", "--town", str(town)]


def _records(run_dir: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and path.name != ".lock"
    }


@contextmanager
def _training(
    arguments: list[str], *, until: int, tool: Sequence[str] = TOOL
) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own that has done `until` steps."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*tool, *arguments], stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith(f'{{"step": {until},'))
        yield process


def test_calling_a_finished_run_again_with_other_settings_changes_none_of_its_records(
    place: Path, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place, town_root)
    assert main(arguments) == 0
    before = _records(place / "run")
    capsys.readouterr()

    code = main([*arguments, "--set", "lr=0.5", "--set", "max_steps=9", "--set", "seed=4"])

    last = capsys.readouterr().err.splitlines()[-1]
    assert code == 0
    assert _records(place / "run") == before
    assert "is already finished (6 steps); these settings were not used: " in last
    assert {"lr=0.5", "max_steps=9", "seed=4"} <= set(last.split("used: ")[1].split(". ")[0].split(", "))
    assert f"--resume {place / 'run'} --checkpoint-dir {place / 'run-2'}" in last


def test_calling_a_finished_run_again_as_it_was_names_no_settings_even_from_another_directory(
    place: Path, town_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place, town_root)
    assert main(arguments) == 0
    capsys.readouterr()
    monkeypatch.chdir(place)

    assert main([*arguments, "--corpus-path", "corpus", "--json"]) == 0

    out, err = capsys.readouterr()
    (summary,) = json.loads(out)
    assert (summary["steps"], summary["finished"]) == (6, True)
    assert "not used" not in err
    assert "already finished (6 steps)." in err


def test_the_advice_of_a_finished_run_goes_on_from_it(
    place: Path, town_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(place, town_root)
    assert main(arguments) == 0
    more = ["--resume", str(place / "run"), "--checkpoint-dir", str(place / "run-2")]
    capsys.readouterr()

    assert main([*arguments, *more, "--set", "max_steps=9"]) == 0

    assert "Checkpoint resume triggered: step 6" in capsys.readouterr().err
    assert [row["step"] for row in RunDirectory(place / "run-2").metrics()] == [7, 8, 9]


@pytest.mark.parametrize(
    "typo", [("--set", "device=mps"), ("--set", "lora.target_modules=[wz]"), ("--corpus-path", "gone")]
)
@pytest.mark.parametrize("resume", ["auto", "never"])
def test_a_typo_in_a_second_start_leaves_a_done_job_done(
    place: Path, town_root: Path, job: Show, typo: tuple[str, str], resume: str
) -> None:
    arguments = _arguments(place, town_root, max_steps=1)
    assert main(arguments) == 0
    before = job()

    code = main([*arguments, *typo, "--resume", resume])

    assert code == (0 if resume == "auto" else 1)
    assert job() == before
    assert before["state"] == "done"


def test_a_typo_while_going_on_leaves_an_interrupted_job_interrupted(
    place: Path, town_root: Path, job: Show
) -> None:
    arguments = _arguments(place, town_root, **LONG)
    with _training(arguments, until=3) as process:
        process.send_signal(signal.SIGINT)
        process.communicate()
    before = job()

    assert main([*arguments, "--set", "seed=5"]) == 1

    assert before["state"] == "interrupted"
    assert job() == before


def test_a_killed_run_is_seen_as_dead_and_a_living_one_is_not(
    place: Path,
    town_root: Path,
    job: Show,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with _training(_arguments(place, town_root, **LONG), until=3) as process:
        living = job()
        process.kill()
        process.communicate()
    killed = job()
    run_job.main(["list", "--town", str(town_root)])

    assert (living["state"], living["process"]) == ("training", "running")
    assert (killed["state"], killed["process"]) == ("training", "dead")
    assert "dead in training" in capsys.readouterr().out


def test_ctrl_c_says_at_once_what_happens_and_how_to_quit_without(
    place: Path, town_root: Path, job: Show
) -> None:
    with _training(_arguments(place, town_root, **LONG), until=3) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        rest = process.stderr.read().splitlines()

    (said,) = [line for line in rest if line.startswith("finishing step ")]
    step = int(said.split()[2].rstrip(","))
    assert said == f"finishing step {step}, then saving; again to quit without"
    assert process.returncode == 130
    ended = job()
    assert ended["state"] == "interrupted"
    assert RunDirectory(place / "run").newest_state() is not None
    assert f"saved step {RunDirectory(place / 'run').metrics()[-1]['step']}; run again to go on" in rest


def test_ctrl_c_twice_keeps_the_last_checkpoint_and_says_which_step_it_is(
    place: Path, town_root: Path, job: Show
) -> None:
    arguments = _arguments(place, town_root, **{**LONG, "checkpoint_every_n_steps": 4})
    with _training(arguments, until=6, tool=[sys.executable, "-c", SLOW_SEVENTH_STEP]) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        said = next(line for line in process.stderr if line.startswith("finishing step"))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert said.startswith("finishing step 7, then saving")
    assert process.returncode == 130
    assert "left without saving; step 4 is kept; run again to go on from it" in rest
    assert job()["state"] == "interrupted"
    assert main([*arguments, "--stop-after", "8"]) == 0
    assert [row["step"] for row in RunDirectory(place / "run").metrics()] == list(range(9))
