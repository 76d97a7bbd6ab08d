# SPDX-License-Identifier: Apache-2.0
"""Calls that each need all that the one before wrote: whoever ran ahead or was left behind shows."""

import ctypes
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from llvmlite import ir

from node0.models.compiled.machine_code import Function, machine_code, torch_threads
from node0.models.compiled.processor import this_processor
from node0.models.compiled.team_code import ALONE, LED
from node0.models.compiled.thread_team import Team
from node0.models.compiled.vector_code import (
    BY_THREADS,
    COUNTS,
    I64,
    count,
    do_by_threads,
    entry,
    shared_work,
)

pytestmark = pytest.mark.skipif(
    this_processor() is None or torch_threads() is None, reason="nothing is compiled for this processor"
)


@pytest.fixture(scope="module")
def next_ones() -> Function:
    """Each of `rows` numbers becomes one more than the next of others; behind the last comes the first."""
    module = ir.Module("m")

    def item(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        rows, source, target = given
        right = build.srem(build.add(number, count(1)), rows)
        build.store(build.add(build.load(build.gep(source, [right])), count(1)), build.gep(target, [number]))

    shared = shared_work(module, [I64, COUNTS, COUNTS], items=lambda build, given: given[0], item=item)
    build, (team, rows, threads, *given) = entry(module, "next", [*BY_THREADS, COUNTS, COUNTS])
    do_by_threads(build, shared, [rows, *given], by=(team, threads))
    build.ret_void()
    found = this_processor()
    assert found is not None
    return machine_code(found, str(module), "next")[0]


def counted(
    function: Function, team: Team, *, calls: int, rows: int, threads: int, alone: int = 0
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """What `rows` zeros are after so many calls; each `alone`-th of them is made by one thread."""
    numbers = np.zeros((2, rows), dtype=np.int64)
    places = [int(each.ctypes.data) for each in numbers]
    blocks = np.zeros((calls, 5), dtype=np.int64)
    for at, block in enumerate(blocks):
        by = 1 if alone and at % alone == 0 else threads
        block[:] = [team.address, rows, by, places[at % 2], places[1 - at % 2]]
    addresses = blocks.ctypes.data + np.arange(calls) * blocks.strides[0]
    pairs = np.stack([np.full(calls, function.address), addresses], axis=1)
    team.run(pairs.ctypes.data, calls, threads=threads)
    return numbers[calls % 2].copy()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 700])
def test_each_call_finds_all_that_the_one_before_wrote(next_ones: Function, rows: int, threads: int) -> None:
    team = Team(LED)

    for calls in (1, 2, 500):
        assert set(counted(next_ones, team, calls=calls, rows=rows, threads=threads)) == {calls}


def test_calls_of_one_thread_stand_between_those_of_several(next_ones: Function) -> None:
    assert set(counted(next_ones, Team(LED), calls=400, rows=90, threads=3, alone=3)) == {400}


def test_teams_of_several_threads_do_not_meet(next_ones: Function) -> None:
    found: list[set[int]] = []

    def work() -> None:
        team = Team(LED)
        found.extend(set(counted(next_ones, team, calls=300, rows=50, threads=2)) for _ in range(20))

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert found == [{300}] * 40


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_calls_outside_of_a_list_are_shared_too(next_ones: Function, threads: int) -> None:
    numbers = (ctypes.c_int64 * 100)()
    found = (ctypes.c_int64 * 100)()

    next_ones(Team(ALONE).address, 100, threads, ctypes.addressof(numbers), ctypes.addressof(found))

    assert list(found) == [1] * 100
