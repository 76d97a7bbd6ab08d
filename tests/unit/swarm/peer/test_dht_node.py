# SPDX-License-Identifier: Apache-2.0
import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hivemind.dht.node import Blacklist
from hivemind.dht.protocol import DHTProtocol
from hivemind.dht.validation import DHTRecord, RecordValidatorBase
from hivemind.p2p import PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure

from node0.swarm.peer import dht_node
from node0.swarm.peer.dht_node import DhtNode

HERE, GONE, SILENT, CUT = (PeerID(bytes([18, 32]) + bytes([number]) * 32) for number in (1, 2, 3, 4))


class FakeNode:
    """hivemind's node: what is stored, whom it pings."""

    node_id = 7

    def __init__(self) -> None:
        self.stored: dict[tuple[str, Any], tuple[Any, float]] = {}
        self.searched: list[Any] = []
        table = SimpleNamespace(uid_to_peer_id=dict[int, PeerID]())
        self.protocol = SimpleNamespace(call_ping=self._ping, routing_table=table)
        self.blacklist = Blacklist(base_time=60.0, backoff_rate=2.0)
        self.is_shut_down = False
        self.last_reply = True

    async def _ping(self, peer: PeerID, *, validate: bool) -> object:
        return None if peer == SILENT else "pong"

    async def find_nearest_nodes(self, ids: list[int]) -> None:
        self.searched += ids

    async def store(self, key: str, value: Any, until: float, *, subkey: Any) -> bool:
        self.stored[key, subkey] = value, until
        return self.last_reply

    async def get(self, key: str, *, latest: bool) -> Any:
        assert latest
        if key == "plain":
            return SimpleNamespace(value="no subkeys")
        found = {
            subkey: SimpleNamespace(value=value)
            for (at, subkey), (value, _) in self.stored.items()
            if at == key
        }
        return SimpleNamespace(value=found) if found else None

    async def shutdown(self) -> None:
        self.is_shut_down = True


class FakeP2P:
    """hivemind's client of the daemon."""

    peer_id = HERE

    def __init__(self) -> None:
        self._client = SimpleNamespace(connect=self._connect)

    async def _connect(self, peer: PeerID, addresses: list[Any]) -> None:
        if peer == GONE:
            raise ControlFailure("nobody is there")
        if peer == CUT:
            raise asyncio.IncompleteReadError(b"", 1)


@pytest.fixture
def node() -> DhtNode:
    p2p: Any = FakeP2P()
    return DhtNode(p2p, FakeNode())


def _address(peer: PeerID) -> str:
    return f"/ip4/127.0.0.1/tcp/4100/p2p/{peer.to_base58()}"


def test_only_who_answers_is_greeted(node: DhtNode) -> None:
    addresses = [_address(peer) for peer in (HERE, GONE, SILENT, CUT)] + ["/ip4/127.0.0.1/tcp/1/p2p/0OIl"]

    assert asyncio.run(node.greet(addresses)) == 1
    assert node.node.searched == [7]


def test_without_an_answer_nothing_is_searched(node: DhtNode) -> None:
    assert asyncio.run(node.greet([_address(GONE)])) == 0
    assert asyncio.run(node.greet([])) == 0
    assert node.node.searched == []


def test_who_once_did_not_answer_in_time_is_asked_again_after_a_greeting(node: DhtNode) -> None:
    for peer in (HERE, SILENT):
        node.node.blacklist.register_failure(peer)

    asyncio.run(node.greet([_address(HERE), _address(SILENT)]))

    assert HERE not in node.node.blacklist
    assert SILENT in node.node.blacklist


def test_a_node_is_alone_until_it_knows_another(node: DhtNode) -> None:
    assert node.is_alone
    node.node.protocol.routing_table.uid_to_peer_id[8] = HERE
    assert not node.is_alone


def test_a_record_is_found_by_its_subkey(node: DhtNode) -> None:
    async def put_and_find() -> Any:
        assert await node.put("key", "mine", 5, until=9.0)
        assert await node.put("other", "mine", 6, until=9.0)
        return await node.look_up("key")

    assert asyncio.run(put_and_find()) == {"mine": 5}
    assert node.node.stored["key", "mine"] == (5, 9.0)


def test_a_peer_that_refuses_last_does_not_speak_for_those_that_took_it(node: DhtNode) -> None:
    node.node.last_reply = False

    assert asyncio.run(node.put("key", "mine", 5, until=9.0))
    assert not asyncio.run(node.put("plain", "mine", 5, until=9.0))


@pytest.mark.parametrize("key", ["nothing", "plain"])
def test_a_key_without_subkeys_has_no_records(node: DhtNode, key: str) -> None:
    assert asyncio.run(node.look_up(key)) == {}


def test_every_node_checks_subkeys_and_shards_beside_what_its_run_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}

    class Refusing(RecordValidatorBase):  # type: ignore[misc]  # hivemind has no types
        def validate(self, record: DHTRecord) -> bool:
            return bool(record.value != b"bad")

    async def create(**options: Any) -> FakeNode:
        given.update(options)
        return FakeNode()

    monkeypatch.setattr(dht_node.HivemindNode, "create", create)
    p2p: Any = FakeP2P()
    started = asyncio.run(DhtNode.start(p2p, validators=[Refusing()], authorizer="who"))
    validator = given["record_validator"]
    asyncio.run(started.stop())

    assert validator.validate(DHTRecord(b"key", b"subkey", b"good", 1e10))
    assert not validator.validate(DHTRecord(b"key", b"subkey", b"bad", 1e10))
    assert not validator.validate(DHTRecord(b"key", DHTProtocol.IS_REGULAR_VALUE, b"good", 1e10)), (
        "it hides the subkeys"
    )
    assert (given["authorizer"], given["cache_locally"], given["cache_on_store"]) == ("who", False, False)
    assert started.node.is_shut_down
