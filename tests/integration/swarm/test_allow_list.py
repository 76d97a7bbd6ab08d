# SPDX-License-Identifier: Apache-2.0
"""Streams of a peer on no allow-list are refused and logged once, and the next step equals one process's."""

from contextlib import suppress
from pathlib import Path

import pytest
from integration.swarm.in_process import Recipe, batch, local, swarm

from node0.pipeline.protocol import TrainStep
from node0.server.host.links import PUSH
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.transport.frames import Frame

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)


def test_a_peer_that_is_not_allowed_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with swarm(tmp_path / "s", RECIPE, is_closed=True) as many:
        stranger = Peer(PeerSettings(tmp_path / "x", initial_peers=many.peers[0].addresses))
        try:

            async def ask() -> None:
                for name in (CONTROL, PUSH, CONTROL):
                    stream = await stranger.open(many.peers[0].peer_id, name)
                    with suppress(OSError):
                        await stream.send(Frame("hello", {"client": "x", "lead": True}))
                    assert await stream.receive() is None
                    stream.close()

            stranger.run(ask(), timeout=20.0)
        finally:
            stranger.close()
        given = TrainStep(0, 1e-3, seed=3)
        assert many.pipeline.train_step(batch(0), given) == local(RECIPE).train_step(batch(0), given)

    lines = [line for line in caplog.messages if stranger.peer_id in line]
    # One line about its streams, and one about its calls of the DHT where it made any.
    assert sum("refused its stream" in line for line in lines) == 1
    assert sum("its calls of the DHT are refused" in line for line in lines) == len(lines) - 1 <= 1
    assert "not on the allow-list" in lines[0]
