# SPDX-License-Identifier: Apache-2.0
"""hivemind reads our key files, we read its own, and both find the same peer in them."""

from pathlib import Path

import pytest
from hivemind.p2p import P2P, PeerID

from node0.swarm.run.identity import make_identity, read_identity

pytestmark = pytest.mark.integration


def test_hivemind_finds_the_same_peer_in_our_key(tmp_path: Path) -> None:
    identity = make_identity(tmp_path / "ours.key")

    assert PeerID.from_identity((tmp_path / "ours.key").read_bytes()).to_base58() == identity.peer_id


def test_we_find_the_same_peer_in_hiveminds_key(tmp_path: Path) -> None:
    path = tmp_path / "theirs.key"
    P2P.generate_identity(str(path))

    assert read_identity(path).peer_id == PeerID.from_identity(path.read_bytes()).to_base58()
