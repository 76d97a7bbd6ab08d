# SPDX-License-Identifier: Apache-2.0
"""A stage host in a process of its own, with a directory of its own; ends with its standard input."""

import json
import logging
import sys
from pathlib import Path

from node0.server.host.hosted_stage import HostSpec
from node0.server.host.shard_store import ShardSettings, ShardStore
from node0.server.host.stage_host import StageHost
from node0.server.host.stage_spec import StagePlace
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.identity import read_identity


def main() -> None:
    """Serve until the parent closes the pipe. The first line out is the peer's addresses."""
    given = json.loads(sys.argv[1])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    directory = Path(given["directory"])
    key = directory / "peer.key"
    settings = PeerSettings(
        directory / "sockets",
        key,
        initial_peers=given["initial_peers"],
        allowed=frozenset(given["allowed"]),
    )
    peer = Peer(settings)
    shards = ShardStore(
        peer, read_identity(key), ShardSettings(given["run"], directory / "checkpoints", keep=2)
    )
    place = StagePlace(given["stage"], given["num_stages"])
    host = StageHost(peer, HostSpec(f"stage-{given['stage']}", place, None), shards=shards)
    sys.stdout.write(json.dumps(peer.addresses) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    host.close()
    peer.close()


if __name__ == "__main__":
    main()
