# SPDX-License-Identifier: Apache-2.0
"""Ask the members of a run for their state as an observer, who takes no part."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.errors import Node0Error, SwarmTimeout
from node0.server.host.stage_host import CONTROL
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.own_keys import run_validators
from node0.swarm.run.identity import read_identity
from node0.swarm.run.run_file import authorizer_of, key_file
from node0.swarm.run.swarm_run import OBSERVER, Member, SwarmRun
from node0.swarm.transport.frames import SMALL, Frame
from node0.swarm.transport.sockets import socket_directory
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

_MISMATCH = "peer id mismatch"
"libp2p's words."


@dataclass(frozen=True, slots=True)
class Answer:
    """A member's answer, or why there is none."""

    member: Member
    told: Mapping[str, Any] | None
    why: str = ""
    reached: bool = True
    "Whether it was that member who did not answer."

    skew: float = 0.0
    "Its clock less this machine's, in seconds."

    @property
    def name(self) -> str:
        """The member's name in the run."""
        return self.member.name


def observe(
    directory: Path, run: SwarmRun, members: Sequence[Member], *, deadline: float | None = None
) -> list[Answer]:
    """Ask stages and spares, all at once, with the observer's key.

    Raises:
        NotFound: this machine does not have that key.
    """
    with observing(directory) as peer:
        return ask(peer, members, deadline=deadline or run.deadlines.call)


@contextmanager
def observing(directory: Path, joining: SwarmRun | None = None) -> Iterator[Peer]:
    """A peer with the observer's key; `joining` a run it reads its DHT too.

    Raises:
        NotFound: this machine does not have that key.
    """
    key = key_file(directory, OBSERVER)
    read_identity(key)  # a daemon would make a key that is not there
    settings = PeerSettings(
        socket_directory(directory, f"{OBSERVER}-{os.getpid()}"),
        identity_path=key,
        initial_peers=joining.seeds() if joining is not None else (),
        authorizer=authorizer_of(joining) if joining is not None and joining.authorizer else None,
        allowed=frozenset(),
    )
    peer = Peer(settings, validators=run_validators(joining.run_id) if joining is not None else ())
    try:
        yield peer
    finally:
        peer.close()


def ask(peer: Peer, members: Sequence[Member], *, deadline: float) -> list[Answer]:
    """Ask these members, all at once."""
    return peer.run(_ask_all(peer, members, deadline), timeout=None)


async def _ask_all(peer: Peer, members: Sequence[Member], deadline: float) -> list[Answer]:
    return await asyncio.gather(*(_ask(peer, member, deadline) for member in members))


async def _ask(peer: Peer, member: Member, deadline: float) -> Answer:
    addresses = [str(address) for address in member.full_addresses]
    try:
        async with asyncio.timeout(deadline):
            stream = await peer.open(member.peer_id, CONTROL, addresses)
            asked = time.time()
            reply = await _hello(stream, peer.peer_id)
    except TimeoutError:
        return Answer(member, None, f"it does not answer within {deadline:g} s")
    except SwarmTimeout as error:
        logger.debug("%s: %s", member.name, error)
        at = ", ".join(f"{each.host}:{each.port}" for each in member.full_addresses)
        why = "another peer answers there" if _MISMATCH in str(error) else f"it cannot be reached at {at}"
        return Answer(member, None, why, reached=False)
    except Node0Error as error:
        return Answer(member, None, str(error))
    if reply is None or reply.kind != "reply":
        return Answer(member, None, "it refuses this observer")
    told = dict(reply.fields)
    return Answer(member, told, skew=_skew(told.get("time"), asked, time.time()))


async def _hello(stream: Stream, client: str) -> Frame | None:
    try:
        await stream.send(Frame("hello", {"client": client, "id": 0}))
        return await stream.receive(max_payload=SMALL)
    except OSError:  # it closed the stream before it read anything
        return None
    finally:
        stream.close()


def _skew(theirs: object, asked: float, answered: float) -> float:
    """How far their clock is outside the time in which they must have answered."""
    if not isinstance(theirs, (int, float)):
        return 0.0
    return max(0.0, theirs - answered) + min(0.0, theirs - asked)
