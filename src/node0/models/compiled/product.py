# SPDX-License-Identifier: Apache-2.0
"""Products compiled for this processor, on torch's tensors and in torch's own threads.

The code is made by llvmlite in a fraction of a second when it is first needed, and kept in this process.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from node0.models.compiled.call_list import ALONE, Call
from node0.models.compiled.large_pages import LargePages
from node0.models.compiled.machine_code import machine_code, torch_threads
from node0.models.compiled.processor import Processor, this_processor
from node0.models.compiled.product_code import ENTRY, panel_width, product_code
from node0.models.compiled.thread_team import single_calls

TYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Panels:
    """A matrix and its bias as a product reads them."""

    weight: Tensor
    "(panels, words, panel) in float32, (panels, words, panel, 2) in bfloat16; zeros fill up."

    bias: Tensor
    "float32 (panels * panel), zeros where there is none."


class Product:
    """y = x Wᵀ + b in one type of x, W and y, with sums in float32.

    A row's result depends on the row alone: see `product_code`.
    """

    def __init__(self, processor: Processor, dtype: torch.dtype) -> None:
        self._width, self._dtype = panel_width(processor), dtype
        self._in_a_word = 4 // dtype.itemsize
        code = product_code(processor, narrow=dtype == torch.bfloat16)
        (self._multiply,) = machine_code(processor, code, ENTRY)

    def numbers(self, outputs: int, inputs: int) -> int:
        """Numbers of a matrix (out, in) as it is laid out, with the zeros that fill it up."""
        return (outputs + -outputs % self._width) * (inputs + -inputs % self._in_a_word)

    def panels(
        self, weight: Tensor, bias: Tensor | None = None, *, pages: LargePages | None = None
    ) -> Panels:
        """Lay out a matrix (out, in) and a bias (out,) of the product's type, in `pages` if there is room."""
        outputs, inputs = weight.shape
        more = -outputs % self._width
        filled = functional.pad(weight.detach(), (0, -inputs % self._in_a_word, 0, more))
        words = filled.view(-1, self._width, filled.shape[1] // self._in_a_word, self._in_a_word)
        laid = (pages or LargePages(0)).hold(words.transpose(1, 2))
        given = weight.new_zeros(outputs) if bias is None else bias.detach()
        return Panels(
            laid.squeeze(-1) if self._in_a_word == 1 else laid, functional.pad(given.float(), (0, more))
        )

    def __call__(self, x: Tensor, panels: Panels, outputs: int) -> Tensor:
        """(..., in) to (..., out); no gradient passes."""
        if x.shape[-1] % self._in_a_word:
            x = functional.pad(x, (0, 1))
        x, words = x.contiguous(), x.shape[-1] // self._in_a_word
        y = x.new_empty((*x.shape[:-1], outputs))
        call, rows = self.call(x.data_ptr(), panels, y.data_ptr(), words, outputs), y.numel() // outputs
        threads = torch.get_num_threads() if rows * call.work > ALONE else 1
        self._multiply(single_calls().address, rows, threads, *call.arguments)
        return y

    def words(self, inputs: int) -> int:
        """Words of a row of inputs, the last one filled up."""
        return -(-inputs // self._in_a_word)

    def call(self, x: int, panels: Panels, y: int, words: int, outputs: int) -> Call:
        """The product of rows at an address, `words` each, to rows (outputs,) at another."""
        addresses = (x, panels.weight.data_ptr(), panels.bias.data_ptr(), y)
        return Call(self._multiply, (*addresses, words, outputs), work=words * outputs)


@cache
def product_here(dtype: torch.dtype) -> Product | None:
    """The product of a type on this processor; None where none can be compiled for it."""
    found = this_processor()
    if dtype not in TYPES or found is None or torch_threads() is None:
        return None
    return Product(found, dtype)
