# SPDX-License-Identifier: Apache-2.0
import pytest
from llvmlite import binding

from node0.models.compiled.attention_code import attention_code
from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.processor import Processor

WIDE = Processor("skylake-avx512", "", 16, (12, 1), pairs_bfloat16=False)
NARROW = Processor("haswell", "", 8, (6, 1), pairs_bfloat16=False)


@pytest.mark.parametrize("processor", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("heads", [Heads(2, 4, 80), Heads(1, 1, 8, window=5)], ids=["all", "window"])
def test_the_code_is_what_llvm_accepts_and_keeps_the_order_of_sums(
    processor: Processor, heads: Heads
) -> None:
    code = attention_code(processor, heads)
    binding.parse_assembly(code).verify()

    assert not any(flag in code for flag in (" fast ", " reassoc ", " contract "))
