# SPDX-License-Identifier: Apache-2.0
"""What `node0 doctor` finds in a run whose members are real peers."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node0.commands.doctor.doctor_options import main
from node0.server.host.hosted_stage import HostSpec
from node0.server.host.stage_host import StageHost
from node0.server.host.stage_spec import StagePlace
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import first_port, lay_out
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run of two stages that start from random weights."""
    slots = lay_out(2, replicas={}, spares=0, hosts={}, start=first_port(str(tmp_path)))
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")
    return tmp_path / "run"


class OtherHost(StageHost):
    """A host of another version, on another base, with a wrong clock."""

    def describe(self) -> dict[str, Any]:
        """What such a host would say."""
        return {**super().describe(), **self.lies, "time": time.time() + self.ahead}

    lies: dict[str, Any] = {}  # noqa: RUF012  # set on each instance
    ahead = 0.0


@contextmanager
def member(
    run_dir: Path, name: str, *, key: str | None = None, allowed: frozenset[str] | None = None
) -> Iterator[OtherHost]:
    """A member of the run, in this process."""
    run = read_run(run_dir)
    member = run.member(name)
    settings = PeerSettings(
        socket_directory(run_dir, name),
        identity_path=key_file(run_dir, key or name),
        host_maddrs=member.config.host_maddrs,
        allowed=run.allowed if allowed is None else allowed,
    )
    assert member.stage is not None
    peer = Peer(settings)
    host = OtherHost(peer, HostSpec(name, StagePlace(member.stage.index, run.num_stages), None))
    try:
        yield host
    finally:
        host.close()
        peer.close()


def findings(run_dir: Path, capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, dict[str, str]]:
    assert main(["--run", str(run_dir), "--json"]) == code
    return {row["check"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_run_whose_members_answer_is_fine(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with member(run_dir, "head-0"), member(run_dir, "tail-1"):
        rows = findings(run_dir, capsys, code=0)

    for name in ("head-0", "tail-1"):
        assert rows[f"port of {name}"]["found"].startswith("open at 127.0.0.1:")
        assert (rows[f"peer {name}"]["state"], rows[f"clock of {name}"]["state"]) == ("ok", "ok")
    assert rows["peer tail-1"]["found"] == "protocol 1, stage 1, version None"
    assert rows["sockets"]["found"] == "2 in use, none left behind"
    assert not (run_dir / ".sockets").exists()


def test_another_version_another_base_and_a_wrong_clock_are_named(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with member(run_dir, "head-0") as head, member(run_dir, "tail-1") as tail:
        head.lies, tail.lies = {"protocol": 99}, {"base_digest": "f" * 64}
        head.ahead, tail.ahead = -60.0, 60.0
        asked = time.monotonic()
        rows = findings(run_dir, capsys, code=1)
        took = time.monotonic() - asked

    assert rows["peer head-0"]["found"] == "it speaks protocol 99, and this program 1"
    assert "it holds base ffffffffffff" in rows["peer tail-1"]["found"]
    assert rows["clock of head-0"]["state"] == rows["clock of tail-1"]["state"] == "bad"
    # An answer was given at some time while it was waited for.
    for name, side in (("head-0", "behind"), ("tail-1", "ahead of")):
        seconds, _, rest = rows[f"clock of {name}"]["found"].partition(" ")
        assert 60.0 - took - 0.05 <= float(seconds) <= 60.0
        assert rest == f"s {side} this machine's"


def test_a_member_that_lets_nobody_in_is_named(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with member(run_dir, "head-0", allowed=frozenset()):
        rows = findings(run_dir, capsys, code=1)

    assert rows["peer head-0"]["found"] == "it refuses this observer"
    assert rows["port of tail-1"]["state"] == "ok"


def test_a_member_with_the_key_of_another_is_named(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with member(run_dir, "head-0", key="trainer"):
        rows = findings(run_dir, capsys, code=1)

    assert rows["peer head-0"]["found"] == "another peer answers there"
    assert "start head-0 with its own key" in rows["peer head-0"]["do"]


def test_without_the_observers_key_the_rest_is_still_checked(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key_file(run_dir, "observer").unlink()

    with member(run_dir, "head-0"):
        rows = findings(run_dir, capsys, code=0)

    assert rows["peers"]["state"] == "note"
    assert "node0 swarm init was run" in rows["peers"]["do"]
    assert not key_file(run_dir, "observer").exists()
