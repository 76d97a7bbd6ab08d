# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of causal attention over blocks of a cache, whose rows do not see each other.

Keys lie turned, so that scores are a product of panels as in `product_code`: keys (block, kv head, dim,
BLOCK), values (block, kv head, BLOCK, dim).
"""

from collections.abc import Sequence
from dataclasses import fields

from llvmlite import ir

from node0.models.block_cache import BLOCK
from node0.models.compiled.attention_rows import (
    Given,
    Heads,
    RowCode,
    begin,
    finish,
    first_panel,
    row_of,
    tile_code,
)
from node0.models.compiled.processor import Processor
from node0.models.compiled.vector_code import (
    BY_THREADS,
    COUNTS,
    FLOATS,
    I64,
    count,
    do_by_threads,
    entry,
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


def attention_code(processor: Processor, heads: Heads) -> str:
    """A module with ENTRY, which appends keys and values to a cache and attends.

    Its arguments are a team, new tokens and threads; how many tasks there are; the addresses of tasks
    (tasks, TASK), the table of blocks, and the slot of each new token, int64; those of queries, new keys and
    new values, of their cache's keys and values, of the output (tokens, heads, dim) and of room for notes
    (tokens, heads, `notes_of`), float32; numbers from a token's queries, keys and values to the next one's.
    """
    module = ir.Module(ENTRY)
    kind = RowCode(module, processor.lanes, heads)
    tiles = {rows: tile_code(kind, rows) for rows in (processor.tiles[0], *_TILES)}
    _entry(kind, tiles)
    return str(module)


def _entry(kind: RowCode, tiles: dict[int, ir.Function]) -> None:
    heads = kind.heads
    arguments = [FLOATS, I64, *[FLOATS] * 4, COUNTS, COUNTS, I64]

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
            kind, build, Given(asked, step, keys, values, outs, noted, blocks, start, head), (tiles, length)
        )

    shared = shared_work(kind.module, arguments, items=items, item=item)
    types = [*BY_THREADS, I64, *[COUNTS] * 3, *[FLOATS] * 7, *[I64] * 3]
    build, (team, tokens, threads, n_tasks, tasks, table, slots, *numbers) = entry(kind.module, ENTRY, types)
    q, k, v, keys, values, out, notes, q_step, k_step, v_step = numbers
    _append(kind, build, (k, k_step, v, v_step), (keys, values, slots, tokens))
    given = [q, q_step, keys, values, out, notes, tasks, table, n_tasks]
    do_by_threads(build, shared, given, by=(team, threads))
    build.ret_void()


def _attend(
    kind: RowCode, build: ir.IRBuilder, given: Given, work: tuple[dict[int, ir.Function], ir.Value]
) -> None:
    """Some queries of one key head, given tiles and how many there are: piece after piece of their keys."""
    tiles, length = work
    rows = build.mul(length, count(kind.heads.per_key))
    last = build.add(given.start, build.sub(length, count(1)))
    end = build.add(build.sdiv(last, count(kind.width)), count(1))
    shared = [getattr(given, field.name) for field in fields(given)]

    def begin_one(build: ir.IRBuilder, row: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        begin(kind, build, row_of(kind, build, given, row))
        return []

    def piece(build: ir.IRBuilder, first: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        bounds = first, build.add(first, count(PIECE // kind.width))
        in_tiles(build, rows, tiles, lambda build, tile, row: build.call(tile, [*shared, row, *bounds]))
        return []

    def finish_one(build: ir.IRBuilder, row: ir.Value, _: Sequence[ir.Value]) -> list[ir.Value]:
        out = build.gep(given.out, [build.mul(kind.number(build, given.head, row), count(kind.heads.dim))])
        finish(kind, build, row_of(kind, build, given, row), out)
        return []

    loop(build, (count(0), rows, 1), [], begin_one)
    loop(build, (first_panel(kind, build, given.start), end, PIECE // kind.width), [], piece)
    loop(build, (count(0), rows, 1), [], finish_one)


def _append(kind: RowCode, build: ir.IRBuilder, new: Sequence[ir.Value], cache: Sequence[ir.Value]) -> None:
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
