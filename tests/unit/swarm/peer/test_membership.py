# SPDX-License-Identifier: Apache-2.0
import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from node0.errors import SwarmTimeout
from node0.security.signature import peer_id_of
from node0.swarm.peer import membership
from node0.swarm.peer.membership import KEPT, LIVES, Announcer, find_members, find_records
from node0.swarm.records.members import members_key, seal_member

KEY = generate_private_key(public_exponent=65537, key_size=2048)
ME = peer_id_of(KEY.public_key())
RUN = "run"


class FakePeer:
    """A peer on a loop of its own, with a DHT of one key."""

    peer_id, addresses = ME, ("/ip4/127.0.0.1/tcp/4100",)

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.records: dict[str, tuple[bytes, float]] = {}
        self.faults: list[Exception] = []
        self.puts = threading.Semaphore(0)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    async def greet(self) -> int:
        if self.faults:
            raise self.faults.pop()
        return 1

    async def put_until(self, key: str, subkey: str, value: bytes, *, until: float) -> bool:
        assert key == members_key(RUN)
        self.records[subkey] = value, until
        self.puts.release()
        return True

    async def look_up(self, key: str) -> Mapping[Any, Any]:
        return (
            {subkey: value for subkey, (value, _) in self.records.items()} if key == members_key(RUN) else {}
        )

    def close(self) -> None:
        async def settle() -> None:
            await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(settle(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(membership, "RENEW_EVERY", 0.01)
    made = FakePeer()
    yield made
    made.close()


def test_a_host_is_announced_again_and_again_until_it_leaves(peer: Any) -> None:
    steps = iter(range(10_000))
    announcer = Announcer(
        peer, run_id=RUN, key=KEY, describe=lambda: {"time": time.time(), "step": next(steps)}
    )
    assert all(peer.puts.acquire(timeout=5) for _ in range(3))
    announcer.close()
    peer.loop.call_soon_threadsafe(lambda: None)
    time.sleep(0.05)
    said = len(peer.records)

    (found,) = asyncio.run(find_members(peer, run_id=RUN, allowed={ME}))

    assert said == 1 and found.peer_id == ME and found.addresses == list(peer.addresses)
    assert found.about["step"] >= 2
    assert peer.records[ME][1] == pytest.approx(time.time() + KEPT, abs=60)


def test_a_record_that_cannot_be_renewed_is_renewed_later(
    peer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    peer.faults = [OSError("no route"), SwarmTimeout("nobody there")]

    announcer = Announcer(peer, run_id=RUN, key=KEY, describe=lambda: {"time": 1.0})
    assert peer.puts.acquire(timeout=5)
    announcer.close()

    assert [line.rpartition(": ")[2] for line in caplog.messages] == ["nobody there", "no route"]


def test_who_was_silent_for_long_is_known_and_not_there(peer: Any) -> None:
    content = {"addresses": [], "about": {"time": time.time() - LIVES - 1}}
    sealed = seal_member(content, key=KEY, run_id=RUN, until=2e9)
    peer.records[ME] = sealed, 2e9

    assert asyncio.run(find_members(peer, run_id=RUN, allowed=None)) == []
    assert [each.peer_id for each in asyncio.run(find_records(peer, run_id=RUN, allowed=None))] == [ME]
    assert asyncio.run(find_records(peer, run_id=RUN, allowed={"another"})) == []
