# SPDX-License-Identifier: Apache-2.0
"""No peer of the DHT can hide a member from the others."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from integration.swarm.processes import wait_until

from node0.swarm.peer.membership import Announcer, MemberRecord, find_members
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.members import MembersValidator, members_key, seal_member
from node0.swarm.run.identity import make_identity, read_identity

pytestmark = pytest.mark.integration

RUN = "run"


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[tuple[Peer, Peer, Peer]]:
    """A reader, a member, and one that checks nothing."""
    found: list[Peer] = []
    with ExitStack() as stack:
        for name in ("reader", "member", "thief"):
            make_identity(tmp_path / f"{name}.key")
            seeds = found[0].addresses if found else ()
            settings = PeerSettings(tmp_path / name, tmp_path / f"{name}.key", initial_peers=seeds)
            validators = [] if name == "thief" else [MembersValidator(RUN)]
            found.append(stack.enter_context(closing(Peer(settings, validators=validators))))
        reader, member, thief = found
        yield reader, member, thief


def test_a_member_is_found_whatever_others_write(
    peers: tuple[Peer, Peer, Peer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader, member, thief = peers
    caplog.set_level(logging.WARNING)
    key = read_identity(tmp_path / "member.key").private_key
    old = seal_member(_content(at=1.0), key=key, run_id=RUN, until=time.time() + 60)
    for subkey, value in [(member.peer_id, old), (member.peer_id, b"x"), ("y", old), (None, "all")]:
        thief.store(members_key(RUN), subkey, value, seconds=48 * 3600)

    with closing(Announcer(member, run_id=RUN, key=key, describe=lambda: {"time": time.time()})):
        assert wait_until(lambda: _find(reader), 60.0)
        found = _find(reader)
        again = [_find(reader) for _ in range(5)]

    assert [[each.peer_id for each in look] for look in (found, *again)] == [[member.peer_id]] * 6
    assert found[0].addresses == member.addresses
    refused = [line for line in caplog.messages if "it is not its member's own" in line]
    # Reader and member are in this process, and each says it once.
    assert 1 <= len(refused) <= 2


def _content(*, at: float) -> dict[str, object]:
    return {"addresses": [], "about": {"time": at}}


def _find(peer: Peer) -> list[MemberRecord]:
    return peer.run(find_members(peer, run_id=RUN, allowed=None), timeout=20.0)
