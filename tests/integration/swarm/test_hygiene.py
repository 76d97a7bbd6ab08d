# SPDX-License-Identifier: Apache-2.0
"""A peer leaves no process, socket, file or thread, however it ends."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.errors import ConfigError, SwarmTimeout
from node0.swarm.peer.peer import Peer, PeerSettings

pytestmark = pytest.mark.integration

HOLD = """
import sys
from pathlib import Path
from node0.swarm.peer.peer import Peer, PeerSettings
peer = Peer(PeerSettings(Path(sys.argv[1]), initial_peers=sys.argv[2:]))
print(peer.peer_id, *peer.addresses, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="n-") as root:
        yield Path(root) / ".sockets"


def test_a_peer_that_closes_leaves_nothing(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = set(Path("/dev/shm").glob(f"*{os.getpid()}*"))
    threads = set(threading.enumerate())
    handles = _handles()

    for _ in range(2):
        peer = Peer(PeerSettings(run_dir / "a"))
        other = Peer(PeerSettings(run_dir / "b", initial_peers=peer.addresses))
        assert len(_processes(run_dir)) == 4
        peer.serve("node0.test/1", _answer)
        other.run(_ask(other, peer), timeout=20.0)
        other.close()
        peer.close()
        peer.close()

    assert _processes(run_dir) == []
    assert not run_dir.exists()
    assert list(tmp_path.iterdir()) == []
    assert set(Path("/dev/shm").glob(f"*{os.getpid()}*")) == shared
    _wait_until(lambda: set(threading.enumerate()) <= threads)
    _wait_until(lambda: _handles() <= handles + 2)


def test_a_process_that_is_killed_leaves_no_daemon_and_no_socket(run_dir: Path) -> None:
    spared = Peer(PeerSettings(run_dir / "b"))
    try:
        with PeerElsewhere(run_dir / "a", *spared.addresses) as killed:
            assert len(_processes(run_dir / "a")) == 3
            with pytest.raises(ConfigError, match=f"process {killed.process.pid} already runs"):
                Peer(PeerSettings(run_dir / "a"))

            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait()

            _wait_until(lambda: not _processes(run_dir / "a"))
            _wait_until(lambda: not (run_dir / "a").exists())
        assert len(_processes(run_dir / "b")) == 2
        assert list((run_dir / "b").glob("p2pd-*.sock"))
        assert spared.addresses
    finally:
        spared.close()
    assert not run_dir.exists()


def test_a_place_that_is_taken_again_at_once_keeps_its_sockets(run_dir: Path) -> None:
    with PeerElsewhere(run_dir / "a") as killed:
        killed.process.kill()
        killed.process.wait()
        peer = Peer(PeerSettings(run_dir / "a"))
        try:
            _wait_until(lambda: len(_processes(run_dir)) == 2)
            assert len(list((run_dir / "a").glob("p2pd-*.sock"))) == 1
            assert peer.addresses
        finally:
            peer.close()


@pytest.mark.parametrize("address", ["/ip4/203.0.113.7/tcp/0", "nonsense"])
def test_an_address_that_cannot_be_listened_on_is_refused_in_one_line(run_dir: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen on") as caught:
        Peer(PeerSettings(run_dir / "a", host_maddrs=[address]))

    assert "\n" not in str(caught.value)
    _wait_until(lambda: _processes(run_dir) == [])
    assert not run_dir.exists()


def test_initial_peers_that_are_not_there_do_not_stop_a_peer(run_dir: Path) -> None:
    gone = Peer(PeerSettings(run_dir / "a"))
    addresses = gone.addresses
    gone.close()

    peer = Peer(PeerSettings(run_dir / "b", initial_peers=addresses))

    try:
        with pytest.raises(SwarmTimeout, match="cannot be reached for x"):
            peer.run(peer.open(gone.peer_id, "x", addresses), timeout=20.0)
    finally:
        peer.close()


@pytest.mark.parametrize("addresses", [True, False])
def test_a_dial_that_fails_leaves_no_connection_to_the_daemon(run_dir: Path, *, addresses: bool) -> None:
    gone, peer = Peer(PeerSettings(run_dir / "a")), Peer(PeerSettings(run_dir / "b"))
    at = gone.addresses if addresses else ()
    gone.close()
    gc.collect()
    gc.disable()
    try:
        handles = _handles()
        for _ in range(5):
            with pytest.raises(SwarmTimeout, match="cannot be reached for x"):
                peer.run(peer.open(gone.peer_id, "x", at), timeout=20.0)
        _wait_until(lambda: _handles() <= handles)
    finally:
        gc.enable()
        peer.close()


class PeerElsewhere:
    """A process that holds a peer, until it is left."""

    def __init__(self, directory: Path, *initial: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HOLD, str(directory), *initial],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> "PeerElsewhere":
        assert self.process.stdout is not None
        _, self.address, *_ = self.process.stdout.readline().decode().split()
        return self

    def __exit__(self, *error: object) -> None:
        with self.process:
            self.process.kill()


async def _answer(stream: object) -> None:
    return None


async def _ask(peer: Peer, other: Peer) -> None:
    stream = await peer.open(other.peer_id, "node0.test/1")
    assert await stream.receive() is None
    stream.close()


def _handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _processes(directory: Path) -> list[int]:
    """Processes that name the directory in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(directory) in words:
            found.append(int(path.name))
    return found


def _wait_until(holds: object, *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:  # type: ignore[operator]  # a callable
        time.sleep(0.05)
    assert holds()  # type: ignore[operator]  # a callable
