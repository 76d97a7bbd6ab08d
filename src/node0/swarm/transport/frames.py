# SPDX-License-Identifier: Apache-2.0
"""Frames between trainer and stages: header, tensors, checksums.

    magic "n0f1" | u32 header bytes | u64 payload bytes | u32 crc32 of both | header | payload

Numbers are big-endian. The header is msgpack: `kind`, `fields`, and shape, type, codec and size of each
tensor; the payload is the tensors' bytes, one after the other.
"""

import asyncio
import struct
import zlib
from asyncio import StreamReader
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
from torch import Tensor

from node0.errors import FrameRefused
from node0.swarm.transport.codec import Codec, Packed, pack, unpack
from node0.swarm.transport.quoting import quoted

PROTOCOL = 1
"Peers that announce another number do not talk to each other."

MAGIC = b"n0f1"
MAX_HEADER = 1 << 20
MAX_PAYLOAD = 1 << 31
SMALL = 1 << 16
"Payload bytes up to which a frame is joined, so that it is written, and travels, in one piece."
_PREFIX = struct.Struct(">4sIQI")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: a kind, small fields, tensors, and bytes that are no tensor."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    tensors: Sequence[Tensor] = ()
    blob: bytes = b""

    @property
    def nbytes(self) -> int:
        """Bytes of tensors and blob."""
        return sum(tensor.nbytes for tensor in self.tensors) + len(self.blob)

    def __getitem__(self, name: str) -> Any:
        """A field.

        Raises:
            FrameRefused: the sender left it out.
        """
        try:
            return self.fields[name]
        except KeyError:
            raise FrameRefused(
                f"a {quoted(self.kind)} frame lacks {name!r}; run one version on all peers"
            ) from None


def encode(frame: Frame, *, codec: Codec = "float32") -> list[bytes | memoryview]:
    """The frame's bytes, in pieces that are written in order. Floating tensors travel in `codec`."""
    packed = [pack(tensor, codec) for tensor in frame.tensors]
    pieces = [piece for item in packed for piece in item.pieces]
    if frame.blob:
        pieces.append(memoryview(frame.blob))
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
    start = _PREFIX.pack(MAGIC, len(header), size, checksum) + header
    if size <= SMALL:
        return [b"".join([start, *pieces])]
    return [start, *pieces]


async def read_frame(
    reader: StreamReader, *, max_payload: int = MAX_PAYLOAD, silence: float | None = None
) -> Frame:
    """The next frame of a stream. It may be long in coming, but not stop in the middle for `silence` seconds.

    Raises:
        FrameRefused: these are no frames, one is oversized or cut short, or its checksum is wrong.
        asyncio.IncompleteReadError: the stream ended.
    """
    first = await reader.readexactly(1)
    prefix = first + await _read(reader, _PREFIX.size - 1, silence)
    magic, header_size, payload_size, checksum = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise FrameRefused(f"bytes {magic!r} start no frame; the peer speaks another protocol")
    if header_size > MAX_HEADER or payload_size > max_payload:
        raise FrameRefused(
            f"a frame of {header_size} + {payload_size} bytes is oversized; "
            f"at most {MAX_HEADER} + {max_payload} are taken"
        )
    header = await _read(reader, header_size, silence)
    payload = await _read(reader, payload_size, silence)
    if zlib.crc32(payload, zlib.crc32(header)) != checksum:
        raise FrameRefused(f"a frame of {header_size} + {payload_size} bytes has a wrong checksum")
    return _decode(header, payload)


async def _read(reader: StreamReader, size: int, silence: float | None) -> bytearray:
    """So many bytes; memory is taken as they come, whatever was announced."""
    found = bytearray()
    while len(found) < size:
        try:
            async with asyncio.timeout(silence):
                piece = await reader.read(size - len(found))
        except TimeoutError:
            raise FrameRefused(f"a peer stopped for {silence:g} s in the middle of a frame") from None
        if not piece:
            raise asyncio.IncompleteReadError(bytes(found), size)
        found += piece
    return found


def _decode(header: bytearray, payload: bytearray) -> Frame:
    try:
        content = msgpack.unpackb(header)
        kind, fields, blob = content["kind"], content["fields"], content["blob"]
        if type(kind) is not str or type(fields) is not dict or type(blob) is not int or blob < 0:
            raise ValueError("kind, fields or blob are of another type")
        packed = [Packed.from_meta(meta) for meta in content["tensors"]]
        if sum(item.nbytes for item in packed) + blob != len(payload):
            raise ValueError("sizes do not add up to the payload")
        tensors, start = [], 0
        for item in packed:
            tensors.append(unpack(item, payload, start))
            start += item.nbytes
    except Exception as error:  # noqa: BLE001  # whatever msgpack or torch make of it is the sender's fault
        raise FrameRefused(f"a frame's header cannot be read: {quoted(error)}") from None
    return Frame(kind, fields, tensors, bytes(memoryview(payload)[start:]))
