# SPDX-License-Identifier: Apache-2.0
"""`node0 swarm status` on a run whose members are real peers."""

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hivemind.dht.routing import DHTID
from integration.swarm.in_process import Recipe, batch, member, training
from integration.swarm.processes import SWARM, wait_until

from node0.commands.swarm.swarm_options import main
from node0.pipeline.protocol import TrainStep
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.node0_server import Node0Server
from node0.swarm.peer.dht_node import DhtNode
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.members import members_key
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run of two stages and a spare."""
    slots = lay_out(2, replicas={}, spares=1, hosts={}, start=first_port(str(tmp_path)))
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")
    return tmp_path / "run"


@contextmanager
def trainer(run_dir: Path) -> Iterator[SwarmPipeline]:
    """Leads the two stages."""
    run = read_run(run_dir)

    async def find() -> list[MemberSpec]:
        members = [run.member("head-0"), run.member("tail-1")]
        return [
            MemberSpec(member.peer_id, [str(each) for each in member.full_addresses], index)
            for index, member in enumerate(members)
        ]

    settings = PeerSettings(socket_directory(run_dir, "trainer"), key_file(run_dir, "trainer"))
    peer = Peer(settings)
    pipeline = SwarmPipeline(peer, SwarmSettings(2, find), training(RECIPE), max_grad_norm=1.0)
    try:
        yield pipeline
    finally:
        pipeline.close()
        peer.close()


def status(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert main(["status", str(run_dir), "--json"]) == 0
    return {row["member"]: row for row in json.loads(capsys.readouterr().out)}


def wait_for_record(keeper: Node0Server, run_dir: Path, name: str) -> None:
    """Until a member keeps another's record: it then outlives that other."""
    run = read_run(run_dir)
    key, whose = DHTID.generate(source=members_key(run.run_id)), run.member(name).peer_id

    async def is_kept() -> bool:
        held = keeper.peer._dht.node.protocol.storage.get(key)
        return held is not None and held.value.get(whose) is not None

    assert wait_until(lambda: keeper.peer.run(is_kept(), timeout=20.0), 60.0)


def test_it_tells_who_holds_what_and_who_is_missing_for_how_long(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        head = stack.enter_context(member(run_dir, "head-0"))
        tail = stack.enter_context(ExitStack())
        tail.enter_context(member(run_dir, "tail-1"))
        waiting = status(run_dir, capsys)
        pipeline = stack.enter_context(trainer(run_dir))
        for step in range(3):
            pipeline.train_step(batch(step), TrainStep(step, 1e-3))
        training = status(run_dir, capsys)
        wait_for_record(head, run_dir, "tail-1")
        gone = time.time()
        tail.close()
        without = status(run_dir, capsys)
        most = time.time() - gone + 10

    assert list(training) == ["head-0", "tail-1", "spare-0"]
    assert (waiting["tail-1"]["version"], waiting["tail-1"]["last_seen"]) == (None, 0.0)
    for name in ("head-0", "tail-1"):
        row = training[name]
        assert (row["stage"], row["version"], row["microbatches"], row["last_seen"]) == (name, 3, 18, 0.0)
        assert row["tokens_per_second"] == 0.0
        assert row["memory_bytes"] > 1 << 20
        assert row["peer"] == read_run(run_dir).member(name).peer_id
    assert (training["spare-0"]["stage"], training["spare-0"]["last_seen"]) == (None, None)
    assert without["head-0"]["last_seen"] == 0.0
    assert 0 < without["tail-1"]["last_seen"] < most
    assert without["tail-1"]["stage"] == "tail-1"
    assert "cannot be reached" in without["tail-1"]["problem"]


def test_it_counts_tokens_while_stages_work(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with member(run_dir, "head-0"), member(run_dir, "tail-1"), trainer(run_dir) as pipeline:
        command = subprocess.Popen(
            [*SWARM, "status", str(run_dir), "--once"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "600"},
        )
        step = 0
        while command.poll() is None:
            pipeline.train_step(batch(step), TrainStep(step, 1e-3))
            step += 1
        assert command.stdout is not None
        said = command.stdout.read()
        command.stdout.close()

    assert command.returncode == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    assert [row[0] for row in rows] == ["head-0", "tail-1", "spare-0"]
    assert [float(row[5].replace(",", "")) > 0 for row in rows[:2]] == [True, True]
    assert [row[7] for row in rows] == ["now", "now", "never"]


def test_on_a_terminal_the_table_is_renewed_until_it_is_interrupted(run_dir: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with member(run_dir, "head-0"):
        command = subprocess.Popen(
            [*SWARM, "status", str(run_dir), "--every", "0.5"],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        os.close(theirs)
        said = b""
        while said.count(b"head-0") < 3:
            said += os.read(ours, 4096)
        command.send_signal(signal.SIGINT)
        code = command.wait(30)
        os.close(ours)

    assert code == 130
    assert not list(run_dir.glob(".sockets/*"))


def test_without_the_observers_key_it_is_refused_in_one_line(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key_file(run_dir, "observer").unlink()

    assert main(["status", str(run_dir)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "observer.key" in line


def test_an_observer_that_met_nobody_when_it_came_asks_again(
    run_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    greet, came = DhtNode.greet, list[DhtNode]()

    async def busy_at_first(node: DhtNode, addresses: Sequence[str]) -> int:
        if node in came:
            return await greet(node, addresses)
        came.append(node)
        return 0

    with member(run_dir, "head-0") as head:
        with member(run_dir, "tail-1"):
            status(run_dir, capsys)
            wait_for_record(head, run_dir, "tail-1")
        monkeypatch.setattr(DhtNode, "greet", busy_at_first)
        found = status(run_dir, capsys)

    assert found["tail-1"]["last_seen"] is not None
    assert found["spare-0"]["last_seen"] is None
