# SPDX-License-Identifier: Apache-2.0
"""What is between products, against torch, on this processor and on a lesser one."""

import struct

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.layer_code import ENTRIES, layer_code
from node0.models.compiled.machine_code import Function, machine_code, torch_threads
from node0.models.compiled.processor import processor, this_processor
from node0.models.compiled.thread_team import single_calls
from node0.models.llama.rope import rotate

HEADS = Heads(2, 3, 40)
EPS, SLACK, ROWS = 1e-5, 64, 7
TYPES = {torch.float32: 1e-6, torch.bfloat16: 1e-2}

pytestmark = pytest.mark.skipif(
    this_processor() is None or torch_threads() is None,
    reason="no x86 processor with fused vectors, or torch without GNU OpenMP",
)


@pytest.fixture(scope="module", params=list(TYPES), ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return torch.float32 if request.param == torch.float32 else torch.bfloat16


@pytest.fixture(scope="module", params=[True, False], ids=["normed", "plain"])
def normed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def code(features: tuple[str, dict[str, bool]], dtype: torch.dtype, normed: bool) -> dict[str, Function]:
    found = processor(*features)
    assert found is not None
    text = layer_code(found, HEADS, narrow=dtype == torch.bfloat16, normed=normed)
    assert not any(flag in text for flag in (" fast ", " reassoc ", " contract "))
    return dict(zip(ENTRIES, machine_code(found, text, *ENTRIES), strict=True))


def room(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Numbers with others behind them that must not be seen."""
    size = torch.Size(shape).numel()
    drawn = torch.randn(size + SLACK, generator=torch.Generator().manual_seed(seed + size)) * 3
    drawn[size:] = torch.nan
    return drawn.to(dtype)[:size].view(shape)


def call(function: Function, *arguments: Tensor | float, rows: int = ROWS, threads: int = 2) -> None:
    given = [_number(each) for each in arguments]
    function(single_calls().address, rows, threads, *given)


def _number(value: Tensor | float) -> int:
    if isinstance(value, Tensor):
        return value.data_ptr()
    return value if isinstance(value, int) else int.from_bytes(struct.pack("<f", value), "little")


def close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    torch.testing.assert_close(found.float(), expected.float(), rtol=TYPES[dtype], atol=TYPES[dtype])


@pytest.mark.parametrize("width", [1, 33, 64])
def test_a_sum_is_added_to_the_stream(code: dict[str, Function], dtype: torch.dtype, width: int) -> None:
    x, more = room(ROWS, width), room(ROWS, width, dtype=dtype, seed=1)
    expected = x + more.float()

    call(code["add"], x, more, width)

    assert torch.equal(x, expected)


@pytest.mark.parametrize("width", [1, 33, 64])
def test_a_norm_is_torchs(code: dict[str, Function], dtype: torch.dtype, width: int) -> None:
    x, weight, step = room(ROWS, width), room(width, seed=1), width + 1
    out = torch.full((ROWS, step), 5.0, dtype=dtype)

    call(code["norm"], x, weight, out, width, step, EPS)

    close(out[:, :width], functional.rms_norm(x, (width,), weight, EPS), dtype)
    assert (out[:, width:] == 5).all()


def test_queries_and_keys_turn_and_values_stay(
    code: dict[str, Function], dtype: torch.dtype, normed: bool
) -> None:
    queries, keys, dim = HEADS.kv_heads * HEADS.per_key, HEADS.kv_heads, HEADS.dim
    joined = room(ROWS, queries + 2 * keys, dim, dtype=dtype)
    out, cos, sin = room(*joined.shape, seed=1), room(ROWS, dim, seed=2), room(ROWS, dim, seed=3)
    weights = [room(dim, seed=seed) for seed in (4, 5)] if normed else []

    call(code["turn"], joined, out, cos, sin, *(weights or (0, 0)), EPS)

    parts = list(torch.split(joined.float(), [queries, keys, keys], dim=1))
    for number, weight in enumerate(weights):
        parts[number] = functional.rms_norm(parts[number], (dim,), weight, EPS)
    turned = [rotate(part[None], cos[None, :, None], sin[None, :, None])[0] for part in parts[:2]]
    torch.testing.assert_close(out, torch.cat([*turned, parts[2]], dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("width", [1, 33, 64])
def test_a_gate_is_swiglu(code: dict[str, Function], dtype: torch.dtype, width: int) -> None:
    both, step = room(ROWS, 2 * width, dtype=dtype), width + 1
    both[0, 0], both[1, 0] = 200.0, -200.0
    out = torch.full((ROWS, step), 5.0, dtype=dtype)

    call(code["gate"], both, out, width, step)

    gate, value = both.float().chunk(2, dim=-1)
    close(out[:, :width], functional.silu(gate) * value, dtype)
    assert (out[:, width:] == 5).all()


def test_numbers_become_those_of_the_matrices(code: dict[str, Function], dtype: torch.dtype) -> None:
    x, out = room(ROWS, 33), torch.full((ROWS, 34), 5.0, dtype=dtype)

    call(code["narrow"], x, out, 33, 34)

    assert torch.equal(out[:, :33], x.to(dtype))
    assert (out[:, 33:] == 5).all()


def test_a_row_has_the_same_bits_alone_and_by_any_number_of_threads(
    code: dict[str, Function], dtype: torch.dtype
) -> None:
    x, weight = room(ROWS, 100), room(100, seed=1)
    whole, single = (torch.zeros(ROWS, 100, dtype=dtype) for _ in range(2))
    call(code["norm"], x, weight, whole, 100, 100, EPS)

    for row in range(ROWS):
        call(code["norm"], x[row], weight, single[row], 100, 100, EPS, rows=1, threads=1)

    assert torch.equal(whole, single)
