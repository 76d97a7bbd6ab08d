# SPDX-License-Identifier: Apache-2.0
import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from node0.errors import ConfigError
from node0.server.host import shard_store
from node0.server.host.shard_store import ShardSettings, ShardStore
from node0.server.stage.shard_file import ShardFacts
from node0.swarm.records.shards import open_announcement
from node0.swarm.run.identity import Identity, make_identity

BASE = "b" * 64


class FakePeer:
    """Keeps what is put into the DHT."""

    def __init__(self, identity: Identity) -> None:
        self.peer_id = identity.peer_id
        self.addresses = ["/ip4/127.0.0.1/tcp/4100"]
        self.loop = asyncio.new_event_loop()
        self.records: dict[str, bytes] = {}
        self.takes = True
        self.return_calls: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def put(self, key: str, subkey: str, value: bytes, *, seconds: float) -> bool:
        self.records[key] = value
        return self.takes

    def when_back(self, call: Callable[[], None]) -> None:
        self.return_calls.append(call)

    def settle(self) -> None:
        """Wait for what was put so far."""
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), self.loop).result(20.0)

    def close(self) -> None:
        self.settle()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20.0)
        self.loop.close()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("keys") / "peer.key")


@pytest.fixture
def peer(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePeer]:
    made = FakePeer(identity)
    monkeypatch.setattr(shard_store, "serve_shards", lambda _, find, readers: setattr(made, "find", find))
    yield made
    made.close()


def store_at(directory: Path, peer: Any, identity: Identity) -> ShardStore:
    return ShardStore(peer, identity, ShardSettings("harbor", directory, keep=2))


def save(store: ShardStore, step: int) -> shard_store.Held:
    facts = ShardFacts("solo-0", step, version=step, num_stages=1, base_digest=BASE)
    return store.save(facts, {"w.lora_A.default": torch.full((3,), float(step))})


def steps(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_saved_shard_is_announced_and_offered(
    tmp_path: Path, peer: Any, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    held = save(store_at(tmp_path, peer, identity), 4)
    peer.settle()

    found = open_announcement(peer.records["harbor_checkpoint_4_solo-0"])
    assert found.peer_id == identity.peer_id
    assert found.announcement.sha256 == held.sha256 == hashlib.sha256(held.path.read_bytes()).hexdigest()
    assert found.announcement.bytes == held.path.stat().st_size
    assert found.announcement.base_digest == BASE
    assert peer.find(held.sha256) == held.path
    assert peer.find("a" * 64) is None
    assert "Checkpoint saved: step 4 stage solo-0" in caplog.messages


def test_what_is_held_is_announced_again_after_the_daemon_came_back(
    tmp_path: Path, peer: Any, identity: Identity
) -> None:
    save(store_at(tmp_path, peer, identity), 4)
    peer.settle()
    peer.records.clear()
    for call in peer.return_calls:
        call()
    peer.settle()

    assert list(peer.records) == ["harbor_checkpoint_4_solo-0"]


def test_the_last_few_stay_and_the_others_are_offered_no_more(
    tmp_path: Path, peer: Any, identity: Identity
) -> None:
    store = store_at(tmp_path, peer, identity)
    first, *_ = [save(store, step) for step in (1, 2, 3)]

    assert steps(tmp_path) == ["step_2", "step_3"]
    assert peer.find(first.sha256) is None


def test_a_step_that_is_done_again_replaces_its_future(tmp_path: Path, peer: Any, identity: Identity) -> None:
    store = store_at(tmp_path, peer, identity)
    for step in (10, 20, 5):
        last = save(store, step)

    assert steps(tmp_path) == ["step_5"]
    assert peer.find(last.sha256) == last.path


def test_what_an_earlier_life_wrote_is_announced_again(
    tmp_path: Path, peer: Any, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    held = save(store_at(tmp_path, peer, identity), 4)
    (held.path.parent / "junk_lora.safetensors").write_bytes(b"junk")
    peer.settle()
    peer.records.clear()

    store_at(tmp_path, peer, identity)
    peer.settle()

    assert list(peer.records) == ["harbor_checkpoint_4_solo-0"]
    assert peer.find(held.sha256) == held.path
    assert "does not serve an old shard" in caplog.text


def test_a_shard_that_changed_on_the_disk_is_neither_announced_nor_offered(
    tmp_path: Path, peer: Any, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    held = save(store_at(tmp_path, peer, identity), 4)
    data = bytearray(held.path.read_bytes())
    data[-1] ^= 1
    held.path.write_bytes(data)
    peer.settle()
    peer.records.clear()

    store_at(tmp_path, peer, identity)
    peer.settle()

    assert peer.records == {}
    assert peer.find(held.sha256) is None
    assert "does not serve an old shard" in caplog.text
    assert "its content is not what was written" in caplog.text


def test_an_announcement_that_nobody_takes_is_told(
    tmp_path: Path, peer: Any, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    peer.takes = False
    save(store_at(tmp_path, peer, identity), 4)
    peer.settle()

    assert "no peer took the announcement" in caplog.text


def test_a_disk_that_takes_no_shard_is_an_error_in_one_line(
    tmp_path: Path, peer: Any, identity: Identity
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot write the checkpoint of step 4") as found:
        save(store_at(tmp_path / "file" / "x", peer, identity), 4)
    assert "\n" not in str(found.value)


def test_a_store_wants_the_key_of_its_own_peer(tmp_path: Path, peer: Any) -> None:
    with pytest.raises(ConfigError, match="give the peer's own"):
        store_at(tmp_path, peer, make_identity(tmp_path / "other.key"))
