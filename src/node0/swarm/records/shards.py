# SPDX-License-Identifier: Apache-2.0
"""The signed DHT record of a shard: who serves it, its sha256 and size.

A record lies under `{run}_checkpoint_{step}_{stage}`, in the subkey `shard:{peer id}`. Every peer of ours
refuses one that another peer wrote into that subkey, or that belongs under another key.
"""

from dataclasses import dataclass
from typing import Annotated

import msgpack
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord, RecordValidatorBase
from hivemind.utils.serializer import MSGPackSerializer
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from node0.errors import BadSignature
from node0.security.signature import seal, unseal
from node0.swarm.run.identity import Identity

SECONDS = 24 * 3600.0
"How long a record stays in the DHT; each later checkpoint renews those of the shards that are kept."

LARGEST = 1 << 14
"Bytes of a record."

MOST_ADDRESSES = 8

SUBKEY = "shard:"
"What a subkey begins with; the peer id follows."

_PURPOSE = "node0.shard/1"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Stage = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Announcement(BaseModel):
    """One shard of one checkpoint."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    run: _Text
    stage: Stage
    step: int = Field(ge=0)
    sha256: Digest
    bytes: int = Field(ge=1)
    base_digest: _Text
    addresses: list[_Text] = Field(default=[], max_length=MOST_ADDRESSES)
    "Where the holder is dialled."

    @property
    def key(self) -> str:
        """The DHT key under which it belongs."""
        return announcement_key(self.run, self.step, self.stage)


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement whose signature was checked."""

    peer_id: str
    "Of the peer that signed it, and serves the shard."

    announcement: Announcement
    sealed: bytes


def announcement_key(run: str, step: int, stage: str) -> str:
    """The DHT key of the shards of one stage at one step."""
    return f"{run}_checkpoint_{step}_{stage}"


def sign_announcement(announcement: Announcement, identity: Identity) -> tuple[str, str, bytes]:
    """The record: key, subkey and value."""
    sealed = seal(msgpack.packb(announcement.model_dump()), key=identity.private_key, purpose=_PURPOSE)
    return announcement.key, SUBKEY + identity.peer_id, sealed


def open_announcement(sealed: object) -> Announced:
    """What a record says, and whose it is.

    Raises:
        BadSignature: its signature is wrong, or it is no announcement.
    """
    if not isinstance(sealed, bytes) or len(sealed) > LARGEST:
        raise BadSignature("a record of a shard is no sealed announcement; drop it")
    opened = unseal(sealed, purpose=_PURPOSE)
    try:
        announcement = Announcement.model_validate(msgpack.unpackb(opened.payload))
    except (ValidationError, ValueError, TypeError, msgpack.UnpackException):
        raise BadSignature(
            f"a record of peer {opened.peer_id} announces no shard; run one version on all peers"
        ) from None
    return Announced(opened.peer_id, announcement, sealed)


class ShardsValidator(RecordValidatorBase):  # type: ignore[misc]  # hivemind has no type information
    """Keeps a subkey of shards to the peer that it names. Other records are not its matter."""

    def __init__(self, run_id: str | None = None) -> None:
        """Of one run, or of any."""
        self._run_id = run_id

    def merge_with(self, other: RecordValidatorBase) -> bool:
        """Take over the run of another one, so that signatures are checked once."""
        if not isinstance(other, ShardsValidator):
            return False
        self._run_id = self._run_id or other._run_id
        return True

    def validate(self, record: DHTRecord) -> bool:
        """Whether the record may be stored, or believed."""
        try:
            subkey = MSGPackSerializer.loads(record.subkey)
        except Exception:  # noqa: BLE001  # strangers write records: no form of garbage may end a search
            return True
        if not isinstance(subkey, str) or not subkey.startswith(SUBKEY):
            return True
        try:
            found = open_announcement(MSGPackSerializer.loads(record.value))
        except Exception:  # noqa: BLE001  # strangers write values as well
            return False
        if self._run_id not in (None, found.announcement.run):
            return False
        belongs = DHTID.generate(source=found.announcement.key).to_bytes() == record.key
        return belongs and subkey == SUBKEY + found.peer_id
