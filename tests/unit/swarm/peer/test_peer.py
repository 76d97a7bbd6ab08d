# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hivemind.p2p import PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure

from node0.errors import ConfigError, SwarmTimeout
from node0.swarm.peer import peer as module
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.restart_limit import MOST_STARTS
from node0.swarm.transport.guard import GRACE

ID = PeerID(bytes([18, 32]) + bytes([5]) * 32)
OTHER = PeerID(bytes([18, 32]) + bytes([6]) * 32).to_base58()


class FakeDaemon:
    """hivemind's client of a daemon; nobody else is there."""

    peer_id = ID

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {}
        self.is_shut_down = False
        self.ended = asyncio.Event()
        self.dialled: list[Any] = []
        self._client = SimpleNamespace(connect=self._connect)

    async def _connect(self, peer: PeerID, addresses: Sequence[Any]) -> None:
        self.dialled += map(str, addresses)

    async def call_binary_stream_handler(self, peer: PeerID, name: str) -> Any:
        raise ControlFailure("failed to dial\n  all dials failed")

    async def add_binary_stream_handler(self, name: str, handler: Any) -> None:
        self.handlers[name] = handler

    async def get_visible_maddrs(self, *, latest: bool) -> list[str]:
        return [f"/ip4/127.0.0.1/tcp/4100/p2p/{ID.to_base58()}"]

    async def shutdown(self) -> None:
        self.is_shut_down = True


class FakeDht:
    """A part of the DHT that remembers."""

    def __init__(self) -> None:
        self.records: dict[str, dict[Any, Any]] = {}
        self.greeted: list[str] = []
        self.is_alone = False
        self.fault: Exception | None = None
        self.slowness = 0.0

    async def greet(self, addresses: Sequence[str]) -> int:
        self.greeted += addresses
        await asyncio.sleep(self.slowness)
        if self.fault is not None:
            raise self.fault
        return len(addresses)

    async def put(self, key: str, subkey: Any, value: Any, *, until: float) -> bool:
        self.records.setdefault(key, {})[subkey] = value
        return True

    async def look_up(self, key: str) -> dict[Any, Any]:
        return self.records.get(key, {})

    async def stop(self) -> None:
        return None


class Border:
    """What starts in place of a daemon and a node."""

    def __init__(self) -> None:
        self.daemon, self.dht = FakeDaemon(), FakeDht()
        self.fault: Exception | None = None
        self.started = 0

    async def start_daemon(self, socket_dir: Path, **settings: Any) -> FakeDaemon:
        self.settings = settings
        if self.fault is not None:
            raise self.fault
        self.started += 1
        self.daemon = FakeDaemon()
        return self.daemon

    async def daemon_end(self, daemon: FakeDaemon) -> int:
        await daemon.ended.wait()
        return -9

    def kill(self, peer: Peer) -> None:
        peer.loop.call_soon_threadsafe(self.daemon.ended.set)

    async def start_node(self, p2p: Any, **_: Any) -> FakeDht:
        return self.dht


@pytest.fixture
def border(monkeypatch: pytest.MonkeyPatch) -> Border:
    made = Border()
    monkeypatch.setattr(module, "start_daemon", made.start_daemon)
    monkeypatch.setattr(module, "daemon_end", made.daemon_end)
    monkeypatch.setattr(module.DhtNode, "start", made.start_node)
    return made


def test_a_peer_joins_serves_and_leaves_nothing(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s", initial_peers=["a", "b"]))
    address = peer.addresses[0]
    stored = peer.store("key", "mine", 5, seconds=9.0)
    found = peer.get("key")
    peer.close()
    peer.close()

    assert peer.peer_id == ID.to_base58() and address.endswith(peer.peer_id)
    assert (stored, found, border.dht.greeted) == (True, {"mine": 5}, ["a", "b"])
    assert border.daemon.is_shut_down and not (tmp_path / "s").exists()
    assert "node0-peer" not in [thread.name for thread in threading.enumerate()]


def test_a_socket_directory_has_one_peer(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s"))
    with pytest.raises(ConfigError, match="already runs with"):
        Peer(PeerSettings(tmp_path / "s"))
    peer.close()

    Peer(PeerSettings(tmp_path / "s")).close()


def test_a_peer_that_cannot_listen_leaves_nothing(border: Border, tmp_path: Path) -> None:
    border.fault = ConfigError("cannot listen")

    with pytest.raises(ConfigError, match="cannot listen"):
        Peer(PeerSettings(tmp_path / "s"))
    assert not (tmp_path / "s").exists()
    assert "node0-peer" not in [thread.name for thread in threading.enumerate()]


def test_a_peer_that_fails_while_it_joins_leaves_nothing(border: Border, tmp_path: Path) -> None:
    border.dht.fault = RuntimeError("what nobody thought of")

    with pytest.raises(RuntimeError, match="what nobody thought of"):
        Peer(PeerSettings(tmp_path / "s", initial_peers=["a"]))
    assert border.daemon.is_shut_down and not (tmp_path / "s").exists()
    assert "node0-peer" not in [thread.name for thread in threading.enumerate()]


def test_a_peer_is_made_although_nobody_answers_in_time(
    border: Border, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GREET_SECONDS", 0.01)
    border.dht.slowness = 60.0

    with closing(Peer(PeerSettings(tmp_path / "s", initial_peers=["a"]))) as peer:
        assert peer.addresses
    assert border.daemon.is_shut_down and not (tmp_path / "s").exists()


def test_a_peer_that_knows_nobody_greets_again_before_it_stores_or_looks(
    border: Border, tmp_path: Path
) -> None:
    with closing(Peer(PeerSettings(tmp_path / "s", initial_peers=["a"]))) as peer:
        peer.store("key", "mine", 5, seconds=9.0)
        peer.get("key")
        assert border.dht.greeted == ["a"]
        border.dht.is_alone = True
        peer.store("key", "mine", 6, seconds=9.0)
        assert border.dht.greeted == ["a", "a"]
        assert peer.get("key") == {"mine": 6}
        assert border.dht.greeted == ["a", "a", "a"]


def test_a_call_that_takes_too_long_is_cancelled(border: Border, tmp_path: Path) -> None:
    peer, cancelled = Peer(PeerSettings(tmp_path / "s")), threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(SwarmTimeout, match=r"no answer from the swarm within 0\.05 s"):
        peer.run(forever(), timeout=0.05)
    assert cancelled.wait(5)
    peer.close()


def test_a_peer_that_is_not_there_is_one_line(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s"))
    opening = peer.open(OTHER, "node0.x/1", [f"/ip4/127.0.0.1/tcp/9/p2p/{OTHER}"])

    with pytest.raises(
        SwarmTimeout, match=r"cannot be reached for node0\.x/1: failed to dial all dials"
    ) as caught:
        peer.run(opening, timeout=5.0)
    with pytest.raises(SwarmTimeout, match="peer nonsense cannot be reached"):
        peer.run(peer.open("nonsense", "node0.x/1"), timeout=5.0)
    peer.close()

    assert "\n" not in str(caught.value)
    assert border.daemon.dialled == ["/ip4/127.0.0.1/tcp/9"]


def test_streams_of_who_is_not_allowed_reach_no_handler(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s", allowed=frozenset([OTHER])))
    served: list[str] = []

    async def handler(stream: Any) -> None:
        served.append(stream.remote)

    peer.serve("node0.x/1", handler)
    writer: Any = SimpleNamespace(close=lambda: None)
    for remote in (ID, PeerID.from_base58(OTHER)):
        info = SimpleNamespace(peer_id=remote)
        peer.run(border.daemon.handlers["node0.x/1"](info, None, writer), timeout=5.0)
    peer.close()

    assert served == [OTHER]


def test_a_daemon_that_ended_is_started_again_with_what_was_served(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s", tmp_path / "key", initial_peers=["a"]))
    back, lost = threading.Event(), threading.Event()
    peer.when_back(back.set)
    peer.when_lost(lost.set)

    async def handler(stream: Any) -> None:
        return None

    peer.serve("node0.x/1", handler)
    former = border.daemon
    border.kill(peer)

    assert back.wait(5)
    assert former.is_shut_down and border.daemon is not former
    assert (border.started, list(border.daemon.handlers)) == (2, ["node0.x/1"])
    assert border.settings["host_maddrs"] == ["/ip4/127.0.0.1/tcp/4100"], (
        "the port of before, not another one"
    )
    assert border.dht.greeted == ["a", "a"]
    assert not lost.is_set() and peer.fault is None
    peer.close()


def test_a_daemon_that_ends_again_and_again_is_given_up(border: Border, tmp_path: Path) -> None:
    peer = Peer(PeerSettings(tmp_path / "s", tmp_path / "key"))
    back, lost = threading.Semaphore(0), threading.Event()
    peer.when_back(back.release)
    peer.when_lost(lost.set)
    for _ in range(MOST_STARTS - 1):
        border.kill(peer)
        assert back.acquire(timeout=5)
    border.kill(peer)

    assert lost.wait(5)
    assert str(peer.fault).endswith("is lost: it ended too often, the last time with code -9; start again")
    peer.close()


@pytest.mark.parametrize("key", [None, "key"])
def test_a_peer_whose_daemon_cannot_come_back_says_so_at_once(
    border: Border, tmp_path: Path, key: str | None
) -> None:
    peer = Peer(PeerSettings(tmp_path / "s", tmp_path / key if key else None))
    border.fault, lost = ConfigError("cannot listen on it"), threading.Event()
    border.kill(peer)
    peer.when_lost(lost.set)

    assert lost.wait(5)
    assert ("cannot listen on it" if key else "has no key to come back with") in str(peer.fault)
    lost.clear()
    peer.when_lost(lost.set)
    assert lost.is_set(), "whoever asks later is told as well"
    peer.close()


def test_a_daemon_is_back_or_its_peer_is_gone_within_ten_seconds() -> None:
    assert module.RESTART_SECONDS + module.LEAVE_SECONDS + GRACE <= 10.0
