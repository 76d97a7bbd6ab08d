# SPDX-License-Identifier: Apache-2.0
"""Rounds of random kills over a swarm of three stages: each must end with the undisturbed adapter.

    PYTHONPATH=tests python bench/kill_rounds.py [ROUNDS] [--seed SEED]

In each round a trainer leads three stages, all of them processes. At random moments a stage, two stages, the
trainer or a daemon alone is killed, or a stage is stopped for five seconds; what was killed is started again
after up to two seconds. A line a round tells what was done, how long the run took, and what is wrong: another
adapter, a run that did not end, a process or a socket that is left. The same seed gives the same blows.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from integration.swarm.processes import daemons, descendants, is_alive

import forked
from forked import ADAPTER, STAGES, TRAINER
from node0 import run_finetune
from node0.swarm.transport.sockets import socket_directory
from temporary import temporary_place

STEPS = 14
BLOWS = 2
"In a round."

KINDS = ("stage", "two stages", "daemon", "trainer", "stop")
STOPPED = 5.0
AWAY = 2.0
"Seconds after which what was killed is started again, at most."

LONGEST = 240.0
"Seconds that a round may take before it counts as one that did not end."

SCHEDULE = {"max_steps": STEPS, "checkpoint_every_n_steps": 5, "eval_every_n_steps": 7}


@dataclass(frozen=True, slots=True)
class Blow:
    """What is done to whom, and when."""

    kind: str
    victims: tuple[str, ...]
    step: int
    "Done when the trainer has made this step."

    delay: float
    "Seconds after that."

    away: float
    "Seconds until the victim is started again."

    def __str__(self) -> str:
        return f"{self.kind} {'+'.join(self.victims)} at step {self.step}"


@dataclass(slots=True)
class Round:
    """Processes of one run, by member."""

    directory: Path
    processes: dict[str, int] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    "When a member is started again."

    seen: dict[int, str] = field(default_factory=dict)
    "Every process that was ever there."

    @property
    def run(self) -> Path:
        """The swarm's directory."""
        return self.directory / "swarm"

    @property
    def result(self) -> Path:
        """The trainer's directory."""
        return self.directory / "run"

    def start(self, member: str) -> None:
        """Start a member as its command would."""
        self.due.pop(member, None)
        self.processes[member] = forked.start(self.run, member, self.directory / f"{member}.log")

    def strike(self, blow: Blow) -> None:
        """Do what the blow says."""
        self.note()
        for victim in blow.victims:
            if blow.kind == "daemon":
                for pid in daemons(socket_directory(self.run, victim)):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            elif blow.kind == "stop":
                os.kill(self.processes[victim], signal.SIGSTOP)
                time.sleep(STOPPED)
                os.kill(self.processes[victim], signal.SIGCONT)
            elif victim in self.processes:
                os.kill(self.processes[victim], signal.SIGKILL)
                self.due[victim] = time.monotonic() + blow.away

    def tend(self) -> int | None:
        """Start again what has ended, as whoever runs it would; the trainer's code once it is done."""
        for member, pid in [*self.processes.items()]:
            code = forked.ended(pid)
            if code is None:
                continue
            del self.processes[member]
            if member == TRAINER and code not in (-signal.SIGKILL, 75):
                return code
            self.due.setdefault(member, time.monotonic() + AWAY / 2)
        for member, moment in [*self.due.items()]:
            if member not in self.processes and time.monotonic() >= moment:
                self.start(member)
        return None

    def note(self) -> None:
        """Remember the processes of now, to look for them at the end."""
        for pid in self.processes.values():
            self.seen |= {each: _born(each) for each in (pid, *descendants(pid)) if each not in self.seen}

    def step(self) -> int:
        """The last step that the trainer told of."""
        with suppress(FileNotFoundError):
            lines = (self.directory / f"{TRAINER}.log").read_text(errors="replace").splitlines()
            steps = [json.loads(line)["step"] for line in lines if line.startswith('{"step":')]
            return max(steps, default=0)
        return 0

    def end(self) -> list[str]:
        """End the stages; what is left of the round a while later."""
        self.note()
        for pid in self.processes.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 20.0
        while time.monotonic() < until and (left := self._left()):
            for pid in self.processes.values():
                forked.ended(pid)
            time.sleep(0.1)
        left = self._left()
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left

    def _left(self) -> list[str]:
        sockets = [socket_directory(self.run, member) for member in (*STAGES, TRAINER)]
        living = [f"process {pid}" for pid in sorted(self.alive())]
        return living + [f"sockets of {each.name}" for each in sockets if each.exists()]

    def alive(self) -> list[int]:
        """Those seen that live; a number that another process has got since is not one of them."""
        return [pid for pid, born in self.seen.items() if is_alive(pid) and _born(pid) == born]


def _born(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty for one that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def main() -> None:
    """Run the rounds and say how many fell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rounds", nargs="?", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round after so many")
    options = parser.parse_args()
    until, fell, made = time.monotonic() + 60 * options.minutes, 0, 0
    with temporary_place("kills") as root:
        undisturbed = prepare(root)
        for number in range(options.rounds):
            if time.monotonic() > until:
                break
            made += 1
            blows = draw(random.Random(f"{options.seed} {number}"))
            started = time.monotonic()
            wrong = play(root, number, blows, undisturbed)
            fell += bool(wrong)
            said = "; ".join(wrong) or "as undisturbed"
            print(f"round {number}: {', '.join(map(str, blows))}: {time.monotonic() - started:.0f} s, {said}")
            sys.stdout.flush()
    print(f"{made - fell} of {made} rounds ended as undisturbed")
    sys.exit(1 if fell or not made else 0)


def draw(chance: random.Random) -> list[Blow]:
    """The blows of one round, in the order in which they are struck."""
    blows = []
    for step in sorted(chance.randrange(STEPS) for _ in range(BLOWS)):
        kind = chance.choice(KINDS)
        count = 2 if kind == "two stages" else 1
        among = (*STAGES, TRAINER) if kind == "daemon" else STAGES
        victims = (TRAINER,) if kind == "trainer" else tuple(chance.sample(among, count))
        blows.append(Blow(kind, victims, step, chance.uniform(0.0, 0.3), chance.uniform(0.0, AWAY)))
    return blows


def prepare(root: Path) -> bytes:
    """A base and a corpus below `root`, and the adapter of a run that nobody disturbs."""
    forked.make_place(root)
    file = forked.configure(root, root / "undisturbed", **SCHEDULE)
    forked.call(run_finetune.main, ["--config", str(file)], root / "undisturbed.log")
    return (root / "undisturbed" / ADAPTER).read_bytes()


def play(root: Path, number: int, blows: Sequence[Blow], undisturbed: bytes) -> list[str]:
    """Play one round; what is wrong with its end."""
    directory = root / str(number)
    here = Round(directory)
    file = forked.configure(root, here.result, **SCHEDULE)
    forked.init(file, here.run)
    code: int | None = None
    with cleared(here):
        for member in (*STAGES, TRAINER):
            here.start(member)
        code = follow(here, list(blows))
        left = here.end()
    wrong = [f"left {each}" for each in left]
    if code is None:
        wrong.insert(0, f"it did not end within {LONGEST:g} s, at step {here.step()}")
    elif code:
        wrong.insert(0, f"the trainer ended with code {code}")
    elif (here.result / ADAPTER).read_bytes() != undisturbed:
        wrong.insert(0, "the adapter is another one")
    if wrong:
        show_logs(directory)
    return wrong


def follow(here: Round, blows: list[Blow]) -> int | None:
    """Strike when it is time, and start again what has ended, until the trainer is done; its code."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        code = here.tend()
        if code is not None:
            return code
        here.note()
        if blows and here.step() >= blows[0].step and not here.due:
            blow = blows.pop(0)
            time.sleep(blow.delay)
            if all(each in here.processes for each in blow.victims):
                here.strike(blow)
        time.sleep(0.05)
    return None


@contextmanager
def cleared(here: Round) -> Iterator[None]:
    """Leave no process of a round behind when it is left in its middle."""
    try:
        yield
    finally:
        for pid in {*here.alive(), *here.processes.values()}:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)


def show_logs(directory: Path) -> None:
    """What each process of a round said last, on stderr."""
    for log in sorted(directory.glob("*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)


if __name__ == "__main__":
    main()
