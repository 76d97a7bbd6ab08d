# SPDX-License-Identifier: Apache-2.0
import ctypes

import pytest
import torch
from llvmlite import ir

from node0.models.compiled.call_list import ALONE, Call, CallList
from node0.models.compiled.machine_code import Function, machine_code
from node0.models.compiled.processor import this_processor
from node0.models.compiled.product import product_here
from node0.models.compiled.vector_code import COUNTS, I64, count, entry

pytestmark = pytest.mark.skipif(
    product_here(torch.float32) is None, reason="nothing is compiled for this processor"
)


@pytest.fixture(scope="module")
def note() -> Function:
    """Appends its rows, threads and first argument to numbers at an address, behind how many there are."""
    module = ir.Module("m")
    build, (_, rows, threads, value, places) = entry(module, "note", [I64, I64, I64, I64, COUNTS])
    number = build.load(places)
    for at, each in enumerate((rows, threads, value), 1):
        build.store(each, build.gep(places, [build.add(number, count(at))]))
    build.store(build.add(number, count(3)), places)
    build.ret_void()
    found = this_processor()
    assert found is not None
    return machine_code(found, str(module), "note")[0]


def noted(places: "ctypes.Array[ctypes.c_int64]") -> list[tuple[int, ...]]:
    values = list(places)[1 : 1 + places[0]]
    return [tuple(values[at : at + 3]) for at in range(0, len(values), 3)]


def test_calls_are_made_in_their_order_with_rows_and_threads(note: Function) -> None:
    places, before = (ctypes.c_int64 * 40)(), torch.get_num_threads()
    address = ctypes.addressof(places)
    calls = CallList(
        [Call(note, (value, address), work=work) for value, work in ((7, 1), (8, ALONE), (9, 1))]
    )
    torch.set_num_threads(2)

    calls.prepare(2)
    calls.run()
    calls.prepare(1)
    calls.run(1, 2)

    torch.set_num_threads(before)
    assert noted(places) == [(2, 1, 7), (2, 2, 8), (2, 1, 9), (1, 1, 8)]


def test_a_step_fills_in_all_calls_of_a_function(note: Function) -> None:
    (other,) = machine_code_of_nothing()
    places = (ctypes.c_int64 * 40)()
    calls = CallList(
        [
            Call(note, (0, ctypes.addressof(places)), 1),
            Call(other, (), 1),
            Call(note, (0, ctypes.addressof(places)), 1),
        ]
    )

    calls.prepare(4)
    calls.fill(note, (5,), threads=3)
    calls.run()
    calls.run(2, 2)

    assert noted(places) == [(4, 3, 5), (4, 3, 5)]


def machine_code_of_nothing() -> list[Function]:
    module = ir.Module("nothing")
    build, _ = entry(module, "f", [])
    build.ret_void()
    found = this_processor()
    assert found is not None
    return machine_code(found, str(module), "f")
