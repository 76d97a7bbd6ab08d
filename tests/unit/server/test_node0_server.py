# SPDX-License-Identifier: Apache-2.0
"""How a server starts, up to its peer; with one it is tested in tests/integration/swarm/test_server.py."""

from pathlib import Path
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.server import node0_server
from node0.server.node0_server import Node0Server
from node0.server.server_settings import ServerSettings
from node0.swarm.peer.peer import PeerSettings
from node0.swarm.run.identity import make_identity

SPARE = ServerSettings("run", None, 2)


class FakePeer:
    """A peer that was started with these settings, and closed."""

    made: "list[FakePeer]"

    def __init__(self, settings: PeerSettings, *, validators: Any) -> None:
        self.settings, self.validators = settings, validators
        self.peer_id = "another"
        self.is_closed = False
        FakePeer.made.append(self)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PeerSettings:
    FakePeer.made = []
    monkeypatch.setattr(node0_server, "Peer", FakePeer)
    make_identity(tmp_path / "peer.key")
    return PeerSettings(tmp_path / "sockets", tmp_path / "peer.key")


def test_a_stage_of_a_run_needs_a_key_that_lasts(settings: PeerSettings) -> None:
    with pytest.raises(ConfigError, match="needs its own key"):
        Node0Server.create(SPARE, PeerSettings(settings.socket_dir))

    assert FakePeer.made == []


def test_a_stage_that_is_none_of_the_model_starts_no_peer(settings: PeerSettings) -> None:
    with pytest.raises(ConfigError, match="no stage body-7"):
        Node0Server.create(ServerSettings("run", "body-7", 2), settings)

    assert FakePeer.made == []


def test_a_start_that_fails_ends_its_peer(settings: PeerSettings, tmp_path: Path) -> None:
    with_shards = ServerSettings("run", None, 2, checkpoint_dir=tmp_path / "shards")

    with pytest.raises(ConfigError, match="give the peer's own"):
        Node0Server.create(with_shards, settings, authorizer="who asks")

    (peer,) = FakePeer.made
    assert peer.is_closed
    assert peer.settings.authorizer == "who asks" and peer.validators
