# SPDX-License-Identifier: Apache-2.0
"""Small functions written in these words, and run."""

import ctypes

import pytest
import torch
from llvmlite import binding, ir

from node0.models.compiled.machine_code import Function, machine_code
from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import (
    COUNTS,
    FLOAT,
    FLOATS,
    I16,
    I32,
    I64,
    VOID,
    Vectors,
    count,
    entry,
    in_tiles,
    loop,
)

HERE = Processor(binding.get_host_cpu_name(), "", 8, (1,), pairs_bfloat16=False)


def function_of(module: ir.Module) -> Function:
    (found,) = machine_code(HERE, str(module), "f")
    return found


@pytest.mark.parametrize("left", [0, 3, 8, 11])
def test_only_the_lanes_that_are_left_are_written(left: int) -> None:
    vectors = Vectors(ir.Module("m"), 8)
    build, (source, target, wanted) = entry(vectors.module, "f", [FLOATS, FLOATS, I32])
    doubled = vectors.fma(
        build, vectors.load(build, source), vectors.constant(FLOAT, 2.0), vectors.constant(FLOAT, 1.0)
    )
    vectors.save_some(build, doubled, target, wanted)
    build.ret_void()
    numbers, found = (ctypes.c_float * 8)(*range(8)), (ctypes.c_float * 8)(*[-1.0] * 8)

    function_of(vectors.module)(ctypes.addressof(numbers), ctypes.addressof(found), left)

    assert list(found) == [2.0 * at + 1 if at < left else -1.0 for at in range(8)]


@pytest.mark.parametrize(("rows", "expected"), [(0, []), (1, [1]), (7, [4, 2, 1]), (13, [4, 4, 4, 1])])
def test_rows_go_in_the_largest_tiles_first(rows: int, expected: list[int]) -> None:
    module = ir.Module("m")
    kind = ir.FunctionType(VOID, [I64.as_pointer(), I64])
    tiles = {size: ir.Function(module, kind, f"tile{size}") for size in (4, 2, 1)}
    for size, tile in tiles.items():
        build = ir.IRBuilder(tile.append_basic_block())
        build.store(count(size), build.gep(tile.args[0], [tile.args[1]]))
        build.ret_void()
    build, (target, last) = entry(module, "f", [COUNTS, I64])
    in_tiles(build, last, tiles, lambda build, tile, row: build.call(tile, [target, row]))
    build.ret_void()
    found = (ctypes.c_int64 * 16)()

    function_of(module)(ctypes.addressof(found), rows)

    assert [size for size in found if size] == expected


def test_a_loop_hands_its_values_on() -> None:
    module = ir.Module("m")
    build, (target, last) = entry(module, "f", [COUNTS, I64])
    total, product = loop(
        build,
        (count(1), last, 2),
        [count(0), count(1)],
        lambda build, at, values: [build.add(values[0], at), build.mul(values[1], at)],
    )
    build.store(total, target)
    build.store(product, build.gep(target, [count(1)]))
    build.ret_void()
    found = (ctypes.c_int64 * 2)()

    function_of(module)(ctypes.addressof(found), 8)

    assert list(found) == [1 + 3 + 5 + 7, 1 * 3 * 5 * 7]


def test_bfloat16_is_the_nearest_one_and_comes_back_as_it_was() -> None:
    vectors = Vectors(ir.Module("m"), 8)
    build, (source, narrow, wide) = entry(vectors.module, "f", [FLOATS, I16.as_pointer(), FLOATS])
    vectors.save(build, vectors.bfloat16(build, vectors.load(build, source)), narrow)
    vectors.save(build, vectors.load_wide(build, narrow), wide)
    build.ret_void()
    numbers = torch.tensor([0.1, -3.0, 1 + 2**-8, 1 + 3 * 2**-8, 65535.0, torch.inf, -torch.inf, torch.nan])
    found, back = torch.empty(8, dtype=torch.bfloat16), torch.empty(8)

    function_of(vectors.module)(*(each.data_ptr() for each in (numbers, found, back)))

    assert torch.equal(found.view(torch.int16)[:-1], numbers.bfloat16().view(torch.int16)[:-1])
    assert found[-1].isnan()
    torch.testing.assert_close(back, found.float(), rtol=0, atol=0, equal_nan=True)


def test_numbers_of_each_kind_are_read_from_where_the_arguments_lie() -> None:
    module = ir.Module("m")
    build, (target, wide, narrow, number) = entry(module, "f", [COUNTS, I64, I32, FLOAT])
    for at, value in enumerate((wide, build.sext(narrow, I64), build.fptosi(number, I64))):
        build.store(value, build.gep(target, [count(at)]))
    build.ret_void()
    found, half = (ctypes.c_int64 * 3)(), torch.tensor([-6.5]).view(torch.int32)

    function_of(module)(ctypes.addressof(found), 1 << 40, -5, int(half) & 0xFFFFFFFF)

    assert list(found) == [1 << 40, -5, -6]
