# SPDX-License-Identifier: Apache-2.0
import pytest
from llvmlite import binding

from node0.models.compiled.processor import Processor
from node0.models.compiled.product_code import panel_width, product_code

KINDS = [
    pytest.param(Processor("znver4", "", 16, (12, 1), pairs_bfloat16=True), True, id="pairs"),
    pytest.param(Processor("skylake-avx512", "", 16, (12, 1), pairs_bfloat16=False), True, id="widened"),
    pytest.param(Processor("haswell", "", 8, (6, 1), pairs_bfloat16=False), False, id="narrow vectors"),
]


@pytest.mark.parametrize(("processor", "narrow"), KINDS)
def test_the_code_is_what_llvm_accepts_with_one_function_to_call(processor: Processor, narrow: bool) -> None:
    module = binding.parse_assembly(product_code(processor, narrow=narrow))
    module.verify()

    seen = [
        each.name for each in module.functions if not each.is_declaration and each.linkage.name == "external"
    ]
    assert seen == ["product"]


@pytest.mark.parametrize(("processor", "narrow"), KINDS)
def test_no_sum_may_be_reordered(processor: Processor, narrow: bool) -> None:
    code = product_code(processor, narrow=narrow)

    assert not any(flag in code for flag in (" fast ", " reassoc ", " contract "))


def test_pairs_are_multiplied_by_the_instruction_where_there_is_one() -> None:
    with_it, without = (
        product_code(Processor("some", "", 16, (1,), pairs_bfloat16=pairs), narrow=True)
        for pairs in (True, False)
    )

    assert "dpbf16ps" in with_it and "dpbf16ps" not in without
    assert panel_width(Processor("some", "", 16, (1,), pairs_bfloat16=True)) == 32
