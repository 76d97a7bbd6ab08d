# SPDX-License-Identifier: Apache-2.0
"""run.json of a swarm as a tree, for tests that change a part of it."""

from typing import Any

PEERS = [f"Qm{letter * 44}" for letter in "ABCDEFG"]


def a_member(number: int, **changes: Any) -> dict[str, Any]:
    return {"peer_id": PEERS[number], "host_maddrs": [f"/ip4/127.0.0.1/tcp/410{number}"], **changes}


def a_tree(**changes: Any) -> dict[str, Any]:
    """Three stages, two replicas of the body, a spare and a trainer."""
    return {
        "run_id": "deacon",
        "local_mode": True,
        "num_stages": 3,
        "stages": {
            "tail-2": [a_member(3)],
            "head-0": [a_member(0)],
            "body-1": [a_member(1), a_member(2, announce_maddrs=["/dns4/gpu-2.example/tcp/9"])],
        },
        "spares": [a_member(4)],
        "trainer": a_member(5, host_maddrs=["/ip4/127.0.0.1/tcp/0"]),
        **changes,
    }
