# SPDX-License-Identifier: Apache-2.0
"""A leader that begins to gather and never ends: one stage stops after its first chunk."""

import json
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.shard_stream import pull_shard
from node0.swarm.records.shards import Announced


def main() -> None:
    """Gather until the parent kills this process."""
    given = json.loads(sys.argv[1])

    def pull(peer: Any, source: Announced, offset: int, *, stall: float) -> Generator[bytes, None, None]:
        for chunk in pull_shard(peer, source, offset, stall=stall):
            yield chunk
            if source.announcement.stage == given["stops_at"]:
                threading.Event().wait()

    peer = Peer(
        PeerSettings(Path(given["sockets"]), Path(given["key"]), initial_peers=given["initial_peers"])
    )
    gatherer = CheckpointGatherer(Path(given["directory"]), pull=pull)
    gatherer.gather_all_shards(peer, given["run"], given["step"], given["stages"])


if __name__ == "__main__":
    main()
