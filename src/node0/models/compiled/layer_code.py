# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of what a layer does between its products: sums, norms, turns and gates.

A row sees no other row, and the order of its sums depends on its width alone. Vectors are read whole: there
must be as many numbers behind the last one as a vector has lanes.
"""

from collections.abc import Callable, Sequence

from llvmlite import ir

from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import (
    BY_THREADS,
    FLOAT,
    FLOATS,
    I16,
    I32,
    I64,
    Vectors,
    count,
    do_by_threads,
    entry,
    loop,
    shared_work,
)

ADD, NORM, TURN, GATE, NARROW = ENTRIES = ("add", "norm", "turn", "gate", "narrow")

Load = Callable[[ir.IRBuilder, ir.Value], ir.Value]
"A vector of float32 from a number of a row on."

Row = Callable[[ir.IRBuilder, Sequence[ir.Value], ir.Value], None]
"What is done with a row, given the arguments and the row's number."


def layer_code(processor: Processor, heads: Heads, *, narrow: bool, normed: bool) -> str:
    """A module with ENTRIES, each for so many rows. T is bfloat16 if `narrow`, else float32.

    Behind a team, rows and threads their arguments are, numbers of a row in brackets:

    - ADD: x [width] float32, more [width] T, width; adds it to x.
    - NORM: x [width] float32, weight, out [step] T, width, step, eps; an RMS norm.
    - TURN: joined queries, keys and values T, the same in float32 out, cos [dim], sin [dim], weights of the
      norms of queries and keys if `normed`, eps; turns queries and keys by their positions, as `rope.rotate`.
    - GATE: gates and values [2 width] T, out [step] T, width, step; SwiGLU.
    - NARROW: x [width] float32, out [step] T, width, step.
    """
    kind = _Kind(ir.Module("layer"), processor.lanes)
    own = (I16 if narrow else FLOAT).as_pointer()
    _kernel(kind, ADD, [FLOATS, own, I64], _add(kind))
    _kernel(kind, NORM, [FLOATS, FLOATS, own, I64, I64, FLOAT], _norm(kind))
    _kernel(kind, TURN, [own, *[FLOATS] * 5, FLOAT], _turn(kind, heads, normed=normed))
    _kernel(kind, GATE, [own, own, I64, I64], _gate(kind))
    _kernel(kind, NARROW, [FLOATS, own, I64, I64], _narrow(kind))
    return str(kind.module)


class _Kind(Vectors):
    """Vectors, and rows of them."""

    def each(
        self, build: ir.IRBuilder, width: ir.Value, do: Callable[[ir.IRBuilder, ir.Value, ir.Value], None]
    ) -> None:
        """Go through a row: `do` is given where a vector begins, and how many numbers are left (int32)."""

        def one(build: ir.IRBuilder, at: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
            do(build, at, build.trunc(build.sub(width, at), I32))
            return []

        loop(build, (count(0), width, self.lanes), [], one)

    def write(self, build: ir.IRBuilder, numbers: ir.Value, place: ir.Value, left: ir.Value) -> None:
        """Write the first `left` of some float32 numbers in the type of what is there."""
        value = numbers if place.type.pointee == FLOAT else self.bfloat16(build, numbers)
        self.save_some(build, value, place, left)

    def scale(self, build: ir.IRBuilder, load: Load, width: ir.Value, eps: ir.Value) -> ir.Value:
        """What an RMS norm multiplies a row by, in all lanes."""

        def one(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            seen = self.first(build, build.trunc(build.sub(width, at), I32))
            value = build.select(seen, load(build, at), self.constant(FLOAT, 0.0))
            return [self.fma(build, value, value, sums[0])]

        (squares,) = loop(build, (count(0), width, self.lanes), [self.constant(FLOAT, 0.0)], one)
        mean = build.fdiv(self.total(build, squares), build.sitofp(width, FLOAT))
        root = self.call(build, "llvm.sqrt.f32", FLOAT, [build.fadd(mean, eps)])
        return self.everywhere(build, build.fdiv(ir.Constant(FLOAT, 1.0), root))


def _kernel(kind: _Kind, name: str, kinds: Sequence[ir.Type], row: Row) -> None:
    def items(build: ir.IRBuilder, given: Sequence[ir.Value]) -> ir.Value:
        return given[0]

    def item(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        row(build, given[1:], number)

    shared = shared_work(kind.module, [I64, *kinds], items=items, item=item, name=f"share_{name}")
    build, (team, rows, threads, *given) = entry(kind.module, name, [*BY_THREADS, *kinds])
    do_by_threads(build, shared, [rows, *given], by=(team, threads))
    build.ret_void()


def _at(build: ir.IRBuilder, start: ir.Value, row: ir.Value, width: ir.Value) -> ir.Value:
    return build.gep(start, [build.mul(row, width)])


def _add(kind: _Kind) -> Row:
    def row(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        x, more, width = given
        x, more = (_at(build, each, number, width) for each in (x, more))

        def one(build: ir.IRBuilder, at: ir.Value, left: ir.Value) -> None:
            place = build.gep(x, [at])
            added = build.fadd(kind.load(build, place), kind.load_wide(build, build.gep(more, [at])))
            kind.write(build, added, place, left)

        kind.each(build, width, one)

    return row


def _norm(kind: _Kind) -> Row:
    def row(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        x, weight, out, width, step, eps = given
        x, out = _at(build, x, number, width), _at(build, out, number, step)

        def load(build: ir.IRBuilder, at: ir.Value) -> ir.Value:
            return kind.load(build, build.gep(x, [at]))

        scale = kind.scale(build, load, width, eps)

        def one(build: ir.IRBuilder, at: ir.Value, left: ir.Value) -> None:
            value = build.fmul(build.fmul(load(build, at), scale), kind.load(build, build.gep(weight, [at])))
            kind.write(build, value, build.gep(out, [at]), left)

        kind.each(build, width, one)

    return row


def _turn(kind: _Kind, heads: Heads, *, normed: bool) -> Row:
    queries, keys, dim = heads.kv_heads * heads.per_key, heads.kv_heads, heads.dim
    whole = count((queries + 2 * keys) * dim)

    def row(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        joined, out, cos, sin, *weights, eps = given
        joined, out = (_at(build, each, number, whole) for each in (joined, out))
        cos, sin = (_at(build, each, number, count(dim)) for each in (cos, sin))
        for first, last, weight in ((0, queries, weights[0]), (queries, queries + keys, weights[1])):

            def one(
                build: ir.IRBuilder, head: ir.Value, _: Sequence[ir.Value], weight: ir.Value = weight
            ) -> list[ir.Value]:
                own = [_at(build, each, head, count(dim)) for each in (joined, out)]
                _turn_head(kind, build, (*own, cos, sin), dim, (weight, eps) if normed else None)
                return []

            loop(build, (count(first), count(last), 1), [], one)
        values = count((queries + keys) * dim)

        def copy(build: ir.IRBuilder, at: ir.Value, left: ir.Value) -> None:
            at = build.add(at, values)
            kind.write(build, kind.load_wide(build, build.gep(joined, [at])), build.gep(out, [at]), left)

        kind.each(build, count(keys * dim), copy)

    return row


def _turn_head(
    kind: _Kind,
    build: ir.IRBuilder,
    given: tuple[ir.Value, ir.Value, ir.Value, ir.Value],
    dim: int,
    norm: tuple[ir.Value, ir.Value] | None,
) -> None:
    """One head of (x, out, cos, sin), whose halves turn with each other; sin has their signs."""
    x, out, cos, sin = given
    half = dim // 2

    def load(build: ir.IRBuilder, at: ir.Value) -> ir.Value:
        return kind.load_wide(build, build.gep(x, [at]))

    scale = None if norm is None else kind.scale(build, load, count(dim), norm[1])
    for at in range(0, half, kind.lanes):
        halves = [load(build, count(first)) for first in (at, half + at)]
        if norm is not None:
            weights = [kind.load(build, norm[0], first) for first in (at, half + at)]
            halves = [build.fmul(build.fmul(x, scale), w) for x, w in zip(halves, weights, strict=True)]
        for first, own, other in ((at, *halves), (half + at, *halves[::-1])):
            kept = build.fmul(own, kind.load(build, cos, first))
            turned = kind.fma(build, other, kind.load(build, sin, first), kept)
            left = ir.Constant(I32, min(kind.lanes, half - at))
            kind.write(build, turned, build.gep(out, [count(first)]), left)


def _gate(kind: _Kind) -> Row:
    def row(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        both, out, width, step = given
        gates, out = _at(build, both, number, build.mul(width, count(2))), _at(build, out, number, step)
        values = build.gep(gates, [width])

        def one(build: ir.IRBuilder, at: ir.Value, left: ir.Value) -> None:
            gate, value = (kind.load_wide(build, build.gep(each, [at])) for each in (gates, values))
            kind.write(build, build.fmul(_silu(kind, build, gate), value), build.gep(out, [at]), left)

        kind.each(build, width, one)

    return row


def _silu(kind: _Kind, build: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """x / (1 + exp(-x)), with an exponent that is never above 0."""
    one, negative = kind.constant(FLOAT, 1.0), build.fcmp_ordered("<", x, kind.constant(FLOAT, 0.0))
    power = kind.exp(build, build.select(negative, x, build.fneg(x)))
    return build.fmul(x, build.fdiv(build.select(negative, power, one), build.fadd(one, power)))


def _narrow(kind: _Kind) -> Row:
    def row(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        x, out, width, step = given
        x, out = _at(build, x, number, width), _at(build, out, number, step)

        def one(build: ir.IRBuilder, at: ir.Value, left: ir.Value) -> None:
            kind.write(build, kind.load(build, build.gep(x, [at])), build.gep(out, [at]), left)

        kind.each(build, width, one)

    return row
