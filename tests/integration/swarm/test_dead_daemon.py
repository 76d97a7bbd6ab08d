# SPDX-License-Identifier: Apache-2.0
"""A peer whose daemon was killed comes back at its address, or says that it is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from integration.swarm.processes import SERVER, daemons, descendants, init, is_alive, place, wait_until

from node0.errors import SwarmTimeout
from node0.swarm.peer import peer as peer_module
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.identity import make_identity
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.sockets import socket_directory
from node0.swarm.transport.stream import Stream

pytestmark = pytest.mark.integration

NEXT_HANGS = """
import sys
from node0.run_server import main
from node0.swarm.transport import daemon

first, make = [True], daemon._guarded
stopping = "import os, signal, sys; os.kill(os.getpid(), signal.SIGSTOP); os.execv(sys.argv[1], sys.argv[1:])"

def guarded(directory):
    made = make(directory)
    words, still = made._make_process_args, [] if first and first.pop() else [sys.executable, "-c", stopping]
    made._make_process_args = staticmethod(lambda *given, **more: [*still, *words(*given, **more)])
    return made

daemon._guarded = guarded
sys.exit(main())
"""
"A stage whose first daemon runs, and whose next ones stand still, with their guards, before they begin."


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Peer, Peer]]:
    """One that serves, and one that knows its address."""
    keys = [make_identity(tmp_path / f"{name}.key") for name in "ab"]
    assert len({key.peer_id for key in keys}) == 2
    with (
        closing(Peer(PeerSettings(tmp_path / "a", tmp_path / "a.key"))) as first,
        closing(
            Peer(PeerSettings(tmp_path / "b", tmp_path / "b.key", initial_peers=first.addresses))
        ) as other,
    ):
        yield first, other


def test_it_serves_again_at_the_same_address(
    pair: tuple[Peer, Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long a daemon may take is the matter of the tests below: here others run beside.
    monkeypatch.setattr(peer_module, "RESTART_SECONDS", 60.0)
    first, other = pair
    addresses = first.addresses
    first.serve("node0.echo/1", _echo)
    assert other.run(_ask(other, first.peer_id, addresses), timeout=20.0) == "echo"
    lost: list[int] = []
    first.when_lost(lambda: lost.append(1))

    for daemon in daemons(tmp_path / "a"):
        os.kill(daemon, signal.SIGKILL)

    assert wait_until(lambda: _answers(other, first.peer_id, addresses), 90.0)
    assert wait_until(lambda: other.store("key", "mine", 5, seconds=60.0), 30.0)
    assert wait_until(lambda: first.get("key") == {"mine": 5}, 30.0)
    assert (lost, first.fault, first.addresses) == ([], None, addresses)


def test_a_stage_that_cannot_have_its_daemon_back_ends_with_75(tmp_path: Path) -> None:
    run, key = tmp_path / "run", tmp_path / "run" / "identities" / "solo-0.key"
    sockets = socket_directory(run, "solo-0")
    init(place(tmp_path), run, "--stages", "1")
    command = [*SERVER, "--run", str(run), "--identity-path", str(key)]
    with subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as stage:
        try:
            assert stage.stderr is not None
            for line in stage.stderr:
                if line.startswith("Server started"):
                    break
            below = descendants(stage.pid)
            key.unlink()
            key.mkdir()
            os.kill(daemons(sockets)[0], signal.SIGKILL)
            killed = time.monotonic()

            said = stage.communicate(timeout=60)[1]
            seconds = time.monotonic() - killed
        finally:
            stage.kill()

    assert stage.returncode == 75, said
    assert "the daemon of peer" in said.splitlines()[-1]
    # Ten seconds where nothing else runs; a stage that does not notice lives on for ever.
    assert seconds < 40.0
    assert not any(map(is_alive, below))
    assert not sockets.exists()


def test_a_stage_whose_next_daemon_hangs_ends_with_75_and_leaves_nothing(tmp_path: Path) -> None:
    run, key = tmp_path / "run", tmp_path / "run" / "identities" / "solo-0.key"
    sockets = socket_directory(run, "solo-0")
    init(place(tmp_path), run, "--stages", "1")
    command = [sys.executable, "-c", NEXT_HANGS, "--run", str(run), "--identity-path", str(key)]
    hanging: set[int] = set()
    with subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as stage:
        try:
            assert stage.stderr is not None
            for line in stage.stderr:
                if line.startswith("Server started"):
                    break
            below = set(descendants(stage.pid))
            os.kill(daemons(sockets)[0], signal.SIGKILL)
            while not hanging and stage.poll() is None:
                hanging |= set(descendants(stage.pid)) - below
            said = stage.communicate(timeout=60)[1]
        finally:
            stage.kill()
            for pid in hanging:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    assert hanging
    assert stage.returncode == 75, said
    assert "no answer within" in said.splitlines()[-1]
    assert wait_until(lambda: not any(map(is_alive, below | hanging)), 30.0)
    assert not sockets.exists()


async def _echo(stream: Stream) -> None:
    frame = await stream.receive()
    assert frame is not None
    await stream.send(frame)


async def _ask(peer: Peer, remote: str, addresses: list[str]) -> str | None:
    stream = await peer.open(remote, "node0.echo/1", addresses)
    try:
        await stream.send(Frame("echo"))
        frame = await stream.receive()
        return None if frame is None else frame.kind
    except OSError:
        return None
    finally:
        stream.close()


def _answers(peer: Peer, remote: str, addresses: list[str]) -> bool:
    try:
        return peer.run(_ask(peer, remote, addresses), timeout=5.0) == "echo"
    except SwarmTimeout:
        return False
