# SPDX-License-Identifier: Apache-2.0
"""Frames: what travels between trainer and stages, and how its bytes are checked.

    magic "n0f1" | u32 header bytes | u64 payload bytes | u32 crc32 of both | header | payload

Numbers are big-endian. The header is msgpack: `kind`, `fields`, and shape, type, codec and size of each
tensor; the payload is the tensors' bytes, one after the other.
"""

import struct
import zlib
from asyncio import StreamReader
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
from torch import Tensor

from node0.errors import FrameRefused
from node0.swarm.codec import Codec, Packed, pack, unpack

PROTOCOL = 1
"Peers that announce another number do not talk to each other."

MAGIC = b"n0f1"
MAX_HEADER = 1 << 20
MAX_PAYLOAD = 1 << 31
_PREFIX = struct.Struct(">4sIQI")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: a kind, small fields, tensors, and bytes that are no tensor."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    tensors: Sequence[Tensor] = ()
    blob: bytes = b""

    def __getitem__(self, name: str) -> Any:
        """A field.

        Raises:
            FrameRefused: the sender left it out.
        """
        try:
            return self.fields[name]
        except KeyError:
            raise FrameRefused(f"a {self.kind} frame lacks {name!r}; run one version on all peers") from None


def encode(frame: Frame, *, codec: Codec = "float32") -> list[bytes | memoryview]:
    """The frame's bytes, in pieces that are written in order. Floating tensors travel in `codec`."""
    packed = [pack(tensor, codec) for tensor in frame.tensors]
    pieces: list[bytes | memoryview] = [piece for item in packed for piece in item.pieces]
    if frame.blob:
        pieces.append(frame.blob)
    header = msgpack.packb(
        {
            "kind": frame.kind,
            "fields": dict(frame.fields),
            "tensors": [item.meta for item in packed],
            "blob": len(frame.blob),
        }
    )
    size = sum(len(piece) for piece in pieces)
    checksum = zlib.crc32(header)
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
    return [_PREFIX.pack(MAGIC, len(header), size, checksum), header, *pieces]


async def read_frame(reader: StreamReader) -> Frame:
    """The next frame of a stream.

    Raises:
        FrameRefused: these are no frames, one is oversized, or its checksum is wrong.
        asyncio.IncompleteReadError: the stream ended.
    """
    magic, header_size, payload_size, checksum = _PREFIX.unpack(await reader.readexactly(_PREFIX.size))
    if magic != MAGIC:
        raise FrameRefused(f"bytes {magic!r} start no frame; the peer speaks another protocol")
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise FrameRefused(
            f"a frame of {header_size} + {payload_size} bytes is oversized; "
            f"at most {MAX_HEADER} + {MAX_PAYLOAD} are taken"
        )
    header = await reader.readexactly(header_size)
    payload = await reader.readexactly(payload_size)
    if zlib.crc32(payload, zlib.crc32(header)) != checksum:
        raise FrameRefused(f"a frame of {header_size} + {payload_size} bytes has a wrong checksum")
    return _decode(header, payload)


def _decode(header: bytes, payload: bytes) -> Frame:
    try:
        content = msgpack.unpackb(header)
        kind, fields, blob = str(content["kind"]), dict(content["fields"]), int(content["blob"])
        packed = [Packed.from_meta(meta) for meta in content["tensors"]]
        if blob < 0 or sum(item.nbytes for item in packed) + blob != len(payload):
            raise ValueError("sizes do not add up to the payload")
        tensors, start = [], 0
        for item in packed:
            tensors.append(unpack(item, payload, start))
            start += item.nbytes
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise FrameRefused(f"a frame's header cannot be read: {error}") from None
    return Frame(kind, fields, tensors, payload[start:])
