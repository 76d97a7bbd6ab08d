# SPDX-License-Identifier: Apache-2.0
import graphlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.eval.suite.dependencies import Dependencies

CHAIN = Dependencies({"a": (), "b": ("a",), "c": ("b",)})
DIAMOND = Dependencies({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")})
graphs = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3).map(tuple), max_size=6
).map(lambda needs: {name: tuple(o for o in needed if o in needs) for name, needed in needs.items()})


def test_depth_and_parallelism_of_known_graphs() -> None:
    assert (CHAIN.depth, CHAIN.parallelism) == (3, 0.0)
    assert DIAMOND.depth == 3
    assert DIAMOND.parallelism == pytest.approx(1 / 3)
    assert Dependencies({"a": (), "b": ()}).parallelism == 1.0
    assert (Dependencies({}).depth, Dependencies({"a": ()}).parallelism) == (0, 1.0)


@given(graphs)
def test_circles_are_those_that_the_standard_library_finds(needs: dict[str, tuple[str, ...]]) -> None:
    try:
        list(graphlib.TopologicalSorter(needs).static_order())
        sound = True
    except graphlib.CycleError:
        sound = False

    assert (Dependencies(needs).circle == []) is sound


def test_what_waits_for_a_circle_is_stuck_too() -> None:
    graph = Dependencies({"a": ("b",), "b": ("a",), "c": ("a",), "d": ()})

    assert graph.circle == ["a", "b", "c"]
    assert "a circle: a, b, c" in str(graph.shortcoming())


def test_before_is_looked_for_through_others() -> None:
    assert CHAIN.precedes("a", "c")
    assert not CHAIN.precedes("c", "a")
    assert not DIAMOND.precedes("b", "c")


def test_shortcomings_are_named() -> None:
    assert "'x' is waited for" in str(Dependencies({"a": ("x",)}).shortcoming())
    assert "parallelism 0.00" in str(CHAIN.shortcoming(parallelism=0.5))
    assert "3 steps" in str(CHAIN.shortcoming(depth=2))
    assert CHAIN.shortcoming(depth=3) is None
