# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of causal attention over blocks of a cache, whose rows do not see each other.

A row is a query of one head. It goes through its keys some at a time, with the largest score, the sum of
weights and the weighted values so far, as FlashAttention does (Dao et al. 2022, arXiv:2205.14135). Keys that
only other rows of its tile see have weight 0 and change nothing, so a row has the same bits in any tile.

Keys lie turned, so that scores are a product of panels as in `product_code`: keys (block, kv head, dim,
BLOCK), values (block, kv head, BLOCK, dim).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import ClassVar

from llvmlite import ir

from node0.models.block_cache import BLOCK
from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import (
    FLOAT,
    I32,
    I64,
    PARALLEL,
    VECTORS,
    VOID,
    Vectors,
    count,
    do_by_threads,
    in_tiles,
    loop,
    shared_work,
)

ENTRY = "attend"

TASK = 4
"Numbers of a task: its first query, queries, keys before them, and place in the table of blocks."

PIECE = 512
"Keys that all rows of a task pass before the next ones: they stay in the nearest caches meanwhile."

_TILES = (4, 2, 1)
"Rows that are computed together besides as many as registers hold: few sizes, as each is much code."

_FLOATS = FLOAT.as_pointer()
_COUNTS = I64.as_pointer()

_UNSEEN = -1e30
"Score of a key that a row does not see; weights beside one that it sees are 0."

_SMALLEST = -87.0
"Below this, exp is 0: it would be less than the smallest normal number."


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


def attention_code(processor: Processor, heads: Heads) -> str:
    """A module with ENTRY, which appends keys and values to a cache and attends.

    Its arguments are GOMP_parallel; the addresses of queries, new keys and new values, of their cache's keys
    and values, of the output (tokens, heads, dim) and of room for notes (tokens, heads, `notes_of`), float32;
    those of tasks (tasks, TASK), the table of blocks, and the slot of each new token, int64; numbers from a
    token's queries, keys and values to the next one's; tokens, tasks, and threads (int32).
    """
    module = ir.Module(ENTRY)
    kind = _Kind(module, processor.lanes, heads)
    tiles = {rows: _tile(kind, rows) for rows in (processor.tiles[0], *_TILES)}
    _entry(kind, tiles)
    return str(module)


class _Kind(Vectors):
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

    def exp(self, build: ir.IRBuilder, x: ir.Value) -> ir.Value:
        """exp of numbers up to 0: 2 to the nearest power, times the Taylor series of what is left."""
        tiny = build.fcmp_ordered("<", x, self.constant(FLOAT, _SMALLEST))
        x = build.select(tiny, self.constant(FLOAT, _SMALLEST), x)
        scaled = build.fmul(x, self.constant(FLOAT, 1 / math.log(2)))
        power = self.call(build, f"llvm.rint.v{self.lanes}f32", self.floats, [scaled])
        # ln 2 in two parts, of which the first has so few digits that its product is exact.
        rest = self.fma(build, power, self.constant(FLOAT, -0.693359375), x)
        rest = self.fma(build, power, self.constant(FLOAT, 0.693359375 - math.log(2)), rest)
        series = self.constant(FLOAT, 1 / math.factorial(7))
        for order in range(6, -1, -1):
            series = self.fma(build, series, rest, self.constant(FLOAT, 1 / math.factorial(order)))
        name = f"llvm.fptosi.sat.v{self.lanes}i32.v{self.lanes}f32"
        whole = self.call(build, name, self.words, [power])
        bits = build.shl(build.add(whole, self.constant(I32, 127)), self.constant(I32, 23))
        found = build.fmul(series, build.bitcast(bits, self.floats))
        return build.select(tiny, self.constant(FLOAT, 0.0), found)

    def total(self, build: ir.IRBuilder, vector: ir.Value) -> ir.Value:
        """The sum of all lanes: halves first."""
        half = self.lanes // 2
        while half:
            order = [lane ^ half for lane in range(self.lanes)]
            turned = build.shuffle_vector(vector, vector, self.constant(I32, order))
            vector, half = build.fadd(vector, turned), half // 2
        return build.extract_element(vector, ir.Constant(I32, 0))


def _weigh(kind: _Kind) -> ir.Function:
    """Make weights of a row's scores, given (scores, largest, sums, first key seen, last key seen).

    Scores, the largest one so far and the sums so far (a vector) are changed in place. Returns what the
    values so far are multiplied by.
    """
    signature = ir.FunctionType(FLOAT, [_FLOATS, _FLOATS, _FLOATS, I32, I32])
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
class _Row:
    """One query of one head: where it is, its place in its sequence, and what it has so far."""

    query: ir.Value
    place: ir.Value
    weights: ir.Value
    values: ir.Value
    largest: ir.Value
    sums: ir.Value


@dataclass(frozen=True, slots=True)
class _Given:
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

    TYPES: ClassVar = (_FLOATS, I64, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _COUNTS, I64, I64)


def _tile(kind: _Kind, rows: int) -> ir.Function:
    """Some rows from one on, through those keys of a piece (first and last panel) that any of them sees."""
    signature = ir.FunctionType(VOID, [*_Given.TYPES, I64, I64, I64])
    function = ir.Function(kind.module, signature, f"tile{rows}")
    function.linkage = "internal"
    *values, row, first, last = function.args
    given, build = _Given(*values), ir.IRBuilder(function.append_basic_block())
    tile = [_row(kind, build, given, build.add(row, count(number))) for number in range(rows)]
    last = _less(build, build.add(build.sdiv(tile[-1].place, count(kind.width)), count(1)), last)
    first = _more(build, _first_panel(kind, build, tile[0].place), first)

    def keys(build: ir.IRBuilder, panel: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        _some_keys(kind, build, given, tile, panel)
        return []

    with build.if_then(build.icmp_signed("<", first, last)):
        loop(build, (first, last, 1), [], keys)
    build.ret_void()
    return function


def _row(kind: _Kind, build: ir.IRBuilder, given: _Given, row: ir.Value) -> _Row:
    query = build.sdiv(row, count(kind.heads.per_key))
    notes = build.gep(given.notes, [build.mul(kind.number(build, given.head, row), count(kind.notes))])
    firsts = accumulate((kind.panels * kind.width, kind.width, kind.lanes), initial=0)
    values, weights, sums, largest = (build.gep(notes, [count(first)]) for first in firsts)
    within = build.mul(kind.query_head(build, given.head, row), count(kind.heads.dim))
    return _Row(
        query=build.gep(given.queries, [build.add(build.mul(query, given.step), within)]),
        place=build.add(given.start, query),
        weights=weights,
        values=values,
        largest=largest,
        sums=sums,
    )


def _begin(kind: _Kind, build: ir.IRBuilder, row: _Row) -> None:
    build.store(ir.Constant(FLOAT, _UNSEEN), row.largest)
    kind.save(build, kind.constant(FLOAT, 0.0), row.sums)
    for first in range(0, kind.panels * kind.width, kind.lanes):
        kind.save(build, kind.constant(FLOAT, 0.0), row.values, first)


def _finish(kind: _Kind, build: ir.IRBuilder, row: _Row, out: ir.Value) -> None:
    total = kind.everywhere(build, kind.total(build, kind.load(build, row.sums)))
    for first in range(0, kind.heads.dim, kind.lanes):
        mean = build.fdiv(kind.load(build, row.values, first), total)
        left = min(kind.lanes, kind.heads.dim - first)
        kind.save_some(build, mean, build.gep(out, [count(first)]), ir.Constant(I32, left))


def _first_panel(kind: _Kind, build: ir.IRBuilder, place: ir.Value) -> ir.Value:
    """The first panel of keys that a token sees."""
    if kind.heads.window is None:
        return count(0)
    reach = build.sub(place, count(kind.heads.window - 1))
    return build.sdiv(_more(build, reach, count(0)), count(kind.width))


def _less(build: ir.IRBuilder, one: ir.Value, other: ir.Value) -> ir.Value:
    return build.select(build.icmp_signed("<", one, other), one, other)


def _more(build: ir.IRBuilder, one: ir.Value, other: ir.Value) -> ir.Value:
    return build.select(build.icmp_signed(">", one, other), one, other)


def _some_keys(kind: _Kind, build: ir.IRBuilder, given: _Given, tile: Sequence[_Row], step: ir.Value) -> None:
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
    kind: _Kind,
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


def _entry(kind: _Kind, tiles: dict[int, ir.Function]) -> None:
    heads = kind.heads
    arguments = [_FLOATS, I64, *[_FLOATS] * 4, _COUNTS, _COUNTS, I64]

    def items(build: ir.IRBuilder, given: Sequence[ir.Value]) -> ir.Value:
        return build.mul(given[-1], count(heads.kv_heads))

    def item(build: ir.IRBuilder, given: Sequence[ir.Value], number: ir.Value) -> None:
        queries, step, keys, values, out, notes, tasks, table, _ = given
        task, head = (divide(number, count(heads.kv_heads)) for divide in (build.sdiv, build.srem))
        own = build.gep(tasks, [build.mul(task, count(TASK))])
        first, length, start, place = (build.load(build.gep(own, [count(n)])) for n in range(TASK))
        per_token = heads.kv_heads * heads.per_key
        outs, noted = (
            build.gep(each, [build.mul(first, count(per_token * size))])
            for each, size in ((out, heads.dim), (notes, kind.notes))
        )
        asked, blocks = build.gep(queries, [build.mul(first, step)]), build.gep(table, [place])
        _attend(
            kind, build, _Given(asked, step, keys, values, outs, noted, blocks, start, head), (tiles, length)
        )

    shared = shared_work(kind.module, arguments, items=items, item=item)
    types = [PARALLEL.as_pointer(), *[_FLOATS] * 7, *[_COUNTS] * 3, *[I64] * 5, I32]
    function = ir.Function(kind.module, ir.FunctionType(VOID, types), ENTRY)
    (
        parallel,
        q,
        k,
        v,
        keys,
        values,
        out,
        notes,
        tasks,
        table,
        slots,
        q_step,
        k_step,
        v_step,
        tokens,
        n_tasks,
        threads,
    ) = function.args
    build = ir.IRBuilder(function.append_basic_block())
    _append(kind, build, (k, k_step, v, v_step), (keys, values, slots, tokens))
    given = [q, q_step, keys, values, out, notes, tasks, table, n_tasks]
    do_by_threads(build, shared, given, by=(parallel, threads))
    build.ret_void()


def _attend(
    kind: _Kind, build: ir.IRBuilder, given: _Given, work: tuple[dict[int, ir.Function], ir.Value]
) -> None:
    """Some queries of one key head, given tiles and how many there are: piece after piece of their keys."""
    tiles, length = work
    rows = build.mul(length, count(kind.heads.per_key))
    last = build.add(given.start, build.sub(length, count(1)))
    end = build.add(build.sdiv(last, count(kind.width)), count(1))
    shared = [getattr(given, field.name) for field in fields(given)]

    def begin(build: ir.IRBuilder, row: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        _begin(kind, build, _row(kind, build, given, row))
        return []

    def piece(build: ir.IRBuilder, first: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        bounds = first, build.add(first, count(PIECE // kind.width))
        in_tiles(build, rows, tiles, lambda build, tile, row: build.call(tile, [*shared, row, *bounds]))
        return []

    def finish(build: ir.IRBuilder, row: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        out = build.gep(given.out, [build.mul(kind.number(build, given.head, row), count(kind.heads.dim))])
        _finish(kind, build, _row(kind, build, given, row), out)
        return []

    loop(build, (count(0), rows, 1), [], begin)
    loop(build, (_first_panel(kind, build, given.start), end, PIECE // kind.width), [], piece)
    loop(build, (count(0), rows, 1), [], finish)


def _append(kind: _Kind, build: ir.IRBuilder, new: Sequence[ir.Value], cache: Sequence[ir.Value]) -> None:
    """Put the keys and values of at least one new token into their slots: block * BLOCK + place."""
    (k, k_step, v, v_step), (keys, values, slots, tokens) = new, cache
    heads = kind.heads

    def one_token(build: ir.IRBuilder, token: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        slot = build.load(build.gep(slots, [token]))
        block, place = build.sdiv(slot, count(BLOCK)), build.srem(slot, count(BLOCK))

        def one_head(build: ir.IRBuilder, head: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
            own = build.mul(head, count(heads.dim))
            key, value = (
                build.gep(given, [build.add(build.mul(token, step), own)])
                for given, step in ((k, k_step), (v, v_step))
            )
            turned = build.gep(kind.head(build, keys, block, head), [place])
            plain = build.gep(kind.head(build, values, block, head), [build.mul(place, count(heads.dim))])

            def one_number(build: ir.IRBuilder, at: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
                build.store(
                    build.load(build.gep(key, [at])), build.gep(turned, [build.mul(at, count(BLOCK))])
                )
                build.store(build.load(build.gep(value, [at])), build.gep(plain, [at]))
                return []

            loop(build, (count(0), count(heads.dim), 1), [], one_number)
            return []

        loop(build, (count(0), count(heads.kv_heads), 1), [], one_head)
        return []

    loop(build, (count(0), tokens, 1), [], one_token)
