# SPDX-License-Identifier: Apache-2.0
"""What a stranger's flood costs the members of a run: memory of each, and steps per second.

    PYTHONPATH=tests python bench/flood.py [--megabytes 500] [--connects 1000] [--streams 300]

A trainer leads three stages. A peer that is on no allow-list stores records at all of them, connects over and
over, and opens streams. Quiet times and floods take turns in one run. Memory is what of a member's process
and its daemon is resident more than before, at the worst moment and after the end; and how much of that came
in which kind of time, as training takes memory too.

What the stranger computes itself stands for other machines. So it, its daemon and the peers beside the run
that it floods too, which refuse it as members do, have only what the run leaves of the cores. On a machine
that does other work they get nothing: run it on an idle one. The limit is for both ratios: to quiet times,
and to the floods beside the run.
"""

import argparse
import json
import os
import select
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path

from integration.swarm.processes import descendants

import forked
from forked import STAGES, TRAINER
from machine_use import busy_seconds, cpu_seconds, resident_mebibytes
from stranger import AT_MEMBERS, BESIDE, Done, Flood, be_stranger
from temporary import temporary_place

MEMBERS = (*STAGES, TRAINER)
QUIET = "quiet"
LIMIT_MIB, LIMIT_SLOWER = 50.0, 0.20
FIRST_STEP = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """Steps of a while."""

    steps: int
    seconds: float
    cores: Mapping[str, float]
    "What members, their daemons and the whole machine computed with."

    grown: Mapping[str, float]
    "MiB that each member had more at the end."

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self.steps / self.seconds


@dataclass(slots=True)
class Scene:
    """A run that goes on while it is flooded."""

    root: Path
    processes: dict[str, int]
    most: dict[str, float] = field(default_factory=dict)
    "MiB of each member at its worst moment."

    def step(self) -> int:
        """The last step that the trainer told of."""
        lines = (self.root / f"{TRAINER}.log").read_text(errors="replace").splitlines()
        return max((json.loads(line)["step"] for line in lines if line.startswith('{"step":')), default=0)

    def look(self) -> dict[str, float]:
        """MiB of each member with its daemon, now."""
        now = {}
        for member, pid in self.processes.items():
            now[member] = sum(map(resident_mebibytes, [pid, *descendants(pid)]))
            self.most[member] = max(self.most.get(member, 0.0), now[member])
        return now

    def computed(self) -> dict[str, float]:
        """Seconds of computing so far: of the members' own processes, their daemons, and all there is."""
        below = [pid for member in self.processes.values() for pid in descendants(member)]
        return {
            "members": sum(map(cpu_seconds, self.processes.values())),
            "daemons": sum(map(cpu_seconds, below)),
            "whole machine": busy_seconds(),
        }

    def pace(self, is_over: Callable[[float], bool]) -> "Pace":
        """How fast steps are until it is over, given the seconds so far."""
        first, started, before, small = self.step(), time.monotonic(), self.computed(), self.look()
        while not is_over(time.monotonic() - started):
            self.look()
            time.sleep(0.25)
        seconds = time.monotonic() - started
        after = self.computed()
        cores = {name: (after[name] - before[name]) / seconds for name in after}
        now = self.look()
        return Pace(self.step() - first, seconds, cores, {name: now[name] - small[name] for name in now})


def main() -> None:
    """Measure, and end with 1 where a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=500.0)
    parser.add_argument("--connects", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--turns", type=int, default=4, help="quiet times, each before a part of the flood")
    parser.add_argument("--quiet", type=float, default=10.0, help="seconds of a quiet time")
    parser.add_argument(
        "--slower", type=float, default=LIMIT_SLOWER, help="share of steps a second that may go"
    )
    parser.add_argument(
        "--nice", type=int, default=19, help="of the stranger; 0 where others load the machine"
    )
    options = parser.parse_args()
    flood = Flood(
        options.megabytes / options.turns, options.connects // options.turns, options.streams // options.turns
    )
    with temporary_place("flood") as root, scene(root) as found, flooding(root, options.nice) as ask:
        grown, ratio = measure(found, ask, flood, turns=options.turns, quiet=options.quiet)
    sys.exit(1 if grown > LIMIT_MIB or ratio < 1 - options.slower else 0)


@contextmanager
def scene(root: Path) -> Iterator[Scene]:
    """Three stages and a trainer that makes steps until the end."""
    forked.make_place(root)
    schedule = {"max_steps": 10**6, "checkpoint_every_n_steps": 10**5, "eval_every_n_steps": 10**5}
    forked.init(forked.configure(root, root / "run", **schedule), root / "swarm")
    processes = {member: forked.start(root / "swarm", member, root / f"{member}.log") for member in MEMBERS}
    found = Scene(root, processes)
    try:
        _wait(lambda: (root / f"{TRAINER}.log").exists() and found.step() >= FIRST_STEP, 120.0)
        yield found
    finally:
        for pid in processes.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(TimeoutError):
            _wait(lambda: all(forked.ended(pid) is not None for pid in processes.values()), 20.0)
        for pid in processes.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


Ask = Callable[[Scene, str, Flood], tuple[Pace, Done]]
"Have somebody flooded: how fast the run's steps were meanwhile, and what came of it."


def measure(found: Scene, ask: Ask, flood: Flood, *, turns: int, quiet: float) -> tuple[float, float]:
    """Print what the flood costs; the most MiB that a member took more, and the lower ratio of steps."""
    paces: dict[str, list[Pace]] = {QUIET: [], AT_MEMBERS: [], BESIDE: []}
    done: list[Done] = []
    found.pace(lambda seconds: seconds > quiet)
    before = found.look()
    found.most.clear()
    for number in range(2 * turns):
        whom = (AT_MEMBERS, BESIDE)[number % 2]
        paces[QUIET].append(found.pace(lambda seconds: seconds > quiet))
        pace, came = ask(found, whom, flood)
        paces[whom].append(pace)
        done += [came] if whom == AT_MEMBERS else []
    print(_arrived(done, paces[AT_MEMBERS]))
    after = found.look()
    for member in MEMBERS:
        most, end = found.most[member] - before[member], after[member] - before[member]
        print(
            f"{member:8} {before[member]:6.0f} MiB before, {most:+6.1f} at most, {end:+6.1f} after:",
            ", ".join(f"{_grown(each, member)} {when}" for when, each in paces.items()),
        )
    return max(found.most[member] - before[member] for member in MEMBERS), _slowest(paces)


@contextmanager
def flooding(root: Path, nice: int) -> Iterator[Ask]:
    """A stranger in a process of its own, that ends with the block."""
    asking, answers = os.pipe(), os.pipe()

    def be(_: Sequence[str]) -> int:
        os.close(asking[1])  # or this process would never read the end of it
        forked.stand_back(nice)
        return be_stranger(root, asking[0], answers[1])

    process = forked.spawn(be, [], root / "s.log")
    os.close(asking[0])
    os.close(answers[1])
    with os.fdopen(asking[1], "w") as ask, os.fdopen(answers[0]) as heard:

        def flooded(found: Scene, whom: str, flood: Flood) -> tuple[Pace, Done]:
            ask.write(json.dumps([whom, *astuple(flood)]) + "\n")
            ask.flush()
            pace = found.pace(lambda _: bool(select.select([heard], [], [], 0)[0]))
            return pace, Done(**json.loads(heard.readline()))

        try:
            if not heard.readline():
                raise SystemExit(
                    "the stranger did not start; where the machine has other work it needs --nice 0"
                )
            yield flooded
        except BaseException:
            os.kill(process, signal.SIGTERM)
            print((root / "s.log").read_text(errors="replace")[-3000:], file=sys.stderr)
            raise
    os.waitpid(process, 0)


def _arrived(done: Sequence[Done], paces: Sequence[Pace]) -> str:
    """What reached the members while they trained."""
    calls, connects, streams, sent = (sum(each) for each in zip(*map(astuple, done), strict=True))
    seconds, steps = sum(pace.seconds for pace in paces), sum(pace.steps for pace in paces)
    return (
        f"a stranger: {sent / 1e6:.0f} MB of records, "
        f"{connects} connects, {streams} streams, {calls} calls answered\n"
        f"in {seconds:.0f} s of flood, in which the run made {steps} steps"
    )


def _grown(paces: Sequence[Pace], member: str) -> str:
    """How much more a member had at the end of all these times, and what the run did in them."""
    return f"{sum(pace.grown[member] for pace in paces):+.1f} in {sum(pace.steps for pace in paces)} steps"


def _slowest(paces: Mapping[str, Sequence[Pace]]) -> float:
    """Print how fast steps were in each kind of time; the lower ratio of the flood's."""
    for when, each in paces.items():
        parts = (f"{who} {statistics.median(pace.cores[who] for pace in each):.2f}" for who in each[0].cores)
        print(f"cores, {when}: {', '.join(parts)}")
    calm, busy, beside = (
        statistics.median(pace.rate for pace in paces[when]) for when in (QUIET, AT_MEMBERS, BESIDE)
    )
    print(
        f"steps/s {calm:.2f} quiet, {busy:.2f} flooded, {beside:.2f} while peers beside the run are flooded"
    )
    print(f"flooded: {busy / calm:.2f}x of quiet, {busy / beside:.2f}x of a flood beside the run")
    return min(busy / calm, busy / beside)


def _wait(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
