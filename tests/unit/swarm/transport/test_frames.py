# SPDX-License-Identifier: Apache-2.0
"""A frame arrives as it was sent; whatever else comes is refused, and nothing but refused."""

import asyncio
import struct
import tracemalloc
import zlib
from typing import Any

import msgpack
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.errors import FrameRefused
from node0.swarm.transport.frames import MAGIC, MAX_HEADER, MAX_PAYLOAD, Frame, encode, read_frame

CALM = settings(max_examples=60)
"The machine that runs this may be busy."

SMALL = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text()
)
FIELDS = st.dictionaries(
    st.text(), st.recursive(SMALL, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
)
SIZES = st.lists(st.integers(0, 3), max_size=3)


def read(data: bytes, **limits: Any) -> Frame:
    """The frame that these bytes are."""

    async def run() -> Frame:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await read_frame(reader, **limits)

    return asyncio.run(run())


def raw(header: bytes, payload: bytes = b"", *, checksum: int | None = None, magic: bytes = MAGIC) -> bytes:
    """A frame of any header, with the right checksum unless another is given."""
    checksum = zlib.crc32(payload, zlib.crc32(header)) if checksum is None else checksum
    return struct.pack(">4sIQI", magic, len(header), len(payload), checksum) + header + payload


def content(**changes: Any) -> bytes:
    """A header; a change to None leaves the key out."""
    whole = {"kind": "k", "fields": {}, "tensors": [], "blob": 0, **changes}
    return msgpack.packb({key: value for key, value in whole.items() if value is not None})


@CALM
@given(st.text(), FIELDS, st.lists(SIZES, max_size=3), st.binary(max_size=20))
def test_a_frame_arrives_as_it_was_sent(
    kind: str, fields: dict[str, Any], shapes: list[list[int]], blob: bytes
) -> None:
    tensors = [torch.randn(shape) for shape in shapes] + [torch.arange(3)]

    found = read(b"".join(encode(Frame(kind, fields, tensors, blob))))

    assert (found.kind, found.fields, found.blob) == (kind, fields, blob)
    assert all(map(torch.equal, found.tensors, tensors))
    assert len(found.tensors) == len(tensors)


def test_a_long_frame_is_not_joined_and_arrives() -> None:
    tensor, blob = torch.randn(300, 300), bytes(1 << 17)
    pieces = encode(Frame("k", {}, [tensor], blob))

    found = read(b"".join(pieces))

    assert len(pieces) > 1
    assert torch.equal(found.tensors[0], tensor)
    assert found.blob == blob


@pytest.mark.parametrize(
    "header",
    {
        "not msgpack": b"\xc1",
        "cut short": content()[:-1],
        "more than one": content() + b"\x00",
        "a list": msgpack.packb([1, 2]),
        "nothing": msgpack.packb(None),
        "a number": msgpack.packb(7),
        "keys that are no texts": msgpack.packb({1: 2}),
        "no kind": content(kind=None),
        "no fields": content(fields=None),
        "no tensors": content(tensors=None),
        "no blob": content(blob=None),
        "a kind that is no text": content(kind=[1]),
        "fields that are a list": content(fields=[[1, 2]]),
        "a blob of half a byte": content(blob=0.5),
        "a blob without end": content(blob=float("inf")),
        "a negative blob": content(blob=-1),
        "a huge blob": content(blob=2**63),
        "text that is no utf-8": b"\x81\xa4kind\xa1\xff",
        "tensors that are a number": content(tensors=3),
        "a tensor that is a number": content(tensors=[3]),
        "a negative shape": content(tensors=[[[-1], "float32", "float32"]]),
        "a huge shape": content(tensors=[[[2**62, 2**62], "float32", "float32"]]),
        "a huge empty shape": content(tensors=[[[0, 2**62], "float32", "float32"]]),
        "negative and positive sizes that add up": content(
            tensors=[[[4], "float32", "float32"], [[-4], "float32", "float32"]]
        ),
        "a tensor without bytes": content(tensors=[[[4], "float32", "float32"]]),
        "an unknown type": content(tensors=[[[0], "float8", "float8"]]),
        "a list that says it is 4 GiB long": b"\xdd\xff\xff\xff\xff",
        "a map that says it is 4 GiB long": b"\xdf\xff\xff\xff\xff",
        "bytes that say they are 4 GiB long": b"\xc6\xff\xff\xff\xff",
        "lists in lists": b"\x91" * 100_000 + b"\xc0",
        "maps in maps": b"\x81\xa1a" * 100_000 + b"\xc0",
        "lists as a kind": b"\x84\xa4kind" + b"\x91" * 900 + b"\xc0" + content()[6:],
        "nothing at all": b"",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_header_that_makes_no_sense_is_refused(header: tuple[str, bytes]) -> None:
    with pytest.raises(FrameRefused):
        read(raw(header[1]))


@CALM
@given(st.binary(max_size=200))
def test_any_header_with_a_right_checksum_is_read_or_refused(header: bytes) -> None:
    try:
        read(raw(header))
    except FrameRefused as error:
        assert "\n" not in str(error)


@CALM
@given(st.binary(min_size=20, max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    if data.startswith(MAGIC):
        data = b"x" + data

    with pytest.raises(FrameRefused, match="another protocol"):
        read(data)


@CALM
@given(st.data())
def test_one_flipped_bit_is_noticed(data: st.DataObject) -> None:
    whole = bytearray(b"".join(encode(Frame("k", {"a": 1}, [torch.arange(5.0)], b"rest"))))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises((FrameRefused, asyncio.IncompleteReadError)):
        read(bytes(whole))


def test_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(FrameRefused, match="wrong checksum"):
        read(raw(content(), checksum=1))


def test_bytes_that_are_too_many_for_their_sizes_are_refused() -> None:
    with pytest.raises(FrameRefused, match="add up"):
        read(raw(content(), b"xy"))


@pytest.mark.parametrize(
    ("header", "payload"), [(MAX_HEADER + 1, 0), (0, MAX_PAYLOAD + 1), (2**32 - 1, 2**64 - 1)]
)
def test_an_oversized_frame_is_refused_before_it_is_read(header: int, payload: int) -> None:
    with pytest.raises(FrameRefused, match="oversized"):
        read(struct.pack(">4sIQI", MAGIC, header, payload, 0))


def test_a_reader_may_take_less() -> None:
    whole = b"".join(encode(Frame("k", {}, (), bytes(100))))

    assert read(whole, max_payload=100).blob == bytes(100)
    with pytest.raises(FrameRefused, match="oversized"):
        read(whole, max_payload=99)


def test_memory_is_not_taken_for_bytes_that_never_come() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(asyncio.IncompleteReadError):
            read(struct.pack(">4sIQI", MAGIC, 10, MAX_PAYLOAD, 0) + bytes(1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20


@pytest.mark.parametrize("length", [0, 1, 19, 20, 30])
def test_a_stream_that_ends_early_has_no_frame(length: int) -> None:
    whole = b"".join(encode(Frame("k", {"text": "x" * 40})))

    with pytest.raises(asyncio.IncompleteReadError):
        read(whole[:length])


@pytest.mark.parametrize("length", [1, 19, 20, 40])
def test_a_peer_that_stops_in_the_middle_is_refused(length: int) -> None:
    whole = b"".join(encode(Frame("k", {"text": "x" * 40})))

    async def run() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(whole[:length])
        await read_frame(reader, silence=0.01)

    with pytest.raises(FrameRefused, match="middle of a frame"):
        asyncio.run(run())


def test_a_field_that_was_left_out_is_named() -> None:
    with pytest.raises(FrameRefused, match="a 'loss' frame lacks 'mb'"):
        Frame("loss")["mb"]
