# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of a product y = x Wᵀ + b whose rows do not see each other.

Each output has one accumulator, which takes its inputs in their order; after every BLOCK inputs it is added
to the output's sum, as a long sum rounds less in pieces. How many rows and outputs are computed at once, and
by which thread, is not part of that order: a row has the same bits alone and among any others.

W lies in panels of some outputs, input after input, so that it is read once from front to back. Inputs come
in words of 32 bits: a float32 number, or two bfloat16 numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from llvmlite import ir

from node0.models.compiled.processor import Processor

BLOCK = 128
"Words whose products one accumulator takes."

VECTORS = 2
"Vectors of outputs in a panel."

ENTRY = "product"

_I1, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))
_FLOAT, _VOID, _BYTES = ir.FloatType(), ir.VoidType(), ir.IntType(8).as_pointer()
_BODY = ir.FunctionType(_VOID, [_BYTES])
_PARALLEL = ir.FunctionType(_VOID, [_BODY.as_pointer(), _BYTES, _I32, _I32])
"GOMP_parallel of an OpenMP runtime: what each thread calls, with what, how many threads, and flags."

_NAN = 0x7FC0
"Of bfloat16."


def panel_width(processor: Processor) -> int:
    """Outputs of a panel."""
    return processor.lanes * VECTORS


def product_code(processor: Processor, *, narrow: bool) -> str:
    """A module with ENTRY(GOMP_parallel, x, W, b, y, rows, words, outputs, threads).

    x (rows, words), W (panels, words, panel), b float32 (panels * panel) and y (rows, outputs) are addresses.
    `narrow`: x, W and y are bfloat16 and two inputs are a word; sums are float32.
    """
    module = ir.Module(ENTRY)
    kind = _Kind(module, processor, narrow)
    tiles = {rows: _tile(kind, rows) for rows in processor.tiles}
    _entry(kind, _share(kind, tiles))
    return str(module)


@dataclass(frozen=True)
class _Kind:
    """The types of a product, and how a vector of words is multiplied and stored."""

    module: ir.Module
    processor: Processor
    narrow: bool

    @property
    def lanes(self) -> int:
        return self.processor.lanes

    @property
    def word(self) -> ir.Type:
        return _I32 if self.narrow else _FLOAT

    @property
    def output(self) -> ir.Type:
        return _I16 if self.narrow else _FLOAT

    @property
    def arguments(self) -> list[ir.Type]:
        """x, W, b, y; rows, words, outputs."""
        word = self.word.as_pointer()
        return [word, word, _FLOAT.as_pointer(), self.output.as_pointer(), _I64, _I64, _I64]

    @cached_property
    def work(self) -> ir.Type:
        """What threads share: the next panel to take, and the arguments."""
        return ir.LiteralStructType([_I64, *self.arguments])

    def vector(self, element: ir.Type) -> ir.Type:
        return ir.VectorType(element, self.lanes)

    def constant(self, element: ir.Type, value: float | Sequence[int]) -> ir.Constant:
        """A vector of a number, or of several."""
        values = list(value) if isinstance(value, Sequence) else [value] * self.lanes
        return ir.Constant(self.vector(element), values)

    def everywhere(self, build: ir.IRBuilder, value: ir.Value) -> ir.Value:
        """A vector with one number in all lanes."""
        nothing = ir.Constant(self.vector(value.type), ir.Undefined)
        first = build.insert_element(nothing, value, ir.Constant(_I32, 0))
        return build.shuffle_vector(first, nothing, self.constant(_I32, 0))

    def load(self, build: ir.IRBuilder, pointer: ir.Value) -> ir.Value:
        element = pointer.type.pointee
        return build.load(build.bitcast(pointer, self.vector(element).as_pointer()), align=4)

    def call(
        self, build: ir.IRBuilder, name: str, result: ir.Type, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        """One of LLVM's own functions."""
        known = self.module.globals.get(name)
        if known is None:
            known = ir.Function(self.module, ir.FunctionType(result, [each.type for each in arguments]), name)
        return build.call(known, arguments)

    def add_product(self, build: ir.IRBuilder, total: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
        """total + x w, by lane; of words that are pairs, the sum of two products."""
        floats = self.vector(_FLOAT)
        if not self.narrow:
            return self.call(build, f"llvm.fma.v{self.lanes}f32", floats, [x, w, total])
        if self.processor.pairs_bfloat16:
            return self.call(build, "llvm.x86.avx512bf16.dpbf16ps.512", floats, [total, x, w])
        for half in (self._low, self._high):
            parts = [half(build, x), half(build, w), total]
            total = self.call(build, f"llvm.fma.v{self.lanes}f32", floats, parts)
        return total

    def store(self, build: ir.IRBuilder, sums: ir.Value, pointer: ir.Value, left: ir.Value) -> None:
        """Write the first `left` of a vector of sums, in the type of the output."""
        lanes = self.constant(_I32, range(self.lanes))
        wanted = build.icmp_signed("<", lanes, self.everywhere(build, left))
        value = self._rounded(build, sums) if self.narrow else sums
        place = build.bitcast(pointer, value.type.as_pointer())
        name = f"llvm.masked.store.v{self.lanes}{'i16' if self.narrow else 'f32'}.p0"
        self.call(build, name, _VOID, [value, place, ir.Constant(_I32, 2), wanted])

    def _low(self, build: ir.IRBuilder, words: ir.Value) -> ir.Value:
        return build.bitcast(build.shl(words, self.constant(_I32, 16)), self.vector(_FLOAT))

    def _high(self, build: ir.IRBuilder, words: ir.Value) -> ir.Value:
        return build.bitcast(build.and_(words, self.constant(_I32, -(1 << 16))), self.vector(_FLOAT))

    def _rounded(self, build: ir.IRBuilder, sums: ir.Value) -> ir.Value:
        """The nearest bfloat16, the even one of two."""
        bits = build.bitcast(sums, self.vector(_I32))
        odd = build.and_(build.lshr(bits, self.constant(_I32, 16)), self.constant(_I32, 1))
        nearest = build.lshr(
            build.add(build.add(bits, self.constant(_I32, 0x7FFF)), odd), self.constant(_I32, 16)
        )
        is_nan = build.fcmp_unordered("uno", sums, sums)
        return build.trunc(build.select(is_nan, self.constant(_I32, _NAN), nearest), self.vector(_I16))


def _tile(kind: _Kind, rows: int) -> ir.Function:
    """Some rows of a panel: (x, W, b, y, words, outputs, outputs left of the panel's first)."""
    x, w, bias, y, *_ = kind.arguments
    function = ir.Function(
        kind.module, ir.FunctionType(_VOID, [x, w, bias, y, _I64, _I64, _I64]), f"tile{rows}"
    )
    function.linkage = "internal"
    x, w, bias, y, words, outputs, left = function.args
    build = ir.IRBuilder(function.append_basic_block())
    starts = [build.gep(x, [build.mul(words, _count(row))]) for row in range(rows)]
    zeros = [kind.constant(_FLOAT, 0.0)] * (rows * VECTORS)

    def one_word(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        panel = build.gep(w, [build.mul(at, _count(VECTORS * kind.lanes))])
        weights = [kind.load(build, build.gep(panel, [_count(n * kind.lanes)])) for n in range(VECTORS)]
        found: list[ir.Value] = []
        for row, start in enumerate(starts):
            value = kind.everywhere(build, build.load(build.gep(start, [at])))
            own = sums[row * VECTORS : (row + 1) * VECTORS]
            found += [kind.add_product(build, total, value, w) for total, w in zip(own, weights, strict=True)]
        return found

    def one_block(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        end = build.add(at, _count(BLOCK))
        end = build.select(build.icmp_signed("<", end, words), end, words)
        parts = _loop(build, (at, end, 1), zeros, one_word)
        return [build.fadd(total, part) for total, part in zip(sums, parts, strict=True)]

    sums = _loop(build, (_count(0), words, BLOCK), zeros, one_block)
    for row in range(rows):
        for n in range(VECTORS):
            first = _count(n * kind.lanes)
            total = build.fadd(sums[row * VECTORS + n], kind.load(build, build.gep(bias, [first])))
            place = build.gep(y, [build.add(build.mul(outputs, _count(row)), first)])
            kind.store(build, total, place, build.trunc(build.sub(left, first), _I32))
    build.ret_void()
    return function


def _share(kind: _Kind, tiles: dict[int, ir.Function]) -> ir.Function:
    """What each thread does: take the next panel, and multiply all rows by it, until none is left."""
    function = ir.Function(kind.module, _BODY, "share")
    function.linkage = "internal"
    build = ir.IRBuilder(function.append_basic_block())
    work = build.bitcast(function.args[0], kind.work.as_pointer())
    next_panel, *fields = (build.gep(work, [ir.Constant(_I32, 0), ir.Constant(_I32, n)]) for n in range(8))
    x, w, bias, y, rows, words, outputs = map(build.load, fields)
    width = _count(VECTORS * kind.lanes)
    take, multiply, end = (function.append_basic_block() for _ in range(3))
    build.branch(take)
    build.position_at_end(take)
    first = build.mul(build.atomic_rmw("add", next_panel, _count(1), "monotonic"), width)
    build.cbranch(build.icmp_signed("<", first, outputs), multiply, end)
    build.position_at_end(multiply)
    left = build.sub(outputs, first)
    panel = build.gep(w, [build.mul(first, words)])
    row = _count(0)
    for size, tile in tiles.items():
        again, one, rest = (function.append_basic_block() for _ in range(3))
        before = build.block
        build.branch(again)
        build.position_at_end(again)
        at = build.phi(_I64)
        at.add_incoming(row, before)
        after = build.add(at, _count(size))
        build.cbranch(build.icmp_signed("<=", after, rows), one, rest)
        build.position_at_end(one)
        place = build.gep(y, [build.add(build.mul(at, outputs), first)])
        inputs = build.gep(x, [build.mul(at, words)])
        build.call(tile, [inputs, panel, build.gep(bias, [first]), place, words, outputs, left])
        at.add_incoming(after, one)
        build.branch(again)
        build.position_at_end(rest)
        row = at
    build.branch(take)
    build.position_at_end(end)
    build.ret_void()
    return function


def _entry(kind: _Kind, share: ir.Function) -> None:
    """Lay down the work, and have it done by as many threads as are given."""
    function = ir.Function(
        kind.module, ir.FunctionType(_VOID, [_PARALLEL.as_pointer(), *kind.arguments, _I32]), ENTRY
    )
    parallel, *arguments, threads = function.args
    build = ir.IRBuilder(function.append_basic_block())
    work = build.alloca(kind.work)
    for number, value in enumerate([_count(0), *arguments]):
        build.store(value, build.gep(work, [ir.Constant(_I32, 0), ir.Constant(_I32, number)]))
    given = build.bitcast(work, _BYTES)
    alone = build.icmp_signed("<=", threads, ir.Constant(_I32, 1))
    with build.if_else(alone) as (one, several):
        with one:
            build.call(share, [given])
        with several:
            build.call(parallel, [share, given, threads, ir.Constant(_I32, 0)])
    build.ret_void()


_Round = Callable[[ir.IRBuilder, ir.Value, Sequence[ir.Value]], list[ir.Value]]


def _loop(
    build: ir.IRBuilder, bounds: tuple[ir.Value, ir.Value, int], initial: Sequence[ir.Value], body: _Round
) -> list[ir.Value]:
    """At least one round from a first to below a last number by a step; what `body` made of `initial`."""
    first, last, step = bounds
    before, again, end = build.block, build.append_basic_block(), build.append_basic_block()
    build.branch(again)
    build.position_at_end(again)
    at = build.phi(_I64)
    values = [build.phi(value.type) for value in initial]
    found = body(build, at, values)
    following = build.add(at, _count(step))
    for phi, start, value in zip([at, *values], [first, *initial], [following, *found], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, build.block)
    build.cbranch(build.icmp_signed("<", following, last), again, end)
    build.position_at_end(end)
    return found


def _count(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)
