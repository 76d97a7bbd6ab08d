# SPDX-License-Identifier: Apache-2.0
"""What the members of a run say of themselves to someone who takes no part."""

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
from node0.security.validation import MembersValidator
from node0.server.host import CONTROL
from node0.swarm.finding import Finding, bad, note, ok
from node0.swarm.frames import PROTOCOL, SMALL, Frame
from node0.swarm.identity import read_identity
from node0.swarm.peer import Peer, PeerSettings
from node0.swarm.run_file import OBSERVER, Place, SwarmRun, authorizer_of, key_file
from node0.swarm.sockets import socket_directory
from node0.swarm.stream import Stream

logger = logging.getLogger(__name__)

_MISMATCH = "peer id mismatch"
"libp2p's words."

MAX_SKEW = 2.0
"Seconds; DHT records are refused from clocks that are 3 seconds apart."


@dataclass(frozen=True, slots=True)
class Answer:
    """A member's answer, or why there is none."""

    place: Place
    told: Mapping[str, Any] | None
    why: str = ""
    reached: bool = True
    "Whether it was that member who did not answer."

    skew: float = 0.0
    "Its clock less this machine's, in seconds."

    @property
    def name(self) -> str:
        """The member's name in the run."""
        return self.place.name


def observe(
    directory: Path, run: SwarmRun, places: Sequence[Place], *, deadline: float | None = None
) -> list[Answer]:
    """Ask stages and spares, all at once, with the observer's key.

    Raises:
        NotFound: this machine does not have that key.
    """
    with observing(directory) as peer:
        return ask(peer, places, deadline=deadline or run.deadlines.call)


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
    peer = Peer(settings, validators=[MembersValidator(joining.run_id)] if joining is not None else ())
    try:
        yield peer
    finally:
        peer.close()


def ask(peer: Peer, places: Sequence[Place], *, deadline: float) -> list[Answer]:
    """Ask these members, all at once."""
    return peer.run(_ask_all(peer, places, deadline), timeout=None)


def judge(answers: Sequence[Answer], run: SwarmRun) -> Iterator[Finding]:
    """What is wrong with the members that answer, and with the clocks."""
    for answer in answers:
        if answer.told is None:
            yield bad(f"peer {answer.name}", answer.why, _advice(answer))
        else:
            yield _judge(answer, answer.told, run)
    heard = [answer for answer in answers if answer.told is not None]
    if not heard:
        yield note("clock", "not compared: no member answers", "keep it set by NTP on every machine")
    for answer in heard:
        yield _clock(answer)


def _judge(answer: Answer, told: Mapping[str, Any], run: SwarmRun) -> Finding:
    name = f"peer {answer.name}"
    if told.get("protocol") != PROTOCOL:
        return bad(
            name,
            f"it speaks protocol {_shown(told, 'protocol')}, and this program {PROTOCOL}",
            "install one version of gastown-finetune on all machines",
        )
    if told.get("base_digest") not in (None, run.base_digest):
        wrong, right = ascii(str(told["base_digest"]))[1:13], str(run.base_digest)[:12]
        return bad(name, f"it holds base {wrong}, and the run is made for {right}", "give it the run's base")
    return ok(name, f"protocol {PROTOCOL}, stage {_shown(told, 'stage')}, version {_shown(told, 'version')}")


def _shown(told: Mapping[str, Any], name: str) -> str:
    """What a peer says of itself, short and in one line whatever it sends."""
    return ascii(told.get(name))[:20]


def _advice(answer: Answer) -> str:
    if answer.reached:
        return "see its log; run.json must be the same on every machine"
    return f"start {answer.name} with its own key, or correct its address in run.json on every machine"


def _clock(answer: Answer) -> Finding:
    name = f"clock of {answer.name}"
    shown = f"{abs(answer.skew):.1f} s {'ahead of' if answer.skew > 0 else 'behind'} this machine's"
    if abs(answer.skew) > MAX_SKEW:
        return bad(name, shown, "set the clock of the machine that is wrong, and keep it set by NTP")
    return ok(name, shown)


async def _ask_all(peer: Peer, places: Sequence[Place], deadline: float) -> list[Answer]:
    return await asyncio.gather(*(_ask(peer, place, deadline) for place in places))


async def _ask(peer: Peer, place: Place, deadline: float) -> Answer:
    addresses = [str(address) for address in place.member.full_addresses]
    try:
        async with asyncio.timeout(deadline):
            stream = await peer.open(place.member.peer_id, CONTROL, addresses)
            asked = time.time()
            reply = await _hello(stream, peer.peer_id)
    except TimeoutError:
        return Answer(place, None, f"it does not answer within {deadline:g} s")
    except SwarmTimeout as error:
        logger.debug("%s: %s", place.name, error)
        at = ", ".join(f"{each.host}:{each.port}" for each in place.member.full_addresses)
        why = "another peer answers there" if _MISMATCH in str(error) else f"it cannot be reached at {at}"
        return Answer(place, None, why, reached=False)
    except Node0Error as error:
        return Answer(place, None, str(error))
    if reply is None or reply.kind != "reply":
        return Answer(place, None, "it refuses this observer")
    told = dict(reply.fields)
    return Answer(place, told, skew=_skew(told.get("time"), asked, time.time()))


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
