# SPDX-License-Identifier: Apache-2.0
"""Trainers that are killed or interrupted: what goes on, what is left, and what the next one makes of it."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.swarm.processes import (
    TRAINER,
    commands,
    daemons,
    descendants,
    finetune,
    init,
    is_alive,
    kill,
    place,
    stages,
    start,
    wait_until,
)

from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

ADAPTER = "adapter_model.safetensors"
LONG = {"max_steps": 40, "checkpoint_every_n_steps": 4, "eval_every_n_steps": 40}


@contextmanager
def trainer(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A trainer that runs until it is ended."""
    with subprocess.Popen([*TRAINER, *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_up_to(process: "subprocess.Popen[str]", step: int) -> None:
    """Read what a trainer says until it has done this step."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(f'{{"step": {step},'):
            return
    pytest.fail(f"the trainer ended before step {step}: {''.join(said[-5:])}")


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Ctrl-C; the rest of what it says."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)[1]


def test_a_trainer_that_is_interrupted_and_then_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    file = place(tmp_path, **LONG)
    run, many = tmp_path / "swarm", tmp_path / "many"
    init(file, run, "--stages", "3", "--checkpoint-dir", str(many))
    assert main(["--config", str(file)]) == 0

    with stages(run, ["head-0", "body-1", "tail-2"]) as running:
        with trainer("--swarm", "--run", str(run)) as first:
            read_up_to(first, 2)
            said = interrupt(first)
        with trainer("--swarm", "--run", str(run)) as second:
            read_up_to(second, 14)
            kill(second)
            last = max(
                [14, *map(int, re.findall(r'^{"step": (\d+),', second.communicate()[1], re.MULTILINE))]
            )
        state = RunDirectory(many).newest_state()
        third = finetune("--swarm", "--run", str(run))
        alive = [process.poll() for process in running.values()]

    assert first.returncode == 130
    assert "run again to go on" in said
    assert state is not None
    # Every fourth step is kept: the last one of them is, or was under way, when it was killed.
    assert state.name in (f"step_{(last - 1) // 4 * 4}", f"step_{(last - 1) // 4 * 4 + 4}")
    assert third.returncode == 0, third.stderr
    assert f"Checkpoint resume triggered: step {state.name[5:]}" in third.stderr.splitlines()
    assert alive == [None, None, None]
    assert (many / ADAPTER).read_bytes() == (tmp_path / "run" / ADAPTER).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_of_a_local_swarm_outlives_its_supervisor(tmp_path: Path, number: signal.Signals) -> None:
    members = ("head-0", "body-1", "tail-2", "trainer")
    sockets = [socket_directory(tmp_path / "run" / "swarm", name) for name in members]
    file = place(tmp_path, max_steps=4000, checkpoint_every_n_steps=2000, eval_every_n_steps=4000)
    with trainer("--config", str(file), "--local-swarm", "3") as supervisor:
        read_up_to(supervisor, 2)
        below = descendants(supervisor.pid)
        assert all(each.is_dir() for each in sockets)

        supervisor.send_signal(number)
        code = supervisor.wait(60)
        ended = time.monotonic()
        assert wait_until(lambda: not any(map(is_alive, below)), 30.0), commands(below)
        assert wait_until(lambda: not any(each.exists() for each in sockets), 30.0)
        seconds = time.monotonic() - ended

    # Three stages, a guard and a daemon for each of the four peers, and what renders templates.
    assert len(below) == 12
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert seconds < 5.0
    if number != signal.SIGKILL:
        state = RunDirectory(tmp_path / "run").newest_state()
        assert state is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_for_a_lost_stage_leaves_at_the_first_signal_and_keeps_what_there_is(
    tmp_path: Path, number: signal.Signals
) -> None:
    file = place(tmp_path, **{**LONG, "max_steps": 40, "checkpoint_every_n_steps": 40})
    run, many = tmp_path / "swarm", tmp_path / "many"
    init(file, run, "--stages", "3", "--checkpoint-dir", str(many))
    tree = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**tree, "backup_every": 3}))
    assert main(["--config", str(file)]) == 0

    with stages(run, ["head-0", "body-1", "tail-2"]) as running:
        with trainer("--swarm", "--run", str(run)) as first:
            read_up_to(first, 8)
            kill(running["body-1"])
            said = read_until(first, "waiting for")
            asked = time.monotonic()
            first.send_signal(number)
            said += first.communicate(timeout=60)[1]
            seconds = time.monotonic() - asked
        running["body-1"] = start(run, "body-1")
        second = finetune("--swarm", "--run", str(run))

    assert first.returncode == 130, said
    # A lost stage is waited for during five minutes.
    assert seconds < 30.0
    kept = re.search(r"step (\d+) is kept; run again to go on from it", said)
    # A state is fetched every three steps; the stage was killed at step 8 or later.
    assert kept is not None and int(kept[1]) >= 6, said
    assert second.returncode == 0, second.stderr
    assert f"Checkpoint resume triggered: step {kept[1]}" in second.stderr.splitlines()
    assert (many / ADAPTER).read_bytes() == (tmp_path / "run" / ADAPTER).read_bytes()


def test_a_trainer_whose_daemon_was_killed_for_good_obeys_the_first_sigterm_and_loses_nothing(
    tmp_path: Path,
) -> None:
    run = tmp_path / "swarm"
    init(place(tmp_path, **LONG), run, "--stages", "1")
    key, sockets = run / "identities" / "trainer.key", socket_directory(run, "trainer")
    kept = key.read_bytes()
    with stages(run, ["solo-0"]):
        with trainer("--swarm", "--run", str(run)) as first:
            read_until(first, "collected the checkpoint of step 8 ")
            below = descendants(first.pid)
            key.unlink()
            key.mkdir()  # no other daemon can be this peer
            for daemon in daemons(sockets):
                os.kill(daemon, signal.SIGKILL)
            asked = time.monotonic()
            first.terminate()
            said = first.communicate(timeout=100)[1]
            seconds = time.monotonic() - asked
        key.rmdir()
        key.write_bytes(kept)
        key.chmod(0o600)
        second = finetune("--swarm", "--run", str(run))

    assert first.returncode in (75, 130), said
    # A second where nothing else runs; once it was two minutes.
    assert seconds < 45.0
    assert wait_until(lambda: not any(map(is_alive, below)), 20.0)
    assert not sockets.exists()
    assert second.returncode == 0, second.stderr
    resumed = re.search(r"Checkpoint resume triggered: step (\d+)", second.stderr)
    assert resumed is not None and int(resumed[1]) >= 8, second.stderr


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What a trainer says up to a line with these words."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return "".join(said)
    pytest.fail(f"the trainer ended: {''.join(said[-5:])}")
