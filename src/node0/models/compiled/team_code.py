# SPDX-License-Identifier: Apache-2.0
"""LLVM's intermediate code of a team: threads that stay together for a whole list of calls.

A step of a small model is some dozen calls of a few microseconds each, and an OpenMP runtime that has more
threads than the machine has cores sends them to sleep behind each one. Here one thread leads: it makes the
calls, and posts what they share. The others follow: they spin until something is posted, or all is over.
Whoever comes late takes part from the next post on, and nobody waits for them.
"""

from collections.abc import Callable

from llvmlite import ir

from node0.models.compiled.vector_code import (
    BODY,
    BYTES,
    COUNTS,
    FORK,
    I32,
    I64,
    VOID,
    count,
    entry,
    loop,
)

RUN, LED, ALONE = ENTRIES = ("run", "led", "alone")

_LINE = 8
"int64 numbers of a cache line; what the leader writes often, and what followers write, lie in their own."

FORKING, PARALLEL, YIELD, CALLS, NUMBER = range(5)
"Address of how work is shared, of GOMP_parallel and of sched_yield; calls, and how many there are."

_STATE, _SHARE, _WORK, _OVER, _TICKETS = range(_LINE, _LINE + 5)
"_STATE: how often something was posted, in the upper bits, and how many follow, in the lower ones."

_DONE, _EXPECTED = 2 * _LINE, 3 * _LINE
"Parts that followers did since the beginning, and those that the leader knows of."

WORDS = 4 * _LINE
"int64 numbers of a team."

_FOLLOWERS = 16
"Bits of _STATE that count them."

_SPINS = 2000
"Rounds, of some 20 ns, before a thread that waits lets others have the core."

_GOMP_PARALLEL = ir.FunctionType(VOID, [BODY.as_pointer(), BYTES, I32, I32])
"Of an OpenMP runtime: what each thread calls, with what, how many threads, and flags."

_YIELDS = ir.FunctionType(I32, [])

Ready = Callable[[ir.IRBuilder], ir.Value]


def team_code() -> str:
    """A module with ENTRIES.

    - RUN(team, threads): make the calls at CALLS, pairs of a function and its block, one behind the other;
      several threads are a team meanwhile.
    - LED: a `FORK` for calls within RUN. ALONE: one for calls outside, by GOMP_parallel.
    """
    module = ir.Module("team")
    _alone(module)
    _led(module)
    _run(module, _region(module, _lead(module), _follow(module)))
    return str(module)


def _alone(module: ir.Module) -> None:
    function = ir.Function(module, FORK, ALONE)
    team, share, work, threads = function.args
    build = ir.IRBuilder(function.append_basic_block())
    _parallel(build, _words(build, team), share, work, threads)
    build.ret_void()


def _led(module: ir.Module) -> None:
    """Post it, take part, and wait for those who followed when it was posted."""
    function = ir.Function(module, FORK, LED)
    team, share, work, _ = function.args
    build = ir.IRBuilder(function.append_basic_block())
    words = _words(build, team)
    for value, place in ((share, _SHARE), (work, _WORK)):
        build.store(build.ptrtoint(value, I64), _at(build, words, place))
    before = build.atomic_rmw("add", _at(build, words, _STATE), count(1 << _FOLLOWERS), "acq_rel")
    following = build.and_(before, count((1 << _FOLLOWERS) - 1))
    build.call(share, [work])
    known = _at(build, words, _EXPECTED)
    expected = build.add(build.load(known), following)
    build.store(expected, known)
    done = _at(build, words, _DONE)
    _until(module, build, words, lambda build: build.icmp_signed("==", _read(build, done), expected))
    build.ret_void()


def _lead(module: ir.Module) -> ir.Function:
    """Make all calls, then let the followers go."""
    function = ir.Function(module, BODY, "lead")
    build = ir.IRBuilder(function.append_basic_block())
    words = _words(build, function.args[0])
    _calls(build, words)
    build.store_atomic(count(1), _at(build, words, _OVER), "release", 8)
    build.ret_void()
    return function


def _follow(module: ir.Module) -> ir.Function:
    """Take part in all that is posted from now on."""
    function = ir.Function(module, BODY, "follow")
    build = ir.IRBuilder(function.append_basic_block())
    words = _words(build, function.args[0])
    state, over = _at(build, words, _STATE), _at(build, words, _OVER)
    came = build.lshr(build.atomic_rmw("add", state, count(1), "acq_rel"), count(_FOLLOWERS))
    begin, again, take, end = build.block, *(function.append_basic_block() for _ in range(3))
    build.branch(again)
    build.position_at_end(again)
    seen = build.phi(I64)
    seen.add_incoming(came, begin)

    def is_news(build: ir.IRBuilder) -> ir.Value:
        return build.icmp_signed("!=", build.lshr(_read(build, state), count(_FOLLOWERS)), seen)

    _until(
        module,
        build,
        words,
        lambda build: build.or_(is_news(build), build.icmp_signed("!=", _read(build, over), count(0))),
    )
    # What is over has been done by all who follow: nothing was posted since.
    build.cbranch(is_news(build), take, end)
    build.position_at_end(take)
    share, work = (build.load(_at(build, words, place)) for place in (_SHARE, _WORK))
    build.call(build.inttoptr(share, BODY.as_pointer()), [build.inttoptr(work, BYTES)])
    build.atomic_rmw("add", _at(build, words, _DONE), count(1), "release")
    seen.add_incoming(build.add(seen, count(1)), build.block)
    build.branch(again)
    build.position_at_end(end)
    build.ret_void()
    return function


def _region(module: ir.Module, lead: ir.Function, follow: ir.Function) -> ir.Function:
    """What each thread of the OpenMP runtime does: the first one leads."""
    function = ir.Function(module, BODY, "region")
    build = ir.IRBuilder(function.append_basic_block())
    (team,) = function.args
    ticket = build.atomic_rmw("add", _at(build, _words(build, team), _TICKETS), count(1), "acq_rel")
    with build.if_else(build.icmp_signed("==", ticket, count(0))) as (first, others):
        with first:
            build.call(lead, [team])
        with others:
            build.call(follow, [team])
    build.ret_void()
    return function


def _run(module: ir.Module, region: ir.Function) -> None:
    build, (team, threads) = entry(module, RUN, [BYTES, I32])
    words = _words(build, team)
    for place in (_STATE, _OVER, _TICKETS, _DONE, _EXPECTED):
        build.store(count(0), _at(build, words, place))
    with build.if_else(build.icmp_signed("<=", threads, ir.Constant(I32, 1))) as (one, several):
        with one:
            _calls(build, words)
        with several:
            _parallel(build, words, region, team, threads)
    build.ret_void()


def _calls(build: ir.IRBuilder, words: ir.Value) -> None:
    pairs = build.inttoptr(build.load(_at(build, words, CALLS)), COUNTS)
    number = build.load(_at(build, words, NUMBER))

    def one(build: ir.IRBuilder, at: ir.Value, _: object) -> list[ir.Value]:
        pair = build.gep(pairs, [build.mul(at, count(2))])
        function, block = (build.load(build.gep(pair, [count(n)])) for n in range(2))
        build.call(build.inttoptr(function, BODY.as_pointer()), [build.inttoptr(block, BYTES)])
        return []

    loop(build, (count(0), number, 1), [], one)


def _parallel(
    build: ir.IRBuilder, words: ir.Value, share: ir.Value, work: ir.Value, threads: ir.Value
) -> None:
    given = build.inttoptr(build.load(_at(build, words, PARALLEL)), _GOMP_PARALLEL.as_pointer())
    build.call(given, [share, work, threads, ir.Constant(I32, 0)])


def _until(module: ir.Module, build: ir.IRBuilder, words: ir.Value, ready: Ready) -> None:
    """Wait until it is so: spin for a while, then let others have the core each time."""
    function = build.function
    before, again, wait, give, on, end = build.block, *(function.append_basic_block() for _ in range(5))
    build.branch(again)
    build.position_at_end(again)
    spins = build.phi(I64)
    spins.add_incoming(count(0), before)
    build.cbranch(ready(build), end, wait)
    build.position_at_end(wait)
    build.call(_pause(module), [])
    build.cbranch(build.icmp_signed("<", spins, count(_SPINS)), on, give)
    build.position_at_end(give)
    build.call(build.inttoptr(build.load(_at(build, words, YIELD)), _YIELDS.as_pointer()), [])
    build.branch(on)
    build.position_at_end(on)
    spins.add_incoming(build.add(spins, count(1)), on)
    build.branch(again)
    build.position_at_end(end)


def _pause(module: ir.Module) -> ir.Function:
    """Tells a processor of x86 that a thread spins."""
    name = "llvm.x86.sse2.pause"
    known = module.globals.get(name)
    return ir.Function(module, ir.FunctionType(VOID, []), name) if known is None else known


def _words(build: ir.IRBuilder, team: ir.Value) -> ir.Value:
    return build.bitcast(team, COUNTS)


def _at(build: ir.IRBuilder, words: ir.Value, place: int) -> ir.Value:
    return build.gep(words, [count(place)])


def _read(build: ir.IRBuilder, place: ir.Value) -> ir.Value:
    return build.load_atomic(place, "acquire", 8)
