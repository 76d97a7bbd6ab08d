# SPDX-License-Identifier: Apache-2.0
import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hivemind.p2p import PeerID

from node0.errors import FrameRefused
from node0.swarm.peer.dht_gate import BURST, CALL, MOST_REMEMBERED, RATE, Allowance, DhtGate

MEMBER, STRANGER = (PeerID(bytes([18, 32]) + bytes([number]) * 32) for number in (1, 2))


class FakeP2P:
    """hivemind's client of a daemon."""

    peer_id = "me"

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.left: list[PeerID] = []
        self._client = SimpleNamespace(disconnect=self._disconnect)

    async def add_protobuf_handler(self, name: str, handler: Any, *_: Any, **__: Any) -> None:
        self.handlers[name] = handler

    async def _disconnect(self, peer: PeerID) -> None:
        self.left.append(peer)
        raise OSError("it has gone by itself")


class Request:
    """A message of so many bytes."""

    def __init__(self, nbytes: int = 10) -> None:
        self.nbytes = nbytes

    def ByteSize(self) -> int:
        return self.nbytes


async def _answer(request: Any, context: Any) -> str:
    return "answered"


async def _asked(p2p: FakeP2P, remote: PeerID, nbytes: int = 10) -> str:
    try:
        return str(await p2p.handlers["ping"](Request(nbytes), SimpleNamespace(remote_id=remote)))
    except FrameRefused as error:
        return str(error)
    finally:
        await asyncio.sleep(0)


def _calls(allowed: frozenset[str] | None, *calls: tuple[PeerID, int]) -> tuple[FakeP2P, list[str]]:
    p2p: Any = FakeP2P()

    async def call() -> list[str]:
        gate = DhtGate(p2p, allowed)
        await gate.add_protobuf_handler("ping", _answer, object)
        assert gate.peer_id == "me"
        return [await _asked(p2p, *each) for each in calls]

    return p2p, asyncio.run(call())


def test_a_stranger_is_refused_told_of_once_and_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    p2p, answers = _calls(frozenset([MEMBER.to_base58()]), (STRANGER, 1), (MEMBER, 1), (STRANGER, 1))

    assert answers == ["this peer is not on the allow-list", "answered", "this peer is not on the allow-list"]
    assert p2p.left == [STRANGER, STRANGER]
    assert [line for line in caplog.messages if "refused" in line] == [
        f"peer {STRANGER.to_base58()} is not on the allow-list; its calls of the DHT are refused"
    ]


def test_without_a_list_everybody_may_call() -> None:
    p2p, answers = _calls(None, (STRANGER, 1), (MEMBER, 1))

    assert answers == ["answered", "answered"]
    assert p2p.left == []


def test_a_mad_member_is_refused_what_is_too_much_and_stays_connected() -> None:
    p2p, answers = _calls(frozenset([MEMBER.to_base58()]), (MEMBER, BURST), (MEMBER, 10), (MEMBER, 10))

    assert answers[0] == "answered"
    assert all("more than 256 KiB a second" in answer for answer in answers[1:])
    assert p2p.left == []


def test_a_share_fills_up_again_with_time() -> None:
    now = [0.0]
    allowance = Allowance(lambda: now[0])

    assert allowance.takes("a", BURST) and not allowance.takes("a", CALL)
    now[0] += CALL / RATE
    assert allowance.takes("a", CALL) and not allowance.takes("a", CALL)
    now[0] += 1e6
    assert allowance.takes("a", BURST) and not allowance.takes("a", 1)


def test_invented_callers_are_forgotten_again() -> None:
    allowance = Allowance(lambda: 0.0)
    for number in range(MOST_REMEMBERED + 5):
        allowance.takes(str(number), 1)

    assert len(allowance._left) == MOST_REMEMBERED
