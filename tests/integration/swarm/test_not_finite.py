# SPDX-License-Identifier: Apache-2.0
"""NaN in one stage's gradients: what every stage, the log and the job make of it."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from integration.swarm.in_process import member
from integration.swarm.processes import place

from node0.commands.job import job_options as job_command
from node0.commands.swarm import swarm_options as swarm
from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main
from node0.server.node0_server import Node0Server
from node0.server.stage.trained_weights import Prepared, TrainedWeights
from node0.utils.monitor import MonitorWorker

pytestmark = pytest.mark.integration

STAGES = ("head-0", "body-1", "tail-2")
Servers = dict[str, Node0Server]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """The stages of a run of ten steps, and its directory is `swarm`."""
    file = place(
        tmp_path,
        max_steps=10,
        val_split=0,
        checkpoint_every_n_steps=5,
        checkpoint_dir=str(tmp_path / "swarm" / "training"),
    )
    run = str(tmp_path / "swarm")
    assert swarm.main(["init", run, "--config", str(file), "--stages", "3"]) == 0
    with ExitStack() as stack:
        yield {name: stack.enter_context(member(Path(run), name)) for name in STAGES}


@pytest.fixture
def monitor() -> Iterator[MonitorWorker]:
    """Follows the log of this process."""
    following = MonitorWorker(finetune_mode=True)
    handler = following.handler()
    logging.getLogger().addHandler(handler)
    following.start()
    yield following
    logging.getLogger().removeHandler(handler)
    following.stop()


def poison(monkeypatch: pytest.MonkeyPatch, server: Node0Server, is_bad: Callable[[int], bool]) -> None:
    """Put NaN into one gradient of a stage, at every step from a version that `is_bad`, before it votes."""
    prepare = TrainedWeights.prepare
    seen: list[int] = []

    def poisoned(self: TrainedWeights) -> Prepared:
        executor = server.host.stage.executor
        if executor is not None and self is executor.trained:
            seen.append(self.version)
            if is_bad(len(seen)):
                gradients = self.gradients.by_name()
                name = next(name for name in gradients if "lora_B" in name)
                gradients[name].view(-1)[0] = math.nan
        return prepare(self)

    monkeypatch.setattr(TrainedWeights, "prepare", poisoned)


def train(directory: Path, town: Path) -> int:
    """The trainer's command, in this process."""
    return main(["--swarm", "--run", str(directory / "swarm"), "--bead-id", "gt-abc12", "--town", str(town)])


def job(town: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert job_command.main(["show", "gt-abc12", "--json", "--town", str(town)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert isinstance(row, dict)
    return row


def versions(servers: Servers) -> list[int]:
    return [server.host.describe()["version"] for server in servers.values()]


def test_one_bad_step_is_skipped_by_every_stage_and_the_run_goes_on(
    servers: Servers,
    monitor: MonitorWorker,
    tmp_path: Path,
    town_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    poison(monkeypatch, servers["body-1"], lambda prepared: prepared == 4)

    assert train(tmp_path, town_root) == 0
    said = capsys.readouterr().err
    monitor.stop()
    states = [(row["state"], row["reason"]) for row in job(town_root, capsys)["transitions"]]

    assert [
        record.get("skipped", False) for record in RunDirectory(tmp_path / "swarm" / "training").metrics()
    ] == [step == 4 for step in range(1, 11)]
    assert versions(servers) == [9, 9, 9]
    assert "step 3 skipped, no weight moved: " in said
    assert "skipped 1 of at most 3 steps in a row" in said
    degraded = states.index(("degraded", "step 4 was skipped: its loss or gradients are not finite"))
    assert states[degraded + 1] == ("training", "a step was made again")
    assert states[-1][0] == "done"
    assert said.count("Training loss: ") == 10
    assert (monitor.step, monitor.failed_at) == (10, None)
    assert monitor.checkpoints == dict.fromkeys(STAGES, 10)


def test_three_in_a_row_end_the_job_and_keep_a_checkpoint_to_go_on_from(
    servers: Servers,
    monitor: MonitorWorker,
    tmp_path: Path,
    town_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        poison(patch, servers["tail-2"], lambda prepared: prepared > 6)
        code = train(tmp_path, town_root)
    failed = capsys.readouterr().err
    states = [row["state"] for row in job(town_root, capsys)["transitions"]]
    state = RunDirectory(tmp_path / "swarm" / "training").newest_state()
    at = versions(servers)
    again = train(tmp_path, town_root)
    said = capsys.readouterr().err
    monitor.stop()

    assert code == 75
    assert "3 steps in a row were not finite up to step 9" in failed.splitlines()[-1]
    assert "Training job failed: step 9" in failed.splitlines()
    assert states[-4:] == ["degraded", "checkpointing", "training", "failed"]
    assert state is not None
    assert state.name == "step_9"
    assert at == [6, 6, 6]
    assert again == 0
    assert "Checkpoint resume triggered: step 9" in said.splitlines()
    assert (monitor.failed_at, monitor.step) == (9, 10)
    assert monitor.checkpoints == dict.fromkeys(STAGES, 10)
    assert versions(servers) == [7, 7, 7]
