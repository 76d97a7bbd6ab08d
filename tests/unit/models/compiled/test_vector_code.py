# SPDX-License-Identifier: Apache-2.0
"""Small functions written in these words, and run."""

import ctypes
from collections.abc import Sequence

import pytest
from llvmlite import binding, ir

from node0.models.compiled.machine_code import MachineCode
from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import FLOAT, I32, I64, VOID, Vectors, count, in_tiles, loop

HERE = Processor(binding.get_host_cpu_name(), "", 8, (1,), pairs_bfloat16=False)


def machine_code(module: ir.Module, arguments: Sequence[type]) -> MachineCode:
    return MachineCode(HERE, str(module), entry="f", arguments=arguments)


@pytest.mark.parametrize("left", [0, 3, 8, 11])
def test_only_the_lanes_that_are_left_are_written(left: int) -> None:
    vectors = Vectors(ir.Module("m"), 8)
    pointer = FLOAT.as_pointer()
    function = ir.Function(vectors.module, ir.FunctionType(VOID, [pointer, pointer, I32]), "f")
    build = ir.IRBuilder(function.append_basic_block())
    source, target, wanted = function.args
    doubled = vectors.fma(
        build, vectors.load(build, source), vectors.constant(FLOAT, 2.0), vectors.constant(FLOAT, 1.0)
    )
    vectors.save_some(build, doubled, target, wanted)
    build.ret_void()
    numbers, found = (ctypes.c_float * 8)(*range(8)), (ctypes.c_float * 8)(*[-1.0] * 8)

    code = machine_code(vectors.module, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32])
    code(ctypes.addressof(numbers), ctypes.addressof(found), left)

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
    function = ir.Function(module, kind, "f")
    build = ir.IRBuilder(function.append_basic_block())
    target = function.args[0]
    in_tiles(build, function.args[1], tiles, lambda build, tile, row: build.call(tile, [target, row]))
    build.ret_void()
    found = (ctypes.c_int64 * 16)()

    code = machine_code(module, [ctypes.c_void_p, ctypes.c_int64])
    code(ctypes.addressof(found), rows)

    assert [size for size in found if size] == expected


def test_a_loop_hands_its_values_on() -> None:
    module = ir.Module("m")
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64]), "f")
    build = ir.IRBuilder(function.append_basic_block())
    target, last = function.args
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

    machine_code(module, [ctypes.c_void_p, ctypes.c_int64])(ctypes.addressof(found), 8)

    assert list(found) == [1 + 3 + 5 + 7, 1 * 3 * 5 * 7]
