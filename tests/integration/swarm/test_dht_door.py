# SPDX-License-Identifier: Apache-2.0
"""A peer on no allow-list leaves nothing in a member's DHT, and an allowed one that is mad little."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hivemind.dht.routing import DHTID

from node0.security.signature import peer_id_of
from node0.swarm.peer.membership import Announcer, find_members
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.record_storage import MOST_OF_ONE, RecordStorage
from node0.swarm.records.members import members_key, seal_member
from node0.swarm.records.own_keys import LONGEST_LIFE, run_validators
from node0.swarm.records.shards import Announcement, sign_announcement
from node0.swarm.run.identity import Identity, make_identity

pytestmark = pytest.mark.integration

RUN = "run"
CALL = 1 << 18
"A call of more bytes is one that a test made."


class Scene(NamedTuple):
    """Two members of a run, one that is allowed and checks nothing, and one that nobody knows."""

    member: Peer
    other: Peer
    mad: Peer
    stranger: Peer
    identities: dict[str, Identity]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    names = ("member", "other", "mad", "stranger")
    identities = {name: make_identity(tmp_path / f"{name}.key") for name in names}
    allowed = frozenset(identities[name].peer_id for name in names[:3])
    peers: list[Peer] = []
    with ExitStack() as stack:
        for name in names:
            knows = name in ("member", "other")
            settings = PeerSettings(
                tmp_path / name,
                tmp_path / f"{name}.key",
                initial_peers=peers[0].addresses if peers else (),
                allowed=allowed if knows else None,
            )
            peer = Peer(settings, validators=run_validators(RUN) if knows else ())
            peers.append(stack.enter_context(closing(peer)))
        yield Scene(*peers, identities)


def test_a_stranger_leaves_nothing_at_any_member(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    until = time.time() + 3600
    identity = scene.identities["stranger"]
    sealed = seal_member({"about": {}}, key=identity.private_key, run_id=RUN, until=until)
    for member in (scene.member, scene.other):
        _call(scene.stranger, member, members_key(RUN), identity.peer_id, sealed, until=until)
        _call(scene.stranger, member, "anything", None, bytes(1 << 17), until=until)
        _call(scene.stranger, member, "anything else", "x", bytes(1 << 17), until=until, in_cache=True)

    assert _kept(scene.member) == _kept(scene.other) == 0
    refused = [line for line in caplog.messages if "calls of the DHT are refused" in line]
    assert refused and all(scene.identities["stranger"].peer_id in line for line in refused)


def test_an_allowed_peer_that_is_mad_takes_little_and_hides_nobody(scene: Scene) -> None:
    honest, mad = scene.identities["other"], scene.identities["mad"]
    until = time.time() + 3600
    invented = [_invented() for _ in range(3)]
    for number in range(2 * MOST_OF_ONE):
        key, subkey, value = sign_announcement(_announcement(number), mad)
        _call(scene.mad, scene.member, key, subkey, value, until=until + number)
        _call(scene.mad, scene.member, f"key {number}", "x", os.urandom(1000), until=until)
    for who in invented:
        sealed = seal_member({"about": {}}, key=who.private_key, run_id=RUN, until=until)
        _call(scene.mad, scene.member, members_key(RUN), who.peer_id, sealed, until=until)
    for_ever = time.time() + 2 * LONGEST_LIFE
    sealed = seal_member({"about": {}}, key=mad.private_key, run_id=RUN, until=for_ever)
    _call(scene.mad, scene.member, members_key(RUN), mad.peer_id, sealed, until=for_ever)
    _call(scene.mad, scene.member, members_key(RUN), honest.peer_id, bytes(1 << 15), until=until)

    assert _kept(scene.member) == MOST_OF_ONE
    assert _bytes(scene.member) < 100_000
    describe = lambda: {"time": time.time()}  # noqa: E731  # what it says of itself
    announcer = Announcer(scene.other, run_id=RUN, key=honest.private_key, describe=describe)
    with closing(announcer):
        deadline = time.monotonic() + 30.0
        while not (found := _members(scene.member)) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert found == [honest.peer_id]


def test_a_caller_that_hangs_up_leaves_nothing_of_its_call(scene: Scene) -> None:
    control, brought = scene.member._p2p._client.control, list[int]()
    handle = control._handle_persistent_request

    def heard(call: object, request: Any) -> Any:
        brought.append(len(request.data))
        return handle(call, request)

    control._handle_persistent_request = heard
    scene.mad.join()
    for number in range(4):
        # The member is busy, and finds the call and its end at once.
        scene.member.loop.call_soon_threadsafe(time.sleep, 1.0)
        scene.mad.run(_store_and_leave(scene.mad, scene.member, f"key {number}"), timeout=30.0)

    until = time.monotonic() + 20.0
    while (sum(size > CALL for size in brought) < 4 or control._handler_tasks) and time.monotonic() < until:
        time.sleep(0.1)
    assert sum(size > CALL for size in brought) == 4
    assert not control._handler_tasks


async def _store_and_leave(peer: Peer, at: Peer, key: str) -> None:
    """Ask a member to keep a large record, and wait for no answer."""
    protocol = peer._dht.node.protocol
    keys, until = [DHTID.generate(source=key)], time.time() + 3600
    call = protocol.call_store(at._p2p.peer_id, keys, [bytes(2 * CALL)], until, subkeys=["x"])
    with suppress(TimeoutError):
        await asyncio.wait_for(call, 0.4)


def _invented() -> Identity:
    """A key that was never written."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return Identity(peer_id_of(key.public_key()), key)


def _announcement(step: int) -> Announcement:
    return Announcement(run=RUN, stage="solo-0", step=step, sha256="a" * 64, bytes=1, base_digest="b")


def _call(
    peer: Peer, at: Peer, key: str, subkey: object, value: object, *, until: float, in_cache: bool = False
) -> None:
    """Ask a member to keep a record, whatever it answers."""
    protocol = peer._dht.node.protocol
    packed = value if subkey is None else protocol.serializer.dumps(value)
    subkeys = None if subkey is None else [subkey]
    call = protocol.call_store(
        at._p2p.peer_id, [DHTID.generate(source=key)], [packed], until, subkeys=subkeys, in_cache=in_cache
    )

    async def reached() -> None:
        await peer.greet()
        await call

    peer.run(asyncio.wait_for(reached(), 20.0), timeout=30.0)


def _storage(peer: Peer) -> RecordStorage:
    storage = peer._dht.node.protocol.storage
    assert isinstance(storage, RecordStorage)
    return storage


def _kept(peer: Peer) -> int:
    """Records that a peer keeps, of all keys."""
    cached = len(peer._dht.node.protocol.cache)
    return cached + sum(len(held.value) for _, held in list(_storage(peer).items()))


def _bytes(peer: Peer) -> int:
    return _storage(peer).nbytes


def _members(peer: Peer) -> list[str]:
    found = peer.run(find_members(peer, run_id=RUN, allowed=None), timeout=20.0)
    return [each.peer_id for each in found]
