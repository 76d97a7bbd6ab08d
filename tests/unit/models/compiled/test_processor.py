# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.models.compiled.processor import processor

AVX2 = {"avx2": True, "fma": True}
AVX512 = {**AVX2, "avx512f": True, "avx512bf16": False}


@pytest.mark.parametrize("features", [{}, {"avx2": True}, {"fma": True, "avx512f": True}])
def test_a_processor_without_fused_vectors_is_none(features: dict[str, bool]) -> None:
    assert processor("old", features) is None


def test_vectors_and_rows_are_those_that_the_registers_hold() -> None:
    narrow, wide = processor("haswell", AVX2), processor("skylake-avx512", AVX512)

    assert narrow is not None and wide is not None
    assert (narrow.lanes, wide.lanes) == (8, 16)
    # Two vectors of sums a row, two of weights and one of inputs.
    assert 2 * max(narrow.tiles) + 3 <= 16 and 2 * max(wide.tiles) + 3 <= 32
    assert wide.features == "+avx2,+fma,+avx512f,-avx512bf16"


@pytest.mark.parametrize(
    ("has_it", "wide", "pairs"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_pairs_need_their_instruction_in_the_widest_vectors(has_it: bool, wide: bool, pairs: bool) -> None:
    found = processor("some", {**AVX2, "avx512f": wide, "avx512bf16": has_it})

    assert found is not None
    assert found.pairs_bfloat16 == pairs
