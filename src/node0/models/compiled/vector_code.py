# SPDX-License-Identifier: Apache-2.0
"""Words for writing LLVM's intermediate code of vectors: numbers in all lanes, loads, loops, shared work.

No sum may be reordered: none of the instructions carries one of LLVM's flags for that.
"""

import math
from collections.abc import Callable, Sequence

from llvmlite import ir

I1, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))
FLOAT, VOID, BYTES = ir.FloatType(), ir.VoidType(), ir.IntType(8).as_pointer()
FLOATS, COUNTS = FLOAT.as_pointer(), I64.as_pointer()
BODY = ir.FunctionType(VOID, [BYTES])
FORK = ir.FunctionType(VOID, [BYTES, BODY.as_pointer(), BYTES, I32])
"How a team shares work: the team, what each thread calls, with what, and how many threads."

BY_THREADS = (FORK.as_pointer().as_pointer(), I64, I32)
"How the arguments of every entry that works on rows begin: a team (see `thread_team`), rows and threads."

_NAN = 0x7FC0
"Of bfloat16."

_SMALLEST = -87.0
"Below this, exp is 0: it would be less than the smallest normal number."

VECTORS = 2
"Vectors that are computed beside each other."

Round = Callable[[ir.IRBuilder, ir.Value, Sequence[ir.Value]], list[ir.Value]]
"Of a loop: with its number, what comes out of the values that the round before left."


class Vectors:
    """Vectors of so many lanes in a module."""

    def __init__(self, module: ir.Module, lanes: int) -> None:
        self.module, self.lanes = module, lanes
        self.floats, self.words = (ir.VectorType(element, lanes) for element in (FLOAT, I32))

    @property
    def width(self) -> int:
        """Numbers that are computed beside each other."""
        return self.lanes * VECTORS

    def constant(self, element: ir.Type, value: float | Sequence[int]) -> ir.Constant:
        """A vector of a number, or of several."""
        values = list(value) if isinstance(value, Sequence) else [value] * self.lanes
        return ir.Constant(ir.VectorType(element, self.lanes), values)

    def everywhere(self, build: ir.IRBuilder, value: ir.Value) -> ir.Value:
        """A vector with one number in all lanes."""
        nothing = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        first = build.insert_element(nothing, value, ir.Constant(I32, 0))
        return build.shuffle_vector(first, nothing, self.constant(I32, 0))

    def load(self, build: ir.IRBuilder, pointer: ir.Value, first: int = 0) -> ir.Value:
        """The numbers at an address, from the one of a number on."""
        kind = ir.VectorType(pointer.type.pointee, self.lanes)
        align = 2 if pointer.type.pointee == I16 else 4
        return build.load(build.bitcast(build.gep(pointer, [count(first)]), kind.as_pointer()), align=align)

    def load_wide(self, build: ir.IRBuilder, pointer: ir.Value, first: int = 0) -> ir.Value:
        """As `load`; bfloat16 numbers, which are int16 here, become float32."""
        found = self.load(build, pointer, first)
        if pointer.type.pointee == FLOAT:
            return found
        bits = build.shl(build.zext(found, self.words), self.constant(I32, 16))
        return build.bitcast(bits, self.floats)

    def bfloat16(self, build: ir.IRBuilder, numbers: ir.Value) -> ir.Value:
        """The nearest bfloat16 of each float32, the even one of two, as int16."""
        bits = build.bitcast(numbers, self.words)
        odd = build.and_(build.lshr(bits, self.constant(I32, 16)), self.constant(I32, 1))
        carried = build.add(build.add(bits, self.constant(I32, 0x7FFF)), odd)
        nearest = build.lshr(carried, self.constant(I32, 16))
        is_nan = build.fcmp_unordered("uno", numbers, numbers)
        chosen = build.select(is_nan, self.constant(I32, _NAN), nearest)
        return build.trunc(chosen, ir.VectorType(I16, self.lanes))

    def save(self, build: ir.IRBuilder, value: ir.Value, pointer: ir.Value, first: int = 0) -> None:
        """Write all lanes behind an address."""
        build.store(
            value, build.bitcast(build.gep(pointer, [count(first)]), value.type.as_pointer()), align=4
        )

    def save_some(self, build: ir.IRBuilder, value: ir.Value, pointer: ir.Value, left: ir.Value) -> None:
        """Write the first `left` lanes, an int32, to an address."""
        wanted = self.first(build, left)
        kind = "i16" if value.type.element == I16 else "f32"
        place = build.bitcast(pointer, value.type.as_pointer())
        arguments = [value, place, ir.Constant(I32, 2), wanted]
        self.call(build, f"llvm.masked.store.v{self.lanes}{kind}.p0", VOID, arguments)

    def first(self, build: ir.IRBuilder, left: ir.Value) -> ir.Value:
        """Which lanes are the first `left`, an int32."""
        return build.icmp_signed("<", self.constant(I32, range(self.lanes)), self.everywhere(build, left))

    def fma(self, build: ir.IRBuilder, x: ir.Value, y: ir.Value, more: ir.Value) -> ir.Value:
        """x y + more by lane, rounded once."""
        return self.call(build, f"llvm.fma.v{self.lanes}f32", self.floats, [x, y, more])

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

    def call(
        self, build: ir.IRBuilder, name: str, result: ir.Type, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        """One of LLVM's own functions."""
        known = self.module.globals.get(name)
        if known is None:
            known = ir.Function(self.module, ir.FunctionType(result, [each.type for each in arguments]), name)
        return build.call(known, arguments)


def entry(module: ir.Module, name: str, kinds: Sequence[ir.Type]) -> tuple[ir.IRBuilder, list[ir.Value]]:
    """A function that is called from outside: its arguments are int64 numbers, one behind the other.

    It takes their address. Addresses, int64 and int32 are read out of them, a float32 out of the low bits.
    """
    function = ir.Function(module, ir.FunctionType(VOID, [COUNTS]), name)
    build = ir.IRBuilder(function.append_basic_block())
    given = [build.load(build.gep(function.args[0], [count(number)])) for number in range(len(kinds))]
    return build, [_as(build, value, kind) for value, kind in zip(given, kinds, strict=True)]


def _as(build: ir.IRBuilder, value: ir.Value, kind: ir.Type) -> ir.Value:
    if isinstance(kind, ir.PointerType):
        return build.inttoptr(value, kind)
    if kind == FLOAT:
        return build.bitcast(build.trunc(value, I32), FLOAT)
    return value if kind == I64 else build.trunc(value, kind)


def count(value: int) -> ir.Constant:
    """An int64."""
    return ir.Constant(I64, value)


def loop(
    build: ir.IRBuilder, bounds: tuple[ir.Value, ir.Value, int], initial: Sequence[ir.Value], body: Round
) -> list[ir.Value]:
    """At least one round, from a first number to below a last one by a step; what the last round left."""
    first, last, step = bounds
    before, again, end = build.block, build.append_basic_block(), build.append_basic_block()
    build.branch(again)
    build.position_at_end(again)
    at = build.phi(I64)
    values = [build.phi(value.type) for value in initial]
    found = body(build, at, values)
    following = build.add(at, count(step))
    for phi, start, value in zip([at, *values], [first, *initial], [following, *found], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, build.block)
    build.cbranch(build.icmp_signed("<", following, last), again, end)
    build.position_at_end(end)
    return found


def in_tiles(
    build: ir.IRBuilder,
    rows: ir.Value,
    tiles: dict[int, ir.Function],
    call: Callable[[ir.IRBuilder, ir.Function, ir.Value], None],
) -> None:
    """Go through rows in tiles, the largest first: `call` is given a tile's function and its first row."""
    row = count(0)
    for size, tile in tiles.items():
        before, again, one, rest = build.block, *(build.append_basic_block() for _ in range(3))
        build.branch(again)
        build.position_at_end(again)
        at = build.phi(I64)
        at.add_incoming(row, before)
        after = build.add(at, count(size))
        build.cbranch(build.icmp_signed("<=", after, rows), one, rest)
        build.position_at_end(one)
        call(build, tile, at)
        at.add_incoming(after, build.block)
        build.branch(again)
        build.position_at_end(rest)
        row = at


def shared_work(
    module: ir.Module,
    arguments: Sequence[ir.Type],
    *,
    items: Callable[[ir.IRBuilder, Sequence[ir.Value]], ir.Value],
    item: Callable[[ir.IRBuilder, Sequence[ir.Value], ir.Value], None],
    name: str = "share",
) -> tuple[ir.Type, ir.Function]:
    """The type of a piece of work, a counter and arguments, and what each thread does with it.

    `items` tells how many there are by the arguments; threads take the next one until none is left.
    """
    kind = ir.LiteralStructType([I64, *arguments])
    function = ir.Function(module, BODY, name)
    function.linkage = "internal"
    build = ir.IRBuilder(function.append_basic_block())
    work = build.bitcast(function.args[0], kind.as_pointer())
    taken, *fields = (_field(build, work, number) for number in range(len(arguments) + 1))
    values = [build.load(field) for field in fields]
    number = items(build, values)
    take, do, end = (function.append_basic_block() for _ in range(3))
    build.branch(take)
    build.position_at_end(take)
    at = build.atomic_rmw("add", taken, count(1), "monotonic")
    build.cbranch(build.icmp_signed("<", at, number), do, end)
    build.position_at_end(do)
    item(build, values, at)
    build.branch(take)
    build.position_at_end(end)
    build.ret_void()
    return kind, function


def do_by_threads(
    build: ir.IRBuilder,
    shared: tuple[ir.Type, ir.Function],
    arguments: Sequence[ir.Value],
    *,
    by: Sequence[ir.Value],
) -> None:
    """Lay down the work and have it done; `by`: the team, and how many threads (int32)."""
    (kind, share), (team, threads) = shared, by
    work = build.alloca(kind)
    for number, value in enumerate([count(0), *arguments]):
        build.store(value, _field(build, work, number))
    given = build.bitcast(work, BYTES)
    with build.if_else(build.icmp_signed("<=", threads, ir.Constant(I32, 1))) as (one, several):
        with one:
            build.call(share, [given])
        with several:
            build.call(build.load(team), [build.bitcast(team, BYTES), share, given, threads])


def _field(build: ir.IRBuilder, work: ir.Value, number: int) -> ir.Value:
    return build.gep(work, [ir.Constant(I32, 0), ir.Constant(I32, number)])
