# SPDX-License-Identifier: Apache-2.0
"""Tensors survive the wire: exactly, or within the stated error."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from node0.swarm.transport.codec import Codec, Packed, pack, unpack

CALM = settings(max_examples=60)
"The machine that runs this may be busy."

TYPES = [torch.int64, torch.int32, torch.float64, torch.float32, torch.bfloat16, torch.float16]
LOSSY: list[tuple[Codec, torch.dtype]] = [("bfloat16", torch.bfloat16), ("float16", torch.float16)]
SHAPES = [(), (0,), (3, 0), (0, 3), (1,), (2, 5), (2, 3, 4)]


def _sent(tensor: Tensor, codec: Codec = "float32", *, start: int = 0) -> Tensor:
    packed = pack(tensor, codec)
    payload = bytearray(start) + b"".join(packed.pieces)
    assert len(payload) - start == packed.nbytes
    return unpack(Packed.from_meta(packed.meta), payload, start)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type_and_shape_arrives_to_the_bit(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 100).to(dtype)

    found = _sent(tensor)

    assert found.dtype == dtype
    assert torch.equal(found, tensor)


@pytest.mark.parametrize("codec", ["bfloat16", "float16", "int8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_codec_keeps_shape_and_type(codec: Codec, shape: tuple[int, ...]) -> None:
    found = _sent(torch.ones(shape), codec)

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.ones(shape))


@pytest.mark.parametrize("codec", ["float32", "bfloat16", "float16", "int8"])
def test_ids_are_never_rounded(codec: Codec) -> None:
    ids = torch.tensor([[2**62 + 1, -3]])

    assert torch.equal(_sent(ids, codec), ids)


@pytest.mark.parametrize(("codec", "dtype"), LOSSY)
def test_half_precision_is_a_cast(codec: Codec, dtype: torch.dtype) -> None:
    tensor = torch.randn(4, 7)

    assert torch.equal(_sent(tensor, codec), tensor.to(dtype).float())


@CALM
@example([4.04072e-38])
@given(
    arrays.arrays(
        "float32",
        arrays.array_shapes(max_dims=3, max_side=6),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    )
)
def test_int8_errs_by_half_a_level_at_most(values: object) -> None:
    tensor = torch.as_tensor(values, dtype=torch.float32)
    row = tensor.double().abs().amax(dim=-1, keepdim=True)
    # Half a level, one rounding of float32 of the result, and what is below its smallest number.
    bound = row / 127 / 2 + row * 2.0**-22 + torch.finfo(torch.float32).tiny

    error = (_sent(tensor, "int8").double() - tensor.double()).abs()

    assert bool((error <= bound).all())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_lost_arrives_lost_and_the_others_do_not(bad: float) -> None:
    tensor = torch.ones(3, 4)
    tensor[1, 2] = bad

    found = _sent(tensor, "int8")

    assert bool(found[1].isnan().all())
    torch.testing.assert_close(found[[0, 2]], tensor[[0, 2]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("codec", ["float32", "bfloat16", "float16"])
def test_what_is_not_finite_stays_so(codec: Codec, bad: float) -> None:
    assert torch.equal(_sent(torch.tensor([1.0, bad]), codec).isfinite(), torch.tensor([True, False]))


def test_zeros_stay_zeros_in_8_bits() -> None:
    assert torch.equal(_sent(torch.zeros(2, 3), "int8"), torch.zeros(2, 3))


def test_a_view_that_is_not_contiguous_arrives() -> None:
    tensor = torch.randn(5, 3).t()[1:]

    assert torch.equal(_sent(tensor), tensor)


@pytest.mark.parametrize("start", [1, 3, 8])
def test_a_tensor_begins_at_any_byte(start: int) -> None:
    tensor = torch.randn(3, 3)

    assert torch.equal(_sent(tensor, start=start), tensor)


def test_what_arrives_can_be_written_to() -> None:
    found = _sent(torch.zeros(2))
    found += 1

    assert torch.equal(found, torch.ones(2))


@pytest.mark.parametrize(
    "meta",
    [
        [[1], "float32"],
        [[1], "float32", "float32", 1],
        [[-1], "float32", "float32"],
        [[True], "float32", "float32"],
        [[1.0], "float32", "float32"],
        [["1"], "float32", "float32"],
        [[2**62, 2**62], "float32", "float32"],
        [[0, 2**70], "float32", "float32"],
        [[1] * 9, "float32", "float32"],
        [[1], "bool", "bool"],
        [[1], "float32", "int64"],
        [[1], "int64", "float32"],
        [[1], "int64", "int8"],
        [[1], "float32", "object"],
        [[1], "float32", None],
        [[1], [1], "float32"],
        [1, "float32", "float32"],
        [None, "float32", "float32"],
        None,
        7,
    ],
)
def test_a_description_that_pack_never_writes_is_refused(meta: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Packed.from_meta(meta)  # type: ignore[arg-type]  # that is what is tested


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="codec zip"):
        pack(torch.ones(1), "zip")  # type: ignore[arg-type]  # that is what is tested
