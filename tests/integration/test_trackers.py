# SPDX-License-Identifier: Apache-2.0
"""Runs that report to W&B and MLflow by their libraries, to a server on loopback that keeps what arrives."""

import getpass
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration.tracker_server import RUN, TrackerServer, tracker_server
from tiny_run import make_base, make_corpus, settings

from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main

pytestmark = pytest.mark.integration

Printed = pytest.CaptureFixture[str]

KEY = "0123456789" * 4
TOOL = "import sys; from node0.run_finetune import main; sys.exit(main())"
OFFLINE = """
import sys
from pathlib import Path
from node0.finetune.training.trackers.tracker import TrackedRun
from node0.finetune.training.trackers.wandb_run import WandbRun
run = WandbRun(TrackedRun("deacon", None, {"lr": 0.01}, Path(sys.argv[1])))
run.log(1, {"loss": 2.5})
run.close("finished")
"""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "WANDB_ERROR_REPORTING": "false",
}


@pytest.fixture
def server() -> Iterator[TrackerServer]:
    with tracker_server() as up:
        yield up


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The operator's home, with a base, a corpus and a profile in it."""
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


@pytest.fixture
def mlflow(server: TrackerServer, monkeypatch: pytest.MonkeyPatch) -> TrackerServer:
    """The server, as the one that MLflow's variables name; asked once, without patience."""
    pytest.importorskip("mlflow", reason="pip install 'gastown-finetune[mlflow]'")
    for name, value in {**QUIET, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address.replace("//", "//operator:pass-word@"))
    return server


def _configured(place: Path, run: str, **changes: object) -> list[str]:
    (place / f"{run}.yaml").write_text(
        yaml.safe_dump({**settings(place), "checkpoint_dir": str(place / run), **changes})
    )
    return ["--config", str(place / f"{run}.yaml")]


def _child(place: Path, code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process and with a home of its own, and nobody at its keyboard."""
    env = {"HOME": str(place), "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**env, "OMP_NUM_THREADS": "1", **variables},
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _adapter(run_dir: Path) -> bytes:
    return (run_dir / "adapter_model.safetensors").read_bytes()


def _private(place: Path) -> list[str]:
    """Words that say who runs this, where and on which machine, and the secrets that tests know."""
    words = {str(place), str(Path.cwd()), sys.executable, platform.node(), getpass.getuser()}
    return [word for word in words if len(word) > 2] + ["--config", TOOL, "pass-word"]


def _sent(server: TrackerServer) -> str:
    """Everything that arrived, but for headers: they prove who it is and name the client."""
    return json.dumps(
        [(name, {k: v for k, v in body.items() if k != "headers"}) for name, body in server.asked]
    )


def test_wandb_gets_each_step_and_known_settings_and_a_resumed_run_is_the_same_one(
    place: Path, server: TrackerServer
) -> None:
    pytest.importorskip("wandb", reason="pip install 'gastown-finetune[wandb]'")
    arguments = [*_configured(place, "run"), "--report-to", "wandb"]
    variables = {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": KEY, "WANDB_PROJECT": "patrols"}
    first = _child(place, TOOL, *arguments, "--stop-after", "3", **variables)
    second = _child(place, TOOL, *arguments, **variables)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    lines = [
        json.loads(line)
        for body in server.bodies("file_stream")
        for line in body.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
    ]
    losses = {int(line["step"]): line["loss"] for line in lines if "loss" in line}
    assert losses == {
        row["step"]: row["loss"] for row in RunDirectory(place / "run").metrics() if "loss" in row
    }
    began = [body["variables"] for body in server.bodies("UpsertBucket")]
    known = (place / "run" / "trackers" / "wandb.id").read_text().strip()
    assert {run["name"] for run in began} == {known}
    assert {run["project"] for run in began[:1]} == {"patrols"}
    assert json.loads(began[-1]["config"])["lr"]["value"] == 0.01
    assert [word for word in _private(place) if word in _sent(server)] == []


def test_mlflow_gets_each_step_and_known_settings_and_a_resumed_run_is_the_same_one(
    place: Path, mlflow: TrackerServer
) -> None:
    arguments = [*_configured(place, "run", run_name="first-try"), "--report-to", "mlflow"]
    codes = [main([*arguments, "--stop-after", "3"]), main(arguments)]

    assert codes == [0, 0]
    batches = mlflow.bodies("log-batch")
    assert {batch["run_id"] for batch in batches} == {RUN}
    losses = {
        int(metric["step"]): metric["value"]
        for batch in batches
        for metric in batch.get("metrics", [])
        if metric["key"] == "loss"
    }
    assert losses == {
        row["step"]: row["loss"] for row in RunDirectory(place / "run").metrics() if "loss" in row
    }
    (made,) = mlflow.bodies("create")
    assert made["run_name"] == "first-try"
    assert [body["status"] for body in mlflow.bodies("update")] == ["FINISHED", "RUNNING", "FINISHED"]
    assert [word for word in _private(place) if word in _sent(mlflow)] == []


def test_a_tracker_that_fails_in_mid_run_is_one_warning_and_the_adapter_has_the_same_bytes(
    place: Path, mlflow: TrackerServer, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(_configured(place, "alone")) == 0
    assert main([*_configured(place, "told", report_to=["mlflow"]), "--stop-after", "3"]) == 0
    capsys.readouterr()
    mlflow.broken = True

    assert main(_configured(place, "told", report_to=["mlflow"])) == 0

    warnings = [
        line for line in capsys.readouterr().err.splitlines() if "mlflow takes no more figures" in line
    ]
    assert len(warnings) == 1
    assert "pass-word" not in warnings[0]
    assert _adapter(place / "told") == _adapter(place / "alone")


def test_wandb_without_a_key_is_one_line_before_anything_is_written_and_nobody_is_asked(place: Path) -> None:
    pytest.importorskip("wandb", reason="pip install 'gastown-finetune[wandb]'")
    done = _child(place, TOOL, *_configured(place, "run"), "--report-to", "wandb", "--dry-run")

    assert done.returncode == 1
    assert "knows no key; run: wandb login, or set WANDB_MODE=offline" in done.stderr.splitlines()[-1]
    assert not (place / "run").exists()


def test_wandb_offline_keeps_the_run_in_its_directory_alone(place: Path) -> None:
    pytest.importorskip("wandb", reason="pip install 'gastown-finetune[wandb]'")

    done = _child(place, OFFLINE, str(place / "trackers"), WANDB_MODE="offline")

    assert done.returncode == 0, done.stderr
    known = (place / "trackers" / "wandb.id").read_text().strip()
    (kept,) = (place / "trackers" / "wandb").glob("offline-run-*")
    assert kept.name.endswith(known)
    assert not (place / "wandb").exists()
    recorded = (kept / f"run-{known}.wandb").read_bytes()
    assert [word for word in _private(place) if word.encode() in recorded] == []
