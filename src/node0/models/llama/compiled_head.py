# SPDX-License-Identifier: Apache-2.0
"""The final norm and the LM head of a stage as two calls of compiled code."""

from typing import cast

import torch
from torch import Tensor

from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.call_list import CallList
from node0.models.compiled.layer_code import ENTRIES, NORM
from node0.models.llama.compiled_calls import Norms, functions, zeros
from node0.models.llama.compiled_linear import CompiledLinear
from node0.models.llama.layers import TailExpert


class CompiledHead:
    """What `TailExpert.logits` computes, to rounding; a row's result depends on the row alone."""

    def __init__(self, tail: TailExpert, heads: Heads) -> None:
        """`heads` name the functions that the layers use too."""
        self._norm, self._output = tail.norm, cast(CompiledLinear, tail.output)
        self._dtype = self._output.weight.dtype
        compiled = functions(heads, narrow=self._dtype == torch.bfloat16, normed=False)
        self._norms = Norms(compiled[ENTRIES.index(NORM)])
        self._rows = 0

    def __call__(self, stream: Tensor) -> Tensor:
        """float32 (rows, vocab) of rows (rows, hidden) of the residual stream."""
        rows = stream.shape[0]
        if self._rows < rows:
            self._make_room(1 << (rows - 1).bit_length())
        self._x[:rows].copy_(stream)
        self._calls.prepare(rows)
        self._calls.run()
        # Float32 rows are those of the next call too.
        return self._y[:rows].to(torch.float32, copy=True)

    def _make_room(self, rows: int) -> None:
        """Room and calls for so many rows."""
        output = self._output
        words = output.product.words(output.in_features)
        self._rows, self._x = rows, zeros(rows, output.in_features)
        self._normed = zeros(rows, words * (4 // self._dtype.itemsize), dtype=self._dtype)
        self._y = zeros(rows, output.out_features, dtype=self._dtype)
        places = (self._normed.data_ptr(), output.panels, self._y.data_ptr())
        product = output.product.call(*places, words, output.out_features)
        self._calls = CallList([self._norms.call(self._norm, self._x, self._normed), product])
