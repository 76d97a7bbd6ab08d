# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are evaluated by a process of their own while another one trains: the result is the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tiny_run import make_base, make_corpus, settings

from node0.run_finetune import main as node0_finetune

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TOOL = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
SUITE = """
prompts: ["{{ask}}"]
tests:
  - {vars: {ask: [hello there, good day]}, assert: [{type: not-contains, value: zzz}]}
  - {vars: {ask: say bd}, assert: [{type: equals, value: bd list}]}
"""
STEPS = 400
WAITS_TO_BE_LOOKED_AT = f"""
import sys, time
from pathlib import Path
from node0.pipeline.local import LocalPipeline
from node0.run_finetune import main
quick = LocalPipeline.train_step
def train_step(self, microbatches, step):
    while step.step == {STEPS // 2} and not list(Path(sys.argv[-1]).glob("evals/*/report.json")):
        time.sleep(0.05)
    return quick(self, microbatches, step)
LocalPipeline.train_step = train_step
sys.exit(main(sys.argv[1:-1]))
"""
"Trains, and stays at half of its steps until one of them was evaluated."


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    (tmp_path / "suite.yaml").write_text(SUITE)
    changes = {"max_steps": STEPS, "checkpoint_every_n_steps": 5, "eval_every_n_steps": STEPS}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings(tmp_path, **changes)))
    return tmp_path


def _followed(place: Path) -> "subprocess.Popen[str]":
    quick = ["--epochs", "1", "--max-tokens", "4", "--device", "cpu", "--seconds", "0.2", "--json"]
    line = [*TOOL, "eval", "follow", str(place / "run"), "--suite", str(place / "suite.yaml"), *quick]
    return subprocess.Popen(
        [*line, "--town", str(place)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(path.parent.glob(path.name)):
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def test_a_run_is_followed_to_its_end_and_trains_as_if_nobody_looked(place: Path) -> None:
    config = ["--config", str(place / "run.yaml")]
    assert node0_finetune([*config, "--checkpoint-dir", str(place / "alone")]) == 0
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_TO_BE_LOOKED_AT, *config, str(place / "run")],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as training:
        _wait_for(place / "run" / "config.resolved.yaml")
        with _followed(place) as following:
            said, told = following.communicate(timeout=200)
        assert training.wait(60) == 0

    rows = json.loads(said)
    assert following.returncode == 0, told
    assert rows[-1]["step"] == STEPS
    assert len(rows) >= 2, told
    assert all(row["step"] % 5 == 0 for row in rows)
    assert (place / "run" / "adapter_model.safetensors").read_bytes() == (
        place / "alone" / "adapter_model.safetensors"
    ).read_bytes()


def test_who_follows_may_be_interrupted_and_goes_on(place: Path) -> None:
    config = ["--config", str(place / "run.yaml")]
    assert node0_finetune([*config, "--stop-after", "20"]) == 0
    with _followed(place) as following:
        _wait_for(place / "run" / "evals" / "step_20" / "plan.json")
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=60)
    with _followed(place) as again:
        said, told = again.communicate(timeout=100)

    assert following.returncode in (0, 130)
    assert again.returncode == 0, told
    assert [row["step"] for row in json.loads(said)] == [20]
    assert not (place / "run" / "evals" / "step_20" / "model").exists()
