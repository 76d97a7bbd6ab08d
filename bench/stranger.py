# SPDX-License-Identifier: Apache-2.0
"""A peer on no allow-list that floods whom it is told to, and peers beside a run that it may flood too."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hivemind.dht.routing import DHTID
from hivemind.p2p import PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import ControlFailure, P2PDaemonError
from hivemind.utils.multiaddr import Multiaddr
from integration.swarm.processes import daemons

from forked import TRAINER
from node0.errors import SwarmTimeout
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.members import members_key
from node0.swarm.records.own_keys import run_validators
from node0.swarm.run.run_file import read_run
from node0.swarm.transport import daemon
from node0.swarm.transport.stream import Stream

AT_MEMBERS, BESIDE = "members", "beside"
"Whom a flood is for: the run's members, or peers that have no part in it."

VALUE = 1 << 18
"Bytes of a record."

RECORDS, TOO_MANY = 3, 12
"Records of a call: as many as a member's daemon hands on, and more than it reads."

EVERY = 9
"Of so many calls one is too long; no multiple of how many are flooded, or one would get them all."

TRIES = 20
"Of a connect or a stream, until it is there."


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
    is_stage: bool
    "A trainer serves no streams."

    streams: list[Stream] = field(default_factory=list)


@dataclass(slots=True)
class Done:
    """What came of a flood."""

    calls: int
    "Answered calls to store records; a call that is refused has no answer."

    connects: int
    streams: int
    sent: int
    "Bytes that the stranger's daemon wrote."


class Stranger:
    """A peer that no run knows. It floods from its own loop."""

    def __init__(self, directory: Path, run_id: str, known: Mapping[str, Sequence[Target]]) -> None:
        self.peer, self._sockets = Peer(PeerSettings(directory)), directory
        self.run_id = run_id
        self._known = known
        self.targets: Sequence[Target] = ()

    async def flood(self, whom: str, flood: Flood) -> Done:
        """Do it all at once, until all of it was tried."""
        self.targets = self._known[whom]
        before = self._written()
        done = await asyncio.gather(
            self._store(flood.megabytes * 1e6), self._connect(flood.connects), self._open(flood.streams)
        )
        for target in self.targets:
            for stream in target.streams:
                stream.close()
            target.streams.clear()
        return Done(*done, sent=self._written() - before)

    async def _store(self, nbytes: float) -> int:
        """Make calls until so many bytes have left; how many had an answer."""
        until, numbers = self._written() + nbytes, itertools.count()

        async def lane() -> int:
            answered = 0
            while self._written() < until:
                number = next(numbers)
                target = self.targets[number % len(self.targets)]
                await self._reach(target)
                answered += await self._call(target, number) is not None
            return answered

        return sum(await asyncio.gather(*(lane() for _ in range(2 * len(self.targets)))))

    async def _call(self, target: Target, number: int) -> object:
        """Ask a member to keep records: some of keys that the run has, most of others."""
        size = TOO_MANY if number % EVERY == 0 else RECORDS
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
            done += await self._reach_again(target)
        return done

    async def _open(self, streams: int) -> int:
        stages, done = [target for target in self.targets if target.is_stage], 0
        for number in range(streams):
            target = stages[number % len(stages)]
            done += await self._open_one(target)
        return done

    async def _open_one(self, target: Target) -> bool:
        """Open a stream, in as many tries as a connect has."""
        for _ in range(TRIES):
            with suppress(SwarmTimeout):
                whom = target.peer_id.to_base58()
                target.streams.append(await self.peer.open(whom, CONTROL, [target.full]))
                return True
        return False

    async def _reach_again(self, target: Target) -> bool:
        """Connect; the member may hang up in the middle of it, so it is tried again."""
        for _ in range(TRIES):
            if await self._reach(target):
                return True
        return False

    async def _reach(self, target: Target) -> bool:
        try:
            await self.peer._p2p._client.connect(target.peer_id, [target.address])
        except (ControlFailure, P2PDaemonError, OSError, asyncio.IncompleteReadError):
            return False
        return True

    def _written(self) -> int:
        """Bytes that the daemon has written to anybody so far."""
        files = [Path(f"/proc/{pid}/io") for pid in daemons(self._sockets)]
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        return sum(int(number) for name, number in lines if name == "wchar:")


def be_stranger(root: Path, asked: int, answers: int) -> int:
    """Flood what is asked for, and hold the peers beside the run that are flooded too."""
    run = read_run(root / "swarm")
    are_stages = [member.name != TRAINER for member in run.members]
    members = [str(member.full_addresses[0]) for member in run.members]
    beside = [_beside(root / f"b{number}", run.run_id, each) for number, each in enumerate(are_stages)]
    others = [peer.addresses[0] for peer in beside]
    known = {
        AT_MEMBERS: list(map(_target, members, are_stages)),
        BESIDE: list(map(_target, others, are_stages)),
    }
    daemon.LARGEST_CALL = 1 << 30  # of the stranger's own: what is too long is the members' to refuse
    stranger = Stranger(root / "x", run.run_id, known)
    with os.fdopen(asked) as ask, os.fdopen(answers, "w") as tell:
        tell.write("ready\n")
        tell.flush()
        for line in ask:
            whom, *sizes = json.loads(line)
            done = stranger.peer.run(stranger.flood(whom, Flood(*sizes)), timeout=None)
            tell.write(json.dumps(asdict(done)) + "\n")
            tell.flush()
    for peer in (stranger.peer, *beside):
        peer.close()
    return 0


def _target(full: str, is_stage: bool) -> Target:
    address, _, name = full.partition("/p2p/")
    return Target(PeerID.from_base58(name), Multiaddr(address), full, is_stage)


def _beside(socket_dir: Path, run_id: str, is_stage: bool) -> Peer:
    """A peer that has no part in the run, and refuses strangers as its members do."""
    peer = Peer(PeerSettings(socket_dir, allowed=frozenset()), validators=run_validators(run_id))
    if is_stage:
        peer.serve(CONTROL, _never)
    return peer


async def _never(stream: Stream) -> None:
    raise AssertionError(f"{stream.remote} was let in")
