# SPDX-License-Identifier: Apache-2.0
"""The signed DHT record of a member: where it is and what it holds.

A record lies under `{run_id}_members`, in a subkey that is its member's peer id.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.utils.serializer import MSGPackSerializer

from node0.errors import BadSignature
from node0.security.signature import Opened, seal, unseal
from node0.swarm.records.refusing import RefusingValidator
from node0.swarm.transport.quoting import quoted

logger = logging.getLogger(__name__)

_PURPOSE = "node0.member/1 "


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What a stage host says of itself."""

    peer_id: str
    addresses: list[str]
    about: Mapping[str, Any]
    "`StageHost.describe()`."

    at: float
    "When it said so, by its own clock."


def members_key(run_id: str) -> str:
    """The DHT key under which the members of a run announce themselves."""
    return f"{run_id}_members"


def seal_member(content: Mapping[str, Any], *, key: RSAPrivateKey, run_id: str, until: float) -> bytes:
    """What a member says of itself, for `MembersValidator`: signed for one run and one time of expiry."""
    return seal(msgpack.packb({**content, "until": until}), key=key, purpose=_PURPOSE + run_id)


def open_member(sealed: bytes, *, run_id: str) -> Opened:
    """Check who sealed it.

    Raises:
        BadSignature: nobody did, or for another run.
    """
    return unseal(sealed, purpose=_PURPOSE + run_id)


def read_members(
    found: Mapping[Any, Any], *, run_id: str, allowed: Collection[str] | None
) -> list[MemberRecord]:
    """What was found under `members_key`, by peer id, without the records of peers that are not allowed.

    The peer's `MembersValidator` has refused what no member signed, and said so once.
    """
    records = []
    for sealed in found.values():
        try:
            record = _read(sealed, run_id=run_id)
        except (BadSignature, ValueError, TypeError, KeyError) as error:
            logger.debug("left out a record of run %s: %s", run_id, quoted(error))
            continue
        if allowed is None or record.peer_id in allowed:
            records.append(record)
    return sorted(records, key=lambda each: each.peer_id)


class MembersValidator(RefusingValidator):
    """Keeps the key of a run's members to what each signed: a record under its id, for as long as it says.

    A signed record that is stored again for longer would hide the later ones of its owner.
    """

    reason = "it is not its member's own"

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._key = DHTID.generate(source=members_key(run_id)).to_bytes()

    def check(self, record: DHTRecord) -> bool:
        """Whether the record is its owner's, or under another key."""
        if record.key != self._key:
            return True
        opened = open_member(MSGPackSerializer.loads(record.value), run_id=self._run_id)
        is_own: bool = MSGPackSerializer.loads(record.subkey) == opened.peer_id
        until: float = msgpack.unpackb(opened.payload)["until"]
        return is_own and until == record.expiration_time


def _read(sealed: bytes, *, run_id: str) -> MemberRecord:
    opened = open_member(sealed, run_id=run_id)
    record = msgpack.unpackb(opened.payload)
    addresses, about = [str(address) for address in record["addresses"]], record["about"]
    return MemberRecord(opened.peer_id, addresses, about, float(about["time"]))
