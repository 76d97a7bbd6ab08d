# SPDX-License-Identifier: Apache-2.0
"""The DHT protocol: what of a peer writes and reads records."""

from collections.abc import Mapping
from typing import Any, Protocol


class Dht(Protocol):
    """What records are written to and read from; `node0.swarm.peer.peer.Peer` is one."""

    @property
    def addresses(self) -> list[str]:
        """Where this peer is dialled."""
        ...

    def store(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
        """Keep a record for so many seconds; whether any peer took it."""
        ...

    def get(self, key: str) -> Mapping[Any, Any]:
        """Records under a key by subkey; empty where there are none."""
        ...
