# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of a product y = x Wᵀ + b whose rows do not see each other.

Each output has one accumulator, which takes its inputs in their order; after every BLOCK inputs it is added
to the output's sum, as a long sum rounds less in pieces. How many rows and outputs are computed at once, and
by which thread, is not part of that order: a row has the same bits alone and among any others.

W lies in panels of some outputs, input after input, so that it is read once from front to back. Inputs come
in words of 32 bits: a float32 number, or two bfloat16 numbers.
"""

from collections.abc import Sequence

from llvmlite import ir

from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import (
    BY_THREADS,
    FLOAT,
    I16,
    I32,
    I64,
    VECTORS,
    VOID,
    Vectors,
    count,
    do_by_threads,
    entry,
    in_tiles,
    loop,
    shared_work,
)

BLOCK = 128
"Words whose products one accumulator takes."

ENTRY = "product"


def panel_width(processor: Processor) -> int:
    """Outputs of a panel."""
    return processor.lanes * VECTORS


def product_code(processor: Processor, *, narrow: bool) -> str:
    """A module with ENTRY(team, rows, threads, x, W, b, y, words, outputs).

    x (rows, words), W (panels, words, panel), b float32 (panels * panel) and y (rows, outputs) are addresses.
    `narrow`: x, W and y are bfloat16 and two inputs are a word; sums are float32.
    """
    kind = _Kind(ir.Module(ENTRY), processor, narrow)
    tiles = {rows: _tile(kind, rows) for rows in processor.tiles}
    _entry(kind, tiles)
    return str(kind.module)


class _Kind(Vectors):
    """The types of a product, and how vectors of words are multiplied and rounded."""

    def __init__(self, module: ir.Module, processor: Processor, narrow: bool) -> None:
        super().__init__(module, processor.lanes)
        self.narrow, self._in_pairs = narrow, processor.pairs_bfloat16
        word, output = (I32, I16) if narrow else (FLOAT, FLOAT)
        addresses = [kind.as_pointer() for kind in (word, word, FLOAT, output)]
        self.arguments = [*addresses, I64, I64]
        "x, W, b, y; words, outputs."

    def add_product(self, build: ir.IRBuilder, total: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
        """total + x w, by lane; of words that are pairs, the sum of two products."""
        if not self.narrow:
            return self.fma(build, x, w, total)
        if self._in_pairs:
            return self.call(build, "llvm.x86.avx512bf16.dpbf16ps.512", self.floats, [total, x, w])
        for half in (self._low, self._high):
            total = self.fma(build, half(build, x), half(build, w), total)
        return total

    def output(self, build: ir.IRBuilder, sums: ir.Value) -> ir.Value:
        """A vector of sums in the type of y."""
        return self.bfloat16(build, sums) if self.narrow else sums

    def _low(self, build: ir.IRBuilder, words: ir.Value) -> ir.Value:
        return build.bitcast(build.shl(words, self.constant(I32, 16)), self.floats)

    def _high(self, build: ir.IRBuilder, words: ir.Value) -> ir.Value:
        return build.bitcast(build.and_(words, self.constant(I32, -(1 << 16))), self.floats)


def _tile(kind: _Kind, rows: int) -> ir.Function:
    """Some rows of a panel: (x, W, b, y, words, outputs, outputs from the panel's first on)."""
    signature = ir.FunctionType(VOID, [*kind.arguments[:4], I64, I64, I64])
    function = ir.Function(kind.module, signature, f"tile{rows}")
    function.linkage = "internal"
    x, w, bias, y, words, outputs, left = function.args
    build = ir.IRBuilder(function.append_basic_block())
    sums = _sums(kind, build, (x, w, words), rows)
    for row in range(rows):
        for n in range(VECTORS):
            first = count(n * kind.lanes)
            total = build.fadd(sums[row * VECTORS + n], kind.load(build, bias, n * kind.lanes))
            place = build.gep(y, [build.add(build.mul(outputs, count(row)), first)])
            kind.save_some(build, kind.output(build, total), place, build.trunc(build.sub(left, first), I32))
    build.ret_void()
    return function


def _sums(
    kind: _Kind, build: ir.IRBuilder, given: tuple[ir.Value, ir.Value, ir.Value], rows: int
) -> list[ir.Value]:
    """VECTORS sums for each row of x, of (x, W, words)."""
    x, w, words = given
    starts = [build.gep(x, [build.mul(words, count(row))]) for row in range(rows)]
    zeros = [kind.constant(FLOAT, 0.0)] * (rows * VECTORS)

    def one_word(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        panel = build.gep(w, [build.mul(at, count(kind.width))])
        weights = [kind.load(build, panel, n * kind.lanes) for n in range(VECTORS)]
        found: list[ir.Value] = []
        for row, start in enumerate(starts):
            value = kind.everywhere(build, build.load(build.gep(start, [at])))
            own = sums[row * VECTORS : (row + 1) * VECTORS]
            found += [kind.add_product(build, total, value, w) for total, w in zip(own, weights, strict=True)]
        return found

    def one_block(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        end = build.add(at, count(BLOCK))
        end = build.select(build.icmp_signed("<", end, words), end, words)
        parts = loop(build, (at, end, 1), zeros, one_word)
        return [build.fadd(total, part) for total, part in zip(sums, parts, strict=True)]

    return loop(build, (count(0), words, BLOCK), zeros, one_block)


def _entry(kind: _Kind, tiles: dict[int, ir.Function]) -> None:
    def panels(build: ir.IRBuilder, arguments: Sequence[ir.Value]) -> ir.Value:
        more = build.add(arguments[-1], count(kind.width - 1))
        return build.sdiv(more, count(kind.width))

    def one_panel(build: ir.IRBuilder, arguments: Sequence[ir.Value], panel: ir.Value) -> None:
        rows, x, w, bias, y, words, outputs = arguments
        first = build.mul(panel, count(kind.width))
        weights, biases = build.gep(w, [build.mul(first, words)]), build.gep(bias, [first])
        left = build.sub(outputs, first)

        def call(build: ir.IRBuilder, tile: ir.Function, row: ir.Value) -> None:
            place = build.gep(y, [build.add(build.mul(row, outputs), first)])
            inputs = build.gep(x, [build.mul(row, words)])
            build.call(tile, [inputs, weights, biases, place, words, outputs, left])

        in_tiles(build, rows, tiles, call)

    shared = shared_work(kind.module, [I64, *kind.arguments], items=panels, item=one_panel)
    build, (team, rows, threads, *arguments) = entry(kind.module, ENTRY, [*BY_THREADS, *kind.arguments])
    do_by_threads(build, shared, [rows, *arguments], by=(team, threads))
    build.ret_void()
