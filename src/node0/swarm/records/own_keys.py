# SPDX-License-Identifier: Apache-2.0
"""The keys of one run in the DHT, and the bounds of what may lie under them.

Whoever reaches a member's port may ask it to store records. A member keeps those of its own run only, each
of a bounded size and for a bounded time; `node0.swarm.peer.record_storage` bounds all of them together.
"""

import time
from collections.abc import Callable
from typing import Any

from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord, RecordValidatorBase
from hivemind.utils.serializer import MSGPackSerializer

from node0.swarm.records.members import MembersValidator, members_key
from node0.swarm.records.peer_metrics import METRICS_KINDS, metrics_key, peer_id_of_subkey
from node0.swarm.records.refusing import RefusingValidator
from node0.swarm.records.shards import LARGEST, SUBKEY, ShardsValidator
from node0.swarm.run.swarm_run import TRAINER

LONGEST_SUBKEY = 1 << 12
"Bytes of a subkey: a public key in OpenSSH's format is the longest."

LONGEST_LIFE = 24 * 3600.0
"Seconds for which a record may stay; it is renewed long before."

CLOCK_SKEW = 60.0
"Seconds by which another peer's clock may be ahead."


class OwnKeys(RefusingValidator):
    """Refuses what is no record of the run by its key, too large, or meant to stay too long.

    It looks before any signature is checked. Which key an announcement of a shard belongs under says its
    value: `ShardsValidator` compares that.
    """

    reason = "it is no record of this run, is too large or would stay too long"

    def __init__(self, run_id: str, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells the time in seconds since 1970."""
        names = [members_key(run_id), *(metrics_key(run_id, TRAINER, kind) for kind in METRICS_KINDS)]
        self._keys = {DHTID.generate(source=name).to_bytes() for name in names}
        self._clock = clock

    @property
    def priority(self) -> int:
        """Before signatures, whose checks cost more."""
        return 20

    def check(self, record: DHTRecord) -> bool:
        """Whether the record is within the bounds."""
        if len(record.value) > LARGEST or len(record.subkey) > LONGEST_SUBKEY:
            return False
        # Written so that a time that is no number is refused.
        if not record.expiration_time <= self._clock() + LONGEST_LIFE + CLOCK_SKEW:
            return False
        return record.key in self._keys or _is_of_shard(MSGPackSerializer.loads(record.subkey))


def run_validators(run_id: str) -> list[RecordValidatorBase]:
    """What every peer of a run checks of records beside the signatures of metrics; see `make_validators`."""
    return [OwnKeys(run_id), MembersValidator(run_id), ShardsValidator(run_id)]


def owner_of_subkey(subkey: Any) -> str | None:
    """The peer whose record lies in a subkey of ours; None where it names none."""
    if isinstance(subkey, str):
        return subkey.removeprefix(SUBKEY)
    if not isinstance(subkey, bytes):
        return None
    try:
        return peer_id_of_subkey(subkey)
    except ValueError:
        return None


def _is_of_shard(subkey: Any) -> bool:
    return isinstance(subkey, str) and subkey.startswith(SUBKEY)
