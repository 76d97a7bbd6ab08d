# SPDX-License-Identifier: Apache-2.0
"""Readers of what peers send: frames, and records of the DHT."""

import asyncio
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import msgpack
import torch
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.utils.serializer import MSGPackSerializer
from hypothesis import strategies as st

from attack.fuzz import Reader
from attack.mutations import VALUES, mutated_bytes
from node0.errors import Node0Error
from node0.swarm.records.members import MembersValidator, members_key, read_members, seal_member
from node0.swarm.records.peer_metrics import make_validators
from node0.swarm.records.shards import Announcement, ShardsValidator, open_announcement, sign_announcement
from node0.swarm.run.identity import make_identity
from node0.swarm.transport.frames import Frame, encode, read_frame

RUN = "harbor"


def frames(place: Path) -> Reader:
    """Frames of a stream; the checksum of half of them is right."""
    tensors = [torch.ones(2, 3), torch.arange(4)]
    kinds = [
        Frame("hello", {"client": "x", "id": 0}),
        Frame("activation", {"mb": 1, "attempt": "a"}, tensors),
    ]
    whole = [b"".join(bytes(piece) for piece in encode(each)) for each in kinds]

    def read(data: bytes) -> None:
        asyncio.run(_read_frames(data))

    documents = mutated_bytes(whole) | st.builds(_framed, st.sampled_from(VALUES), st.sampled_from(VALUES))
    return Reader(documents, read, (Node0Error, asyncio.IncompleteReadError))


def records(place: Path) -> Reader:
    """Records of members, shards and metrics, as a stranger stores them."""
    identity = make_identity(place / "peer.key")
    until = time.time() + 60
    content = {"addresses": ["/ip4/127.0.0.1/tcp/1"], "about": {"time": 1.0}}
    sealed = seal_member(content, key=identity.private_key, run_id=RUN, until=until)
    told = Announcement(
        run=RUN, stage="solo-0", step=1, sha256="a" * 64, bytes=1, base_digest="b" * 64, addresses=[]
    )
    key, subkey, announced = sign_announcement(told, identity)
    metrics, _ = make_validators(RUN, identity.peer_id, "trainer", private_key=identity.private_key)
    validators: list[Any] = [MembersValidator(RUN), ShardsValidator(), *metrics]
    keys = [DHTID.generate(source=name).to_bytes() for name in (members_key(RUN), key)]
    subkeys = [MSGPackSerializer.dumps(name) for name in (identity.peer_id, subkey)]

    def read(data: bytes) -> None:
        for value in (data, MSGPackSerializer.dumps(data)):
            for number in range(2):
                record = DHTRecord(keys[number], subkeys[number], value, until)
                for validator in validators:
                    validator.validate(record)
        read_members({"a": data}, run_id=RUN, allowed=None)
        try:
            open_announcement(data)
        except Node0Error:
            return

    return Reader(mutated_bytes([sealed, announced, MSGPackSerializer.dumps(sealed)]), read)


def _framed(fields: Any, tensors: Any) -> bytes:
    """A frame whose parts are of other kinds, and whose checksum is right."""
    try:
        header = msgpack.packb({"kind": "score", "fields": fields, "tensors": tensors, "blob": 0})
    except (OverflowError, ValueError, UnicodeEncodeError, TypeError):
        header = msgpack.packb({"kind": 1})
    return struct.pack(">4sIQI", b"n0f1", len(header), 0, zlib.crc32(header)) + bytes(header)


async def _read_frames(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    while True:
        await read_frame(reader, max_payload=1 << 20, silence=5.0)
