# SPDX-License-Identifier: Apache-2.0
"""What rows of attention compute, in LLVM's intermediate code: weights and values of keys, some at a time.

A row is a query of one head. It goes through its keys some at a time, with the largest score, the sum of
weights and the weighted values so far, as FlashAttention does (Dao et al. 2022, arXiv:2205.14135). Keys that
only other rows of its tile see have weight 0 and change nothing, so a row has the same bits in any tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from llvmlite import ir

from node0.models.block_cache import BLOCK
from node0.models.compiled.vector_code import (
    COUNTS,
    FLOAT,
    FLOATS,
    I32,
    I64,
    VECTORS,
    VOID,
    Vectors,
    count,
    loop,
)

_UNSEEN = -1e30
"Score of a key that a row does not see; weights beside one that it sees are 0."


@dataclass(frozen=True, slots=True)
class Heads:
    """The shape of attention."""

    kv_heads: int
    per_key: int
    "Query heads a key head."

    dim: int
    window: int | None = None
    "Last tokens that a token sees; None is all."


def notes_of(lanes: int, heads: Heads) -> int:
    """float32 numbers that a row notes while it goes through its keys."""
    width = lanes * VECTORS
    return -(-heads.dim // width) * width + width + 2 * lanes


class RowCode(Vectors):
    """Vectors, and where numbers lie."""

    def __init__(self, module: ir.Module, lanes: int, heads: Heads) -> None:
        super().__init__(module, lanes)
        self.heads = heads
        self.panels = -(-heads.dim // self.width)
        "Of a head's numbers."

        self.notes = notes_of(lanes, heads)
        self.weigh = _weigh(self)

    def query_head(self, build: ir.IRBuilder, head: ir.Value, row: ir.Value) -> ir.Value:
        """The head of a row among all heads of queries, by its key head."""
        within = build.srem(row, count(self.heads.per_key))
        return build.add(build.mul(head, count(self.heads.per_key)), within)

    def number(self, build: ir.IRBuilder, head: ir.Value, row: ir.Value) -> ir.Value:
        """A row of a key head among the rows of all heads."""
        query = build.sdiv(row, count(self.heads.per_key))
        heads = self.heads.kv_heads * self.heads.per_key
        return build.add(build.mul(query, count(heads)), self.query_head(build, head, row))

    def head(self, build: ir.IRBuilder, cache: ir.Value, block: ir.Value, head: ir.Value) -> ir.Value:
        """Where the keys or values of a block and a head begin."""
        number = build.add(build.mul(block, count(self.heads.kv_heads)), head)
        return build.gep(cache, [build.mul(number, count(BLOCK * self.heads.dim))])


def _weigh(kind: RowCode) -> ir.Function:
    """Make weights of a row's scores, given (scores, largest, sums, first key seen, last key seen).

    Scores, the largest one so far and the sums so far (a vector) are changed in place. Returns what the
    values so far are multiplied by.
    """
    signature = ir.FunctionType(FLOAT, [FLOATS, FLOATS, FLOATS, I32, I32])
    function = ir.Function(kind.module, signature, "weigh")
    function.linkage = "internal"
    function.attributes.add("noinline")
    scores, largest, sums, first, last = function.args
    build = ir.IRBuilder(function.append_basic_block())
    scale, unseen = kind.constant(FLOAT, kind.heads.dim**-0.5), kind.constant(FLOAT, _UNSEEN)
    seen, most = [], build.load(largest)
    before = most
    for n in range(VECTORS):
        keys = kind.constant(I32, range(n * kind.lanes, (n + 1) * kind.lanes))
        from_first = build.icmp_signed(">=", keys, kind.everywhere(build, first))
        to_last = build.icmp_signed("<=", keys, kind.everywhere(build, last))
        score = build.fmul(kind.load(build, scores, n * kind.lanes), scale)
        seen.append(build.select(build.and_(from_first, to_last), score, unseen))
        top = kind.call(build, f"llvm.vector.reduce.fmax.v{kind.lanes}f32", FLOAT, [seen[-1]])
        most = build.select(build.fcmp_ordered(">", top, most), top, most)
    shift = kind.exp(build, kind.everywhere(build, build.fsub(before, most)))
    total = build.fmul(kind.load(build, sums), shift)
    for n, score in enumerate(seen):
        weight = kind.exp(build, build.fsub(score, kind.everywhere(build, most)))
        kind.save(build, weight, scores, n * kind.lanes)
        total = build.fadd(total, weight)
    build.store(most, largest)
    kind.save(build, total, sums)
    build.ret(build.extract_element(shift, ir.Constant(I32, 0)))
    return function


@dataclass(frozen=True, slots=True)
class Row:
    """One query of one head: where it is, its place in its sequence, and what it has so far."""

    query: ir.Value
    place: ir.Value
    weights: ir.Value
    values: ir.Value
    largest: ir.Value
    sums: ir.Value


@dataclass(frozen=True, slots=True)
class Given:
    """What all rows of some queries and one key head share."""

    queries: ir.Value
    step: ir.Value
    "Numbers from a token's queries to the next one's."

    keys: ir.Value
    values: ir.Value
    out: ir.Value
    notes: ir.Value
    "What rows have so far."

    table: ir.Value
    start: ir.Value
    "Keys before the first query."

    head: ir.Value
    "Of keys."

    TYPES: ClassVar = (FLOATS, I64, FLOATS, FLOATS, FLOATS, FLOATS, COUNTS, I64, I64)


def tile_code(kind: RowCode, rows: int) -> ir.Function:
    """Some rows from one on, through those keys of a piece (first and last panel) that any of them sees."""
    signature = ir.FunctionType(VOID, [*Given.TYPES, I64, I64, I64])
    function = ir.Function(kind.module, signature, f"tile{rows}")
    function.linkage = "internal"
    *values, row, first, last = function.args
    given, build = Given(*values), ir.IRBuilder(function.append_basic_block())
    tile = [row_of(kind, build, given, build.add(row, count(number))) for number in range(rows)]
    last = _least(build, build.add(build.sdiv(tile[-1].place, count(kind.width)), count(1)), last)
    first = _most(build, first_panel(kind, build, tile[0].place), first)

    def keys(build: ir.IRBuilder, panel: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        _some_keys(kind, build, given, tile, panel)
        return []

    with build.if_then(build.icmp_signed("<", first, last)):
        loop(build, (first, last, 1), [], keys)
    build.ret_void()
    return function


def row_of(kind: RowCode, build: ir.IRBuilder, given: Given, row: ir.Value) -> Row:
    """A row by its number among those of the queries and the key head."""
    query = build.sdiv(row, count(kind.heads.per_key))
    notes = build.gep(given.notes, [build.mul(kind.number(build, given.head, row), count(kind.notes))])
    firsts = accumulate((kind.panels * kind.width, kind.width, kind.lanes), initial=0)
    values, weights, sums, largest = (build.gep(notes, [count(first)]) for first in firsts)
    within = build.mul(kind.query_head(build, given.head, row), count(kind.heads.dim))
    return Row(
        query=build.gep(given.queries, [build.add(build.mul(query, given.step), within)]),
        place=build.add(given.start, query),
        weights=weights,
        values=values,
        largest=largest,
        sums=sums,
    )


def begin(kind: RowCode, build: ir.IRBuilder, row: Row) -> None:
    """Note nothing so far."""
    build.store(ir.Constant(FLOAT, _UNSEEN), row.largest)
    kind.save(build, kind.constant(FLOAT, 0.0), row.sums)
    for first in range(0, kind.panels * kind.width, kind.lanes):
        kind.save(build, kind.constant(FLOAT, 0.0), row.values, first)


def finish(kind: RowCode, build: ir.IRBuilder, row: Row, out: ir.Value) -> None:
    """Write the weighted mean of all values."""
    total = kind.everywhere(build, kind.total(build, kind.load(build, row.sums)))
    for first in range(0, kind.heads.dim, kind.lanes):
        mean = build.fdiv(kind.load(build, row.values, first), total)
        left = min(kind.lanes, kind.heads.dim - first)
        kind.save_some(build, mean, build.gep(out, [count(first)]), ir.Constant(I32, left))


def first_panel(kind: RowCode, build: ir.IRBuilder, place: ir.Value) -> ir.Value:
    """The first panel of keys that a token sees."""
    if kind.heads.window is None:
        return count(0)
    reach = build.sub(place, count(kind.heads.window - 1))
    return build.sdiv(_most(build, reach, count(0)), count(kind.width))


def _least(build: ir.IRBuilder, one: ir.Value, other: ir.Value) -> ir.Value:
    return build.select(build.icmp_signed("<", one, other), one, other)


def _most(build: ir.IRBuilder, one: ir.Value, other: ir.Value) -> ir.Value:
    return build.select(build.icmp_signed(">", one, other), one, other)


def _some_keys(kind: RowCode, build: ir.IRBuilder, given: Given, tile: Sequence[Row], step: ir.Value) -> None:
    """A panel of keys and their values."""
    first, dim = build.mul(step, count(kind.width)), kind.heads.dim
    block = build.load(build.gep(given.table, [build.sdiv(first, count(BLOCK))]))
    within = build.srem(first, count(BLOCK))
    keys = build.gep(kind.head(build, given.keys, block, given.head), [within])
    values = build.gep(kind.head(build, given.values, block, given.head), [build.mul(within, count(dim))])
    left = build.sub(build.add(tile[-1].place, count(1)), first)
    known = build.select(build.icmp_signed("<", left, count(kind.width)), left, count(kind.width))
    zeros = [kind.constant(FLOAT, 0.0)] * (len(tile) * VECTORS)
    scores = _product(kind, build, (keys, BLOCK, count(dim)), [row.query for row in tile], zeros)
    shifts = []
    for number, row in enumerate(tile):
        for n in range(VECTORS):
            kind.save(build, scores[number * VECTORS + n], row.weights, n * kind.lanes)
        last = build.sub(row.place, first)
        lowest = count(0) if kind.heads.window is None else build.sub(last, count(kind.heads.window - 1))
        bounds = [build.trunc(bound, I32) for bound in (lowest, last)]
        shifts.append(build.call(kind.weigh, [row.weights, row.largest, row.sums, *bounds]))
    for panel in range(kind.panels):
        firsts = [panel * kind.width + n * kind.lanes for n in range(VECTORS)]
        before = [
            build.fmul(kind.load(build, row.values, at), kind.everywhere(build, shift))
            for row, shift in zip(tile, shifts, strict=True)
            for at in firsts
        ]
        part = build.gep(values, [count(panel * kind.width)])
        after = _product(kind, build, (part, dim, known), [row.weights for row in tile], before)
        for number, row in enumerate(tile):
            for n, at in enumerate(firsts):
                kind.save(build, after[number * VECTORS + n], row.values, at)


def _product(
    kind: RowCode,
    build: ir.IRBuilder,
    panel: tuple[ir.Value, int, ir.Value],
    rows: Sequence[ir.Value],
    initial: Sequence[ir.Value],
) -> list[ir.Value]:
    """What rows of numbers times a panel (address, numbers from line to line, lines) add to initial sums."""
    start, line, lines = panel

    def one_line(build: ir.IRBuilder, at: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
        own = build.gep(start, [build.mul(at, count(line))])
        vectors = [kind.load(build, own, n * kind.lanes) for n in range(VECTORS)]
        values = [kind.everywhere(build, build.load(build.gep(row, [at]))) for row in rows]
        each = [(value, vector) for value in values for vector in vectors]
        return [kind.fma(build, *pair, total) for pair, total in zip(each, sums, strict=True)]

    return loop(build, (count(0), lines, 1), initial, one_line)
