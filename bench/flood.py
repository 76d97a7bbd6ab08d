# SPDX-License-Identifier: Apache-2.0
"""What a stranger's flood costs the members of a run: memory of each, and steps per second.

    PYTHONPATH=tests python bench/flood.py [--megabytes 500] [--connects 1000] [--streams 300]

A trainer leads three stages. A peer that is on no allow-list stores records at all of them, connects over and
over, and opens streams. Quiet times and floods take turns in one run. Memory is what the process of a member
and its daemon take more than before, without what others share, at the worst moment and after the end.

What the stranger itself computes takes cores from the run where both are on one machine, as here. So the
same floods also go to as many peers beside the run that refuse it as members do. The limit is for both
ratios: to quiet times, and to those floods.
"""

import argparse
import asyncio
import json
import os
import select
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from hivemind.dht.routing import DHTID
from hivemind.p2p import PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, P2PDaemonError
from hivemind.utils.multiaddr import Multiaddr
from integration.swarm.processes import descendants

import forked
from forked import STAGES, TRAINER
from node0.errors import SwarmTimeout
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.members import members_key
from node0.swarm.records.own_keys import run_validators
from node0.swarm.run.run_file import read_run
from node0.swarm.transport.stream import Stream

MEMBERS = (*STAGES, TRAINER)
QUIET, AT_MEMBERS, BESIDE = "quiet", "members", "beside"
"Whom a flood is for: the run's members, or peers that have no part in it."

LIMIT_MIB, LIMIT_SLOWER = 50.0, 0.20
VALUE = 1 << 18
"Bytes of a record."

CALLS = (3, 12)
"Records of a call: as many as members take, and as many as a call may bring where nobody bounds it."

FIRST_STEP = 5


@dataclass(frozen=True, slots=True)
class Flood:
    """How much comes in one flood."""

    megabytes: float
    connects: int
    streams: int


@dataclass(slots=True)
class Target:
    """A member, as a stranger knows it."""

    peer_id: PeerID
    address: Multiaddr
    full: str
    streams: list[Stream] = field(default_factory=list)


class Stranger:
    """A peer that no run knows. It floods from its own loop."""

    def __init__(self, directory: Path, run_id: str, addresses: Mapping[str, Sequence[str]]) -> None:
        self.peer = Peer(PeerSettings(directory))
        self.run_id = run_id
        self._known = {whom: [_target(full) for full in there] for whom, there in addresses.items()}
        self.targets: Sequence[Target] = ()

    async def flood(self, whom: str, flood: Flood) -> dict[str, int]:
        """Do it all at once; how many of each were done."""
        self.targets = self._known[whom]
        calls = round(flood.megabytes * (1 << 20) / (VALUE * statistics.mean(CALLS)))
        done = await asyncio.gather(
            self._store(calls), self._connect(flood.connects), self._open(flood.streams)
        )
        for target in self.targets:
            for stream in target.streams:
                stream.close()
            target.streams.clear()
        return dict(zip(("calls", "connects", "streams"), done, strict=True))

    async def _store(self, calls: int) -> int:
        lane = asyncio.Semaphore(2 * len(self.targets))

        async def store(number: int) -> bool:
            async with lane:
                target = self.targets[number % len(self.targets)]
                await self._reach(target)
                return await self._call(target, number) is not None

        return sum(await asyncio.gather(*map(store, range(calls))))

    async def _call(self, target: Target, number: int) -> object:
        """Ask a member to keep records: some of keys that the run has, most of others."""
        size = CALLS[number // len(self.targets) % len(CALLS)]
        own = [DHTID.generate(source=members_key(self.run_id))]
        keys = own + [DHTID.generate(source=f"{number} {each}") for each in range(size - 1)]
        values = [os.urandom(VALUE) for _ in keys]
        subkeys = [f"{number} {each}" if each % 2 else None for each in range(size)]
        protocol = self.peer._dht.node.protocol
        return await protocol.call_store(target.peer_id, keys, values, time.time() + 86400, subkeys=subkeys)

    async def _connect(self, times: int) -> int:
        done = 0
        for number in range(times):
            target = self.targets[number % len(self.targets)]
            with suppress(ControlFailure, P2PDaemonError, OSError):
                await self.peer._p2p._client.disconnect(target.peer_id)
            done += await self._reach(target)
        return done

    async def _open(self, streams: int) -> int:
        done = 0
        for number in range(streams):
            target = self.targets[number % len(self.targets)]
            with suppress(SwarmTimeout):
                target.streams.append(
                    await self.peer.open(target.peer_id.to_base58(), CONTROL, [target.full])
                )
                done += 1
        return done

    async def _reach(self, target: Target) -> bool:
        try:
            await self.peer._p2p._client.connect(target.peer_id, [target.address])
        except (ControlFailure, P2PDaemonError, OSError, asyncio.IncompleteReadError):
            return False
        return True


def _target(full: str) -> Target:
    address, _, name = full.partition("/p2p/")
    return Target(PeerID.from_base58(name), Multiaddr(address), full)


@dataclass(slots=True)
class Scene:
    """A run that goes on while it is flooded."""

    root: Path
    processes: dict[str, int]
    most: dict[str, float] = field(default_factory=dict)
    "MiB of each member at its worst moment."

    cores: dict[str, float] = field(default_factory=dict)
    "What members and their daemons computed with in the last `pace`."

    def step(self) -> int:
        """The last step that the trainer told of."""
        lines = (self.root / f"{TRAINER}.log").read_text(errors="replace").splitlines()
        return max((json.loads(line)["step"] for line in lines if line.startswith('{"step":')), default=0)

    def look(self) -> dict[str, float]:
        """MiB of each member with its daemon, now."""
        now = {}
        for member, pid in self.processes.items():
            now[member] = sum(map(_mebibytes, [pid, *descendants(pid)]))
            self.most[member] = max(self.most.get(member, 0.0), now[member])
        return now

    def computed(self) -> dict[str, float]:
        """Seconds of computing so far: of the members' own processes, and of their daemons."""
        below = [pid for member in self.processes.values() for pid in descendants(member)]
        return {
            "members": sum(map(_cpu_seconds, self.processes.values())),
            "daemons": sum(map(_cpu_seconds, below)),
        }

    def pace(self, is_over: Callable[[float], bool]) -> float:
        """Steps per second until it is over, given the seconds so far."""
        first, started, before = self.step(), time.monotonic(), self.computed()
        while not is_over(time.monotonic() - started):
            self.look()
            time.sleep(0.25)
        seconds = time.monotonic() - started
        after = self.computed()
        self.cores = {name: (after[name] - before[name]) / seconds for name in after}
        return (self.step() - first) / seconds


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
    options = parser.parse_args()
    flood = Flood(
        options.megabytes / options.turns, options.connects // options.turns, options.streams // options.turns
    )
    # Not a TemporaryDirectory: a process that is forked here would remove it at its end.
    root = Path(tempfile.mkdtemp(prefix="n0-", dir="/tmp"))
    try:
        with scene(root) as found:
            fell = measure(found, flood, turns=options.turns, quiet=options.quiet, slower=options.slower)
    finally:
        shutil.rmtree(root)
    sys.exit(1 if fell else 0)


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


def measure(found: Scene, flood: Flood, *, turns: int, quiet: float, slower: float) -> bool:
    """Print what the flood costs; whether a limit is passed."""
    asking, answers = os.pipe(), os.pipe()

    def be_stranger(_: Sequence[str]) -> int:
        os.close(asking[1])  # or this process would never read the end of it
        return _be_stranger(found.root, asking[0], answers[1])

    stranger = forked.spawn(be_stranger, [], found.root / "s.log")
    os.close(asking[0])
    os.close(answers[1])
    paces: dict[str, list[float]] = {QUIET: [], AT_MEMBERS: [], BESIDE: []}
    cores: dict[str, list[dict[str, float]]] = {when: [] for when in paces}
    done: Counter[str] = Counter()
    with os.fdopen(asking[1], "w") as ask, os.fdopen(answers[0]) as heard:
        heard.readline()
        found.pace(lambda seconds: seconds > quiet)
        before = found.look()
        found.most.clear()
        for number in range(2 * turns):
            whom = (AT_MEMBERS, BESIDE)[number % 2]
            paces[QUIET].append(found.pace(lambda seconds: seconds > quiet))
            cores[QUIET].append(found.cores)
            ask.write(json.dumps([whom, flood.megabytes, flood.connects, flood.streams]) + "\n")
            ask.flush()
            paces[whom].append(found.pace(lambda _: _is_ready(heard)))
            cores[whom].append(found.cores)
            told = json.loads(heard.readline())
            done.update(told if whom == AT_MEMBERS else {})
    os.waitpid(stranger, 0)
    after = found.look()
    print(
        f"a stranger: {done['connects']} connects, {done['streams']} streams, {done['calls']} calls answered"
    )
    for member in MEMBERS:
        most, end = found.most[member] - before[member], after[member] - before[member]
        print(f"{member:8} {before[member]:6.0f} MiB before, {most:+6.1f} at most, {end:+6.1f} after")
    for when, each in cores.items():
        parts = (f"{name} {statistics.median(one[name] for one in each):.2f}" for name in each[0])
        print(f"cores, {when}: {', '.join(parts)}")
    calm, busy, beside = (statistics.median(paces[when]) for when in (QUIET, AT_MEMBERS, BESIDE))
    print(
        f"steps/s {calm:.2f} quiet, {busy:.2f} flooded, {beside:.2f} while peers beside the run are flooded"
    )
    print(f"flooded: {busy / calm:.2f}x of quiet, {busy / beside:.2f}x of a flood beside the run")
    grown = max(found.most[member] - before[member] for member in MEMBERS)
    return grown > LIMIT_MIB or min(busy / calm, busy / beside) < 1 - slower


def _be_stranger(root: Path, asked: int, answers: int) -> int:
    """Flood what is asked for, and hold the peers beside the run that are flooded too."""
    run = read_run(root / "swarm")
    members = [str(member.full_addresses[0]) for member in run.members]
    nobody = PeerSettings(root / "x", allowed=frozenset())
    beside = [
        Peer(replace(nobody, socket_dir=root / f"b{number}"), validators=run_validators(run.run_id))
        for number in range(len(members))
    ]
    os.nice(10)  # what a stranger computes itself, from here on, is another machine's work
    addresses = {AT_MEMBERS: members, BESIDE: [peer.addresses[0] for peer in beside]}
    stranger = Stranger(root / "x", run.run_id, addresses)
    with os.fdopen(asked) as ask, os.fdopen(answers, "w") as tell:
        tell.write("ready\n")
        tell.flush()
        for line in ask:
            whom, *sizes = json.loads(line)
            done = stranger.peer.run(stranger.flood(whom, Flood(*sizes)), timeout=None)
            tell.write(json.dumps(done) + "\n")
            tell.flush()
    for peer in (stranger.peer, *beside):
        peer.close()
    return 0


def _is_ready(file: IO[str]) -> bool:
    return bool(select.select([file], [], [], 0)[0])


def _mebibytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
