# SPDX-License-Identifier: Apache-2.0
import pytest
from llvmlite import ir

from node0.models.compiled.attention_rows import Heads, RowCode, notes_of, tile_code


def test_a_row_notes_values_weights_sums_and_its_largest_score() -> None:
    assert notes_of(16, Heads(1, 1, 64)) == 64 + 32 + 16 + 16
    assert notes_of(8, Heads(1, 1, 20)) == 32 + 16 + 8 + 8


@pytest.mark.parametrize("rows", [1, 5])
def test_a_tile_is_one_function_that_only_its_module_sees(rows: int) -> None:
    module = ir.Module("m")

    tile = tile_code(RowCode(module, 8, Heads(1, 2, 16)), rows)

    assert (tile.name, tile.linkage) == (f"tile{rows}", "internal")
    assert tile in module.functions
